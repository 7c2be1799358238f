from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.visual.pooling import Envelope, Pool

FRAMES = np.random.default_rng(3).standard_normal((3_000, 2)).astype(np.float32)


@settings(deadline=None)
@given(
    num_frames=st.integers(0, 3_000),
    max_columns=st.integers(1, 40),
    cuts=st.lists(st.integers(0, 3_000), max_size=6).map(sorted),
    kind=st.sampled_from(["mean", "max"]),
)
def test_columns_are_means_or_maxima_of_frames(
    num_frames: int, max_columns: int, cuts: list[int], kind: str
) -> None:
    pool = Pool(2, max_columns=max_columns, kind=kind)  # type: ignore[arg-type]
    frames = FRAMES[:num_frames]
    for part in np.split(frames, cuts):
        pool.add(part)
    columns = pool.columns()
    assert len(columns) <= 2 * max_columns
    assert len(columns) == -(-num_frames // pool.factor)
    groups = [frames[start : start + pool.factor] for start in range(0, num_frames, pool.factor)]
    for column, group in zip(columns, groups, strict=True):
        np.testing.assert_allclose(column, getattr(np, kind)(group, axis=0), atol=1e-5)


def test_a_day_stays_small() -> None:
    pool = Pool(1, max_columns=100)
    for _ in range(864):
        pool.add(np.ones((10_000, 1), np.float32))
    assert 100 <= len(pool.columns()) <= 200
    np.testing.assert_allclose(pool.columns(), 1, rtol=1e-5)


@pytest.mark.parametrize("block", [1, 7, 100, 5_000])
def test_an_envelope_holds_every_sample(block: int) -> None:
    signal = FRAMES[:, 0]
    envelope = Envelope(4, max_columns=50)
    for start in range(0, len(signal), block):
        envelope.add(signal[start : start + block])
    columns = envelope.finish()
    assert len(columns) <= 100
    edges = range(0, len(signal), envelope.step)
    for column, start in zip(columns, edges, strict=True):
        step = signal[start : start + envelope.step]
        assert column[0] == step.min()
        assert column[1] == step.max()
        assert column[2] == pytest.approx(float(np.sqrt(np.square(step).mean())), abs=1e-4)
