from __future__ import annotations

import numpy as np
import pytest

from earshot.features import LogMel, MelOptions, MultiResolutionMel, MultiResolutionOptions


def test_planes_lie_on_each_other_and_on_ordinary_features() -> None:
    click = np.zeros(16_000, np.float32)
    click[8_000] = 1
    stack = MultiResolutionMel()(click)
    assert stack.shape == (3, 98, 40)
    assert len(LogMel()(click)) == stack.shape[1]
    assert stack.sum(2).argmax(1).tolist() == [49, 49, 49]


def test_white_noise_has_the_same_level_in_all_planes() -> None:
    noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    levels = MultiResolutionMel()(noise).mean((1, 2))
    assert np.ptp(levels) < 0.3


def test_long_windows_part_tones_and_short_ones_part_clicks() -> None:
    times = np.arange(16_000) / 16_000
    tones = (np.sin(2 * np.pi * 300 * times) + np.sin(2 * np.pi * 380 * times)).astype(np.float32)
    short, _, long = MultiResolutionMel()(tones)
    contrast = [float(np.sort(plane[50, :12])[-1] - np.median(plane[50, :12])) for plane in (short, long)]
    assert contrast[1] > contrast[0]
    clicks = np.zeros(16_000, np.float32)
    clicks[[8_000, 8_500]] = 1
    short, _, long = MultiResolutionMel()(clicks)
    between = [plane[46:54].sum(1) for plane in (short, long)]
    assert np.ptp(between[0]) > np.ptp(between[1])


@pytest.mark.parametrize("num_samples", [0, 100, 399, 400, 1_000])
def test_short_signals_give_as_many_frames_as_ordinary_features(num_samples: int) -> None:
    samples = np.ones(num_samples, np.float32)
    assert MultiResolutionMel()(samples).shape[1] == len(LogMel(MelOptions())(samples))


def test_windows_shorter_than_the_hop_are_refused() -> None:
    with pytest.raises(ValueError, match="hop"):
        MultiResolutionOptions(window_lengths=(100,))
