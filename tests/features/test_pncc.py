"""PNCC as the paper defines it, written down a second time, number by number; and what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import AudioError
from earshot.core.types import Audio, Samples
from earshot.features import Mfcc, Pncc, PnccOptions, Spectrogram
from earshot.features.stft import Matrix

SPEECH: Samples = np.random.default_rng(1).standard_normal(20_000).astype(np.float32) * np.float32(0.1)


def by_the_paper(samples: Samples) -> np.ndarray:
    """Kim and Stern 2016, one number after the other in double precision, with their constants."""
    options = PnccOptions()
    spectrum = Spectrogram(options.stft)(samples).astype(np.float64)
    power = spectrum @ options.filters().T
    num_frames, num_channels = power.shape
    envelope, floor, peak, mean = [0.0] * num_channels, [0.0] * num_channels, [0.0] * num_channels, 0.05
    loudness = np.zeros(power.shape)
    for m in range(num_frames):
        ratio = [0.0] * num_channels
        for channel in range(num_channels):
            near = power[max(0, m - 2) : m + 3, channel]
            medium = near.sum() / len(near)
            if m == 0:
                envelope[channel] = 0.9 * medium
            share = 0.999 if medium >= envelope[channel] else 0.5
            envelope[channel] = share * envelope[channel] + (1 - share) * medium
            above = max(medium - envelope[channel], 0)
            if m == 0:
                floor[channel] = 0.9 * above
            share = 0.999 if above >= floor[channel] else 0.5
            floor[channel] = share * floor[channel] + (1 - share) * above
            masked = above if above >= 0.85 * peak[channel] else 0.2 * peak[channel]
            peak[channel] = max(0.85 * peak[channel], above)
            is_speech = medium >= 2 * envelope[channel]
            kept = max(masked, floor[channel]) if is_speech else floor[channel]
            ratio[channel] = kept / medium
        weighted = []
        for channel in range(num_channels):
            near = ratio[max(0, channel - 4) : channel + 5]
            weighted.append(power[m, channel] * sum(near) / len(near))
        mean = 0.999 * mean + 0.001 * sum(weighted) / num_channels
        loudness[m] = [(value / mean) ** (1 / 15) for value in weighted]
    cepstra = np.zeros((num_frames, 13))
    for order in range(13):
        scale = math.sqrt((1 if order == 0 else 2) / num_channels)
        waves = [math.cos(math.pi * order * (channel + 0.5) / num_channels) for channel in range(num_channels)]
        cepstra[:, order] = scale * (loudness @ np.array(waves))
    return cepstra


def test_it_is_what_the_paper_defines(sample: Audio) -> None:
    samples = sample.samples[8_000:32_000]
    np.testing.assert_allclose(Pncc()(samples), by_the_paper(samples), atol=2e-3)


def test_filters_are_gammatones_from_200_hz() -> None:
    options = PnccOptions()
    filters = options.filters()
    assert filters.shape == (40, 513)
    np.testing.assert_allclose(filters.sum(axis=1), 1)
    peaks = filters.argmax(axis=1) * 16_000 / 1024
    assert peaks[0] == pytest.approx(200, abs=16)
    assert (np.diff(peaks) > 0).all()
    assert peaks[-1] < 8_000
    widths = (filters > filters.max(axis=1, keepdims=True) / 2).sum(axis=1)
    assert widths[-1] > 8 * widths[0]  # critical bands grow with frequency


def in_blocks(front_end: Pncc, samples: Samples, sizes: list[int]) -> Matrix:
    stream, parts, start, turn = front_end.stream(), [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        parts.append(stream.accept(samples[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate([*parts, stream.finish()])


@settings(max_examples=25, deadline=None)
@given(
    length=st.one_of(st.integers(0, 2_000), st.integers(0, 12_000)),
    sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=5).filter(any),
)
def test_block_sizes_do_not_change_a_bit(length: int, sizes: list[int]) -> None:
    front_end = Pncc()
    whole = front_end(SPEECH[:length])
    assert whole.dtype == np.float32
    assert whole.shape == (front_end.stft.num_frames(length), 13)
    np.testing.assert_array_equal(in_blocks(front_end, SPEECH[:length], sizes), whole)


def test_a_frame_waits_for_two_more_and_no_longer() -> None:
    stream, num_frames = Pncc().stream(), 0
    for end in range(160, 4_000, 160):
        num_frames += len(stream.accept(SPEECH[end - 160 : end]))
        assert num_frames == max(0, PnccOptions().stft.num_whole_frames(end) - 2)
    assert len(stream.finish()) == 2
    with pytest.raises(ValueError, match="finished"):
        stream.accept(SPEECH[:10])


def test_the_level_goes_away_with_time() -> None:
    """Twice as loud speech gives the same cepstra once the running mean has followed: ten seconds."""
    front_end = Pncc(PnccOptions(mean_decay=0.98))
    quiet = front_end(SPEECH)
    loud = front_end(SPEECH * np.float32(2))
    first, last = (np.abs(loud - quiet)[frames].mean() for frames in (slice(0, 5), slice(-20, None)))
    assert last < first / 3


def test_steady_noise_changes_it_less_than_mfcc(sample: Audio) -> None:
    """At 10 dB: how far cepstra move, over how far they lie apart from each other in clean speech."""
    samples = sample.samples[: 16_000 * 6]
    level = float(np.sqrt((samples.astype(np.float64) ** 2).mean())) * 10 ** (-10 / 20)
    noise = np.random.default_rng(0).normal(0, level, len(samples)).astype(np.float32)

    def moved(front_end: Pncc | Mfcc) -> float:
        clean, noisy = (front_end(signal)[100:] for signal in (samples, samples + noise))
        clean, noisy = clean - clean.mean(axis=0), noisy - noisy.mean(axis=0)
        return float((np.abs(noisy - clean).mean(axis=0) / clean.std(axis=0)).mean())

    assert moved(Pncc()) < moved(Mfcc())


def test_silence_and_broken_sound() -> None:
    silence = Pncc()(np.zeros(4_000, np.float32))
    assert np.isfinite(silence).all()
    assert (silence == 0).all()
    assert Pncc()(np.zeros(0, np.float32)).shape == (0, 13)
    with pytest.raises(AudioError):
        Pncc()(np.full(1_000, np.nan, np.float32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_ceps": 41},
        {"num_context": -1},
        {"rise": 1.0},
        {"initial_power": 0.0},
        {"low_frequency": 9_000.0},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"not|positive"):
        Pncc(PnccOptions(**wrong))  # type: ignore[arg-type]
