"""Batches hold every utterance once, little padding, and the same ones for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earshot.training.recognition.batching import padding_waste, plan_batches

durations = st.lists(st.floats(0.2, 20), min_size=1, max_size=200)


@given(durations, st.floats(1, 120), st.none() | st.integers(1, 20), st.none() | st.integers(0, 9))
def test_every_utterance_stands_in_one_batch(
    lengths: list[float], batch_seconds: float, batch_size: int | None, seed: int | None
) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    batches = plan_batches(lengths, batch_seconds=batch_seconds, batch_size=batch_size, rng=rng)
    assert sorted(place for batch in batches for place in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[place] for place in batch)
        assert len(batch) == 1 or longest * len(batch) <= batch_seconds + 1e-9
        assert batch_size is None or len(batch) <= batch_size
    if seed is not None:
        again = plan_batches(
            lengths, batch_seconds=batch_seconds, batch_size=batch_size, rng=np.random.default_rng(seed)
        )
        assert [one.tolist() for one in again] == [one.tolist() for one in batches]


def test_little_of_speech_like_lengths_is_padding() -> None:
    lengths = np.clip(np.random.default_rng(0).gamma(4, 0.9, 5_000), 0.4, 18).tolist()
    for seed in range(3):
        batches = plan_batches(lengths, batch_seconds=120, rng=np.random.default_rng(seed))
        assert padding_waste(lengths, batches) <= 0.05


def test_another_seed_gives_other_batches() -> None:
    lengths = np.random.default_rng(0).uniform(1, 6, 300).tolist()
    one, other = (plan_batches(lengths, batch_seconds=30, rng=np.random.default_rng(seed)) for seed in (1, 2))
    sets = [Counter(frozenset(batch.tolist()) for batch in batches) for batches in (one, other)]
    assert sum((sets[0] & sets[1]).values()) < len(one) / 2


def test_waste_is_counted_by_hand() -> None:
    assert padding_waste([1.0, 3.0], [np.array([0, 1])]) == 1 - 4 / 6
    assert padding_waste([], []) == 0
