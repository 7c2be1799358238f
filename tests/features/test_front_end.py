"""Features do not depend on how the signal was cut, and bad or empty signals are no surprise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import AudioError
from earshot.core.types import Audio, Samples
from earshot.features import (
    FrontEnd,
    LogMel,
    MelOptions,
    Mfcc,
    MfccOptions,
    Spectrogram,
    StftOptions,
)
from earshot.features.stft import Matrix

FRONT_ENDS: dict[str, FrontEnd] = {
    "spectrogram": Spectrogram(),
    "plain log-mel": LogMel(),
    "kaldi": LogMel(MelOptions.kaldi(80)),
    "kaldi without snip_edges": LogMel(MelOptions.kaldi(23, snip_edges=False)),
    "librosa": Mfcc(MfccOptions.librosa(top_db=None)),
    "python_speech_features": Mfcc(MfccOptions.python_speech_features()),
    "odd sizes": Spectrogram(StftOptions(window_length=37, hop_length=36, fft_length=51, padding="mirror")),
    "hop equals window": Spectrogram(StftOptions(window_length=64, hop_length=64, fft_length=64)),
    "hop of one": Spectrogram(StftOptions(window_length=8, hop_length=1, fft_length=8, padding="center")),
}
SPEECH: Samples = np.random.default_rng(1).standard_normal(50_000).astype(np.float32) * np.float32(0.1)


def in_blocks(front_end: FrontEnd, samples: Samples, sizes: list[int]) -> Matrix:
    stream = front_end.stream()
    parts, start, turn = [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        parts.append(stream.accept(samples[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate([*parts, stream.finish()])


@pytest.mark.parametrize("name", FRONT_ENDS)
@settings(max_examples=25, deadline=None)
@given(
    length=st.one_of(st.integers(0, 1_200), st.integers(0, 20_000)),
    sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=5).filter(any),
)
def test_block_sizes_do_not_change_a_bit(name: str, length: int, sizes: list[int]) -> None:
    front_end = FRONT_ENDS[name]
    samples = SPEECH[:length]
    whole = front_end(samples)
    assert whole.dtype == np.float32
    assert whole.shape == (front_end.stft.num_frames(length), front_end.num_features)
    np.testing.assert_array_equal(in_blocks(front_end, samples, sizes), whole)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_one_large_block_equals_many_small_ones(name: str) -> None:
    front_end = FRONT_ENDS[name]
    whole = front_end(SPEECH)
    for size in (160, 513, 49_999):
        np.testing.assert_array_equal(in_blocks(front_end, SPEECH, [size]), whole)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_frame_comes_as_soon_as_its_samples_are_there(name: str) -> None:
    front_end = FRONT_ENDS[name]
    stft, stream, given_frames = front_end.stft, front_end.stream(), 0
    for num_samples in range(100, 2_100, 100):
        given_frames += len(stream.accept(SPEECH[num_samples - 100 : num_samples]))
        last_end = (given_frames - 1) * stft.hop_length - stft.left_padding + stft.window_length
        assert given_frames == 0 or last_end <= num_samples
        assert last_end + stft.hop_length > num_samples


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_features_look_at_their_own_time_only(name: str) -> None:
    """A click moves the frames whose windows hold it and no other."""
    front_end = FRONT_ENDS[name]
    stft = front_end.stft
    quiet = SPEECH[:4_000]
    loud = quiet.copy()
    loud[2_000] += 0.9
    changed = np.flatnonzero((front_end(loud) != front_end(quiet)).any(axis=1))
    times = np.array([stft.frame_time(int(frame)) for frame in changed])
    reach = (stft.window_length / 2 + 1) / stft.sample_rate  # one sample more for the pre-emphasis
    assert len(changed)
    assert np.all(np.abs(times - 2_000 / stft.sample_rate) <= reach)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_silence_is_finite(name: str) -> None:
    features = FRONT_ENDS[name](np.zeros(3_000, np.float32))
    assert len(features)
    assert np.isfinite(features).all()


def test_silence_is_the_floor() -> None:
    for options in (MelOptions(), MelOptions.kaldi(), MelOptions.librosa(top_db=None)):
        silence = LogMel(options)(np.zeros(3_000, np.float32))
        np.testing.assert_allclose(silence, options.silence, rtol=1e-6)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_an_empty_signal_has_no_frames(name: str) -> None:
    front_end = FRONT_ENDS[name]
    nothing = np.zeros(0, np.float32)
    assert front_end(nothing).shape == (0, front_end.num_features)
    stream = front_end.stream()
    assert stream.accept(nothing).shape == stream.finish().shape == (0, front_end.num_features)


def test_short_signals_follow_the_padding() -> None:
    short = np.ones(100, np.float32)
    assert len(LogMel(MelOptions.kaldi())(short)) == 0
    assert len(LogMel(MelOptions.kaldi(snip_edges=False))(short)) == 1
    assert len(Mfcc(MfccOptions.python_speech_features())(short)) == 1
    assert len(LogMel(MelOptions.librosa())(short)) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_broken_samples_are_an_error_and_no_feature(bad: float) -> None:
    samples = np.zeros(1_000, np.float32)
    samples[500] = bad
    with pytest.raises(AudioError, match="NaN, infinity"):
        LogMel()(samples)
    with pytest.raises(AudioError, match="16-bit PCM"):
        LogMel().stream().accept(samples)


@pytest.mark.parametrize(
    "samples", [np.zeros(9), np.zeros(9, np.int16), np.zeros((9, 2), np.float32)], ids=["f8", "i2", "2-D"]
)
def test_other_types_are_refused(samples: Samples) -> None:
    with pytest.raises(ValueError, match="float32 of shape"):
        LogMel()(samples)


def test_a_finished_stream_takes_nothing_more() -> None:
    stream = LogMel().stream()
    stream.finish()
    with pytest.raises(ValueError, match="finished"):
        stream.accept(SPEECH)
    with pytest.raises(ValueError, match="finished"):
        stream.finish()


def test_what_needs_the_whole_utterance_is_not_streamed() -> None:
    for front_end in (LogMel(MelOptions.librosa()), Mfcc(MfccOptions.librosa())):
        with pytest.raises(ValueError, match="top_db"):
            front_end.stream()


def test_streams_of_one_front_end_do_not_mix() -> None:
    front_end = LogMel()
    one, other = front_end.stream(), front_end.stream()
    first = [one.accept(SPEECH[:5_000])]
    other.accept(-SPEECH[:7_777])
    first += [one.accept(SPEECH[5_000:10_000]), one.finish()]
    np.testing.assert_array_equal(np.concatenate(first), front_end(SPEECH[:10_000]))


def test_the_signal_is_left_alone(sample: Audio) -> None:
    before = sample.samples.copy()
    for front_end in FRONT_ENDS.values():
        front_end(sample.samples)
    np.testing.assert_array_equal(sample.samples, before)


def test_a_view_with_gaps_is_read_right() -> None:
    np.testing.assert_array_equal(LogMel()(SPEECH[::3]), LogMel()(np.ascontiguousarray(SPEECH[::3])))


def test_a_tone_stands_in_its_bin_and_its_filter() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    spectrogram = Spectrogram()
    peaks = spectrogram.stft.bin_frequencies()[spectrogram(tone).argmax(axis=1)]
    np.testing.assert_array_equal(peaks, 1_000)
    options = MelOptions(num_mels=40)
    loudest = int(LogMel(options)(tone).mean(axis=0).argmax())
    assert options.edges[loudest] < 1_000 < options.edges[loudest + 2]


def test_a_frame_time_is_the_middle_of_its_window() -> None:
    click = np.zeros(16_000, np.float32)
    click[8_000] = 1
    for padding in ("none", "end", "center", "mirror"):
        spectrogram = Spectrogram(StftOptions(padding=padding, window="hann"))  # type: ignore[arg-type]
        loudest = int(spectrogram(click).sum(axis=1).argmax())
        assert spectrogram.stft.frame_time(loudest) == pytest.approx(0.5, abs=0.0051)


def test_twice_as_loud_is_six_decibels_more() -> None:
    front_end = LogMel(MelOptions.librosa(top_db=None))
    difference = front_end(2 * SPEECH) - front_end(SPEECH)
    np.testing.assert_allclose(difference, 20 * np.log10(2), atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop_length": 401}, "hop_length"),
        ({"hop_length": 0}, "hop_length"),
        ({"fft_length": 399}, "fft_length"),
        ({"pre_emphasis": 1.0}, "pre-emphasis"),
        ({"sample_rate": 0}, "sample rate"),
        ({"scale": float("nan")}, "scale"),
    ],
)
def test_impossible_frames_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(StftOptions(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"num_mels": 0},
        {"low_frequency": 9_000.0},
        {"high_frequency": 9_000.0},
        {"floor": 0.0},
        {"top_db": 80.0},
    ],
)
def test_impossible_filters_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"mel|low|floor|top_db"):
        dataclasses.replace(MelOptions(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"num_ceps": 81}, {"num_ceps": 0}, {"lifter": -1}])
def test_impossible_cepstra_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"cepstra|lifter"):
        dataclasses.replace(MfccOptions(), **changes)  # type: ignore[arg-type]


def test_options_go_through_json() -> None:
    """A model card keeps them."""
    import json

    options = MelOptions.kaldi(64)
    read = json.loads(json.dumps(dataclasses.asdict(options)))
    assert MelOptions(**{**read, "stft": StftOptions(**read["stft"])}) == options
