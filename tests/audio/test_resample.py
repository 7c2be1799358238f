from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.audio.resample import Resampler, resample, resampled
from earshot.core.errors import AudioError
from earshot.core.types import Audio, Samples

rates = st.sampled_from(
    [1_000, 8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000, 96_000, 192_000, 768_000]
)


def noise(num_samples: int) -> Samples:
    return np.random.default_rng(num_samples).uniform(-0.5, 0.5, num_samples).astype(np.float32)


def tone(frequency: float, rate: int, seconds: float = 1.0) -> Samples:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32) * 0.5


@settings(max_examples=40, deadline=None)
@given(rates, rates, st.lists(st.integers(0, 4_000), max_size=8))
def test_block_sizes_change_no_bit_and_the_length_is_exact(source: int, target: int, sizes: list[int]) -> None:
    samples = noise(sum(sizes))
    whole = resample(Audio(samples, source), target).samples
    pieces = list(resampled(np.split(samples, np.cumsum(sizes)), source, target))
    joined = np.concatenate([np.zeros(0, np.float32), *pieces])
    np.testing.assert_array_equal(joined, whole)
    assert len(whole) == (2 * len(samples) * target + source) // (2 * source)
    assert joined.dtype == np.float32


@pytest.mark.parametrize("num_samples", [0, 1, 2, 3, 47, 48])
@pytest.mark.parametrize(("source", "target"), [(768_000, 16_000), (8_000, 16_000), (1_000, 768_000), (3, 2)])
def test_the_shortest_sounds_have_the_exact_length_too(num_samples: int, source: int, target: int) -> None:
    got = resample(Audio(noise(num_samples), source), target)
    assert len(got.samples) == (2 * num_samples * target + source) // (2 * source)
    assert np.isfinite(got.samples).all()


@pytest.mark.parametrize("source", [8_000, 11_025, 44_100, 48_000, 96_000, 768_000])
def test_a_tone_stays_the_same_tone(source: int) -> None:
    got = resample(Audio(tone(440, source), source), 16_000).samples
    expected = tone(440, 16_000)
    middle = slice(1_000, -1_000)  # the filter rings at the ends
    assert np.abs(got[middle] - expected[middle]).max() < 1e-3


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    got = resample(Audio(tone(12_000, 48_000), 48_000), 16_000).samples
    assert np.abs(got[1_000:-1_000]).max() < 1e-4


def test_an_equal_rate_changes_nothing() -> None:
    audio = Audio(noise(1_000), 16_000)
    assert resample(audio, 16_000) is audio
    assert np.array_equal(np.concatenate(list(resampled([audio.samples], 16_000))), audio.samples)


def test_a_finished_resampler_is_as_new() -> None:
    resampler = Resampler(44_100, 16_000)
    runs = [np.concatenate([resampler.accept(noise(30_000)), resampler.finish()]) for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])


@pytest.mark.slow
def test_ten_hours_are_resampled_without_drift() -> None:
    resampler = Resampler(44_100, 16_000)
    block = np.zeros(44_100 * 60, np.float32)
    total = sum(len(resampler.accept(block)) for _ in itertools.repeat(None, 600)) + len(resampler.finish())
    assert total == 36_000 * 16_000


@pytest.mark.parametrize(("source", "target"), [(0, 16_000), (-1, 16_000), (16_000, 0)])
def test_impossible_rates_are_refused(source: int, target: int) -> None:
    with pytest.raises(AudioError, match="cannot resample"):
        Resampler(source, target)
