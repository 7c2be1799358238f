from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.audio import vad
from earshot.audio._silero import load_weights
from earshot.audio.decode import read_audio
from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import Audio, Samples


@pytest.fixture(scope="module")
def reader(sample_path: Path) -> Samples:
    return read_audio(sample_path).samples


@pytest.fixture(scope="module")
def word(reader: Samples) -> Samples:
    return soft(reader[661_760:669_280])


def soft(sound: Samples) -> Samples:
    """The same at −30 dBFS."""
    return sound * np.float32(0.03 / np.sqrt(np.mean(np.square(sound))))


def hush(seconds: float, seed: int = 0) -> Samples:
    """The noise of a quiet room, −60 dBFS."""
    return np.random.default_rng(seed).normal(0, 1e-3, round(seconds * 16_000)).astype(np.float32)


def test_speech_is_told_from_silence_and_noise(sample: Audio) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, 5 * 16_000).astype(np.float32)
    assert VoiceActivityDetector().probabilities(sample.samples[16_000:]).mean() > 0.7
    assert VoiceActivityDetector().probabilities(noise).max() < 0.2
    assert VoiceActivityDetector().probabilities(np.zeros(5 * 16_000, np.float32)).max() < 0.2


def test_the_weights_of_the_wheel_are_the_ones_this_net_knows() -> None:
    # Where this fails, speech is still found, but by the wheel's own code, 25 times slower.
    assert load_weights() is not None


def test_it_agrees_with_the_wheels_own_code(sample: Audio) -> None:
    frames = sample.samples[: 100 * FRAME].reshape(-1, FRAME)
    expected = vad._WheelDetector().probabilities(frames)
    ours = VoiceActivityDetector().probabilities(frames.ravel())
    assert np.abs(ours - expected).max() < 0.005
    assert np.ptp(expected) > 0.5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=30))
def test_block_sizes_change_no_bit(sizes: list[int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    samples = (rng.normal(0, 0.1, sum(sizes)) * np.sin(np.arange(sum(sizes)) / 900)).astype(np.float32)
    whole, pieces = VoiceActivityDetector(), VoiceActivityDetector()
    expected = np.concatenate([whole.probabilities(samples), whole.flush()])
    blocks = np.split(samples, np.cumsum(sizes))
    got = np.concatenate([*(pieces.probabilities(block) for block in blocks), pieces.flush()])
    np.testing.assert_array_equal(got, expected)
    assert len(got) == math.ceil(len(samples) / FRAME)


def test_block_sizes_change_no_bit_where_it_forgets(word: Samples) -> None:
    pauses = (0.7, 3.3, 0.4, 7.7, 2.1)
    sound = np.concatenate([part for seconds in pauses for part in (word, hush(seconds))])
    expected = VoiceActivityDetector().probabilities(sound)
    for size in (1, 100, FRAME, 3_333, 16_000):
        detector = VoiceActivityDetector()
        blocks = [sound[start : start + size] for start in range(0, len(sound), size)]
        got = np.concatenate([detector.probabilities(block) for block in blocks])
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("pause", [0.5, 1.0, 2.0])
def test_a_word_is_heard_however_often_it_is_said(word: Samples, pause: float) -> None:
    # Without forgetting, 6 to 13 of the 30 are heard.
    detector = VoiceActivityDetector()
    for time in range(30):
        heard = detector.probabilities(
            np.concatenate([hush(pause, time), word + hush(len(word) / 16_000, 99 + time)])
        )
        assert heard.max() > 0.5, time


def test_a_word_is_heard_after_a_long_time_of_faint_noise(reader: Samples) -> None:
    # Without forgetting the net gives it 0.3.
    detector = VoiceActivityDetector()
    assert detector.probabilities(3 * hush(60)).max() < 0.3
    assert detector.probabilities(np.concatenate([soft(reader[393_600:399_520]), hush(0.1)])).max() > 0.5


def test_the_wheels_own_code_forgets_as_well(word: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.concatenate([part for seconds in (1.1, 3.4, 0.8) for part in (word, hush(seconds))])
    ours = VoiceActivityDetector().probabilities(sound)
    monkeypatch.setattr(vad, "load_weights", lambda: None)
    assert np.abs(VoiceActivityDetector().probabilities(sound) - ours).max() < 0.01


def test_reset_forgets_the_stream(sample: Audio) -> None:
    detector = VoiceActivityDetector()
    first = detector.probabilities(sample.samples[: 50 * FRAME + 100])
    detector.reset()
    np.testing.assert_array_equal(detector.probabilities(sample.samples[: 50 * FRAME]), first)


def test_two_streams_do_not_mix(sample: Audio) -> None:
    alone = VoiceActivityDetector().probabilities(sample.samples[: 60 * FRAME])
    one, other = VoiceActivityDetector(), VoiceActivityDetector()
    mixed = []
    for start in range(0, 60 * FRAME, 10 * FRAME):
        mixed.append(one.probabilities(sample.samples[start : start + 10 * FRAME]))
        other.probabilities(np.zeros(5 * FRAME, np.float32))
    np.testing.assert_array_equal(np.concatenate(mixed), alone)


def test_values_that_are_no_numbers_spoil_nothing_after_them(sample: Audio) -> None:
    detector = VoiceActivityDetector()
    broken = np.array([np.nan, np.inf, -np.inf, 1e30] * FRAME, np.float32)
    assert np.isfinite(detector.probabilities(broken)).all()
    after = detector.probabilities(sample.samples[16_000:])
    assert np.isfinite(after).all()
    assert after.mean() > 0.7


def test_a_single_frame_may_be_flushed_before_any_is_complete() -> None:
    detector = VoiceActivityDetector()
    assert len(detector.probabilities(np.zeros(10, np.float32))) == 0
    assert len(detector.flush()) == 1
    assert len(detector.flush()) == 0
