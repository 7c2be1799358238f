"""Which utterances are learned from together: alike in length, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def plan_batches(
    durations: Sequence[float],
    *,
    batch_seconds: float,
    batch_size: int | None = None,
    rng: np.random.Generator | None = None,
    jitter: float = 0.03,
) -> list[Indices]:
    """Places of the utterances of each batch; every utterance stands in one of them.

    durations: seconds. batch_seconds: of one, with its padding; a longer utterance is alone. batch_size: the
    most in one. rng: shuffles the batches, and which neighbours of like length (± jitter) come together; None
    keeps them in order of length.
    """
    lengths = np.asarray(durations, np.float64)
    keys = lengths if rng is None else lengths * (1 + rng.uniform(-jitter, jitter, len(lengths)))
    batches: list[list[int]] = []
    longest = 0.0
    for place in np.argsort(keys, kind="stable"):
        longest = max(longest, float(lengths[place]))
        is_full = not batches or longest * (len(batches[-1]) + 1) > batch_seconds
        if is_full or (batch_size is not None and len(batches[-1]) >= batch_size):
            batches.append([])
            longest = float(lengths[place])
        batches[-1].append(int(place))
    if rng is not None:
        rng.shuffle(batches)
    return [np.array(batch, np.int64) for batch in batches]


def padding_waste(durations: Sequence[float], batches: Sequence[Indices]) -> float:
    """The share of all batches that is padding, [0, 1)."""
    lengths = np.asarray(durations, np.float64)
    padded = sum(float(lengths[batch].max()) * len(batch) for batch in batches)
    return 1 - float(lengths.sum()) / padded if padded else 0.0
