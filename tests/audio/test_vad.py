from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.audio import vad
from earshot.audio._silero import load_weights
from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import Audio


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
