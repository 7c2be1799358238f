from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.types import Audio, Samples
from earshot.visual import LevelMeter, Levels, decibels


def measured(*blocks: Samples, sample_rate: int = 1_000) -> Levels:
    meter = LevelMeter(sample_rate)
    for block in blocks:
        meter.accept(block.astype(np.float32))
    return meter.levels()


@settings(deadline=None)
@given(
    runs=st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, -1.0, 0.99, 0.5, 0.97]), st.integers(1, 60)), max_size=15
    ),
    cuts=st.lists(st.integers(0, 300), max_size=6).map(sorted),
)
def test_block_sizes_do_not_matter(runs: list[tuple[float, int]], cuts: list[int]) -> None:
    samples = np.concatenate([np.full(length, value) for value, length in runs] or [np.empty(0)])
    whole, parts = measured(samples), measured(*np.split(samples, cuts))
    assert parts.rms == pytest.approx(whole.rms)
    assert parts.mean == pytest.approx(whole.mean)
    assert (parts.num_clipped, parts.num_clips, parts.silence, parts.longest_silence, parts.peak) == (
        whole.num_clipped,
        whole.num_clips,
        whole.silence,
        whole.longest_silence,
        whole.peak,
    )


def test_a_sine_has_its_level() -> None:
    levels = measured(0.5 * np.sin(2 * np.pi * np.arange(1_000) / 100) + 0.1)
    assert decibels(levels.rms) == pytest.approx(20 * math.log10(math.hypot(0.5 / math.sqrt(2), 0.1)), abs=1e-3)
    assert levels.mean == pytest.approx(0.1, abs=1e-6)
    assert levels.peak == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize("ceiling", [1.0, 32_767 / 32_768, 127 / 128])
def test_flat_tops_are_clipped(ceiling: float) -> None:
    sine = 1.5 * np.sin(2 * np.pi * np.arange(1_000) / 100)
    levels = measured(np.clip(sine, -ceiling, ceiling))
    assert levels.num_clips == 20
    assert levels.num_clipped == np.count_nonzero(np.abs(sine) >= ceiling)


def test_full_scale_speech_is_not_clipped(sample: Audio) -> None:
    loud = sample.samples / np.abs(sample.samples).max()
    levels = measured(np.round(loud * 32_767) / 32_768)
    assert levels.peak > 0.999
    assert levels.num_clips == 0


def test_speech_is_no_digital_silence_and_a_dropout_is(sample: Audio) -> None:
    assert measured(sample.samples, sample_rate=16_000).silence == 0
    dropped = sample.samples.copy()
    dropped[8_000:9_600] = 0
    dropped[20_000:20_800] = 0
    levels = measured(dropped, sample_rate=16_000)
    assert levels.silence == pytest.approx(0.15, abs=0.002)
    assert levels.longest_silence == pytest.approx(0.1, abs=0.001)


def test_nothing_has_no_level() -> None:
    levels = measured()
    assert levels == Levels(0, 0.0, 0.0, 0.0, 0, 0, 0.0, 0.0)
    assert decibels(levels.peak) == -math.inf
