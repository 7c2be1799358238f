from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.features import RunningNormaliser, Statistics, deltas, normalise, with_deltas
from earshot.features.stft import Matrix

FEATURES: Matrix = (
    np.random.default_rng(2).standard_normal((700, 5)) * [1, 2, 3, 4, 0] + [0, 10, -20, 1000, 7]
).astype(np.float32)


def test_an_utterance_has_zero_mean_and_unit_variance() -> None:
    normal = normalise(FEATURES)
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std(axis=0), [1, 1, 1, 1, 0], atol=1e-4)
    assert normal.dtype == np.float32


def test_the_mean_alone() -> None:
    centred = normalise(FEATURES, variance=False)
    np.testing.assert_allclose(centred.std(axis=0), FEATURES.std(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-3)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    parts = Statistics.of(FEATURES[start:end] for start, end in ((0, 3), (3, 3), (3, 600), (600, 700)))
    np.testing.assert_allclose(parts.mean, FEATURES.mean(axis=0, dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(parts.deviation, FEATURES.std(axis=0, dtype=np.float64), rtol=1e-9, atol=1e-9)


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        Statistics.of([FEATURES[:0]])


def test_no_frames_stay_no_frames() -> None:
    assert normalise(FEATURES[:0]).shape == (0, 5)
    assert RunningNormaliser(5).accept(FEATURES[:0]).shape == (0, 5)
    assert with_deltas(FEATURES[:0]).shape == (0, 15)


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 700), max_size=6).map(sorted),
    window=st.integers(1, 400),
    variance=st.booleans(),
    has_prior=st.booleans(),
)
def test_a_running_normaliser_does_not_depend_on_blocks(
    cuts: list[int], window: int, variance: bool, has_prior: bool
) -> None:
    prior = Statistics.of([FEATURES]) if has_prior else None

    def new() -> RunningNormaliser:
        return RunningNormaliser(5, num_frames=window, variance=variance, prior=prior)

    whole = new().accept(FEATURES)
    running = new()
    parts = [running.accept(part) for part in np.split(FEATURES, cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_running_normaliser_is_the_window_s_own_statistics() -> None:
    running = RunningNormaliser(5, num_frames=50).accept(FEATURES)
    for frame in (10, 49, 50, 699):
        window = FEATURES[max(0, frame - 49) : frame + 1].astype(np.float64)
        expected = (FEATURES[frame] - window.mean(axis=0)) / np.maximum(window.std(axis=0), 1e-3)
        np.testing.assert_allclose(running[frame], expected, atol=1e-4)


def test_a_prior_speaks_first() -> None:
    prior = Statistics.of([FEATURES])
    first = RunningNormaliser(5, prior=prior, prior_frames=100_000).accept(FEATURES[:1])
    np.testing.assert_allclose(first, prior.apply(FEATURES[:1]), atol=1e-3)
    assert np.all(RunningNormaliser(5).accept(FEATURES[:1]) == 0)


def test_the_slope_of_a_line_is_its_slope() -> None:
    line = np.arange(20, dtype=np.float32)[:, None] * np.array([[3, -0.5]], np.float32)
    np.testing.assert_allclose(deltas(line)[2:-2], [[3, -0.5]] * 16, rtol=1e-6)
    both = with_deltas(line, order=2)
    assert both.shape == (20, 6)
    np.testing.assert_allclose(both[4:-4, 4:], 0, atol=1e-6)


def test_slopes_need_a_neighbour() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        deltas(FEATURES, 0)
