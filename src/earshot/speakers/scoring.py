"""How well an encoder tells voices apart: the equal error rate, its uncertainty, and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.core.errors import SpeakerError
from earshot.speakers.types import Vectors

Floats = npt.NDArray[np.float64]

_NUM_RESAMPLES = 300


@dataclass(frozen=True, slots=True)
class EqualError:
    """The point where as many pairs of one voice are missed as pairs of two voices are taken for one.

    rate: of errors there. low, high: its 95 % interval over draws of other speakers from these, None where
    there are too few. threshold: of the cosine. num_same, num_other: pairs.
    """

    rate: float
    threshold: float
    num_same: int
    num_other: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Trials:
    """Pairs of clips. cosines, is_same: (n,). first, second: numbers of their speakers, (n,)."""

    cosines: Floats
    is_same: npt.NDArray[np.bool_]
    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]


def all_trials(vectors: Vectors, speakers: Sequence[str]) -> Trials:
    """All pairs of clips. vectors: (n, dim), unit rows; speakers: whose they are."""
    _, numbers = np.unique(np.asarray(speakers), return_inverse=True)
    rows, columns = np.triu_indices(len(vectors), 1)
    cosines = (vectors @ vectors.T)[rows, columns].astype(np.float64)
    first, second = numbers[rows], numbers[columns]
    return Trials(cosines, first == second, first, second)


def equal_error(trials: Trials, *, seed: int = 0) -> EqualError:
    """The equal error rate of these pairs.

    The interval comes from drawing speakers with replacement, as pairs that share one are not independent.
    Raises SpeakerError when there are no pairs of one voice, or none of two.
    """
    num_same = int(np.count_nonzero(trials.is_same))
    num_other = len(trials.is_same) - num_same
    if not num_same or not num_other:
        raise SpeakerError("an error rate needs pairs of one voice and pairs of two")
    order = np.argsort(trials.cosines, kind="stable")
    cosines, is_same = trials.cosines[order], trials.is_same[order]
    first, second = trials.first[order], trials.second[order]
    rate, threshold = _crossing(cosines, is_same, np.ones(len(cosines)))
    num_speakers = int(max(first.max(), second.max())) + 1
    rates = []
    if num_speakers >= 5:
        rng = np.random.default_rng(seed)
        for _ in range(_NUM_RESAMPLES):
            counts = np.bincount(rng.integers(num_speakers, size=num_speakers), minlength=num_speakers)
            weights = np.where(is_same, counts[first], counts[first] * counts[second]).astype(np.float64)
            if weights[is_same].any() and weights[~is_same].any():
                rates.append(_crossing(cosines, is_same, weights)[0])
    low, high = np.quantile(rates, [0.025, 0.975]).tolist() if rates else (None, None)
    return EqualError(rate, threshold, num_same, num_other, low, high)


def _crossing(cosines: Floats, is_same: npt.NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Rate and threshold where the errors cross, between two cosines in ascending order."""
    same = np.where(is_same, weights, 0.0)
    other = weights - same
    misses = np.concatenate([[0.0], np.cumsum(same)]) / same.sum()  # threshold below cosine i
    alarms = 1 - np.concatenate([[0.0], np.cumsum(other)]) / other.sum()
    best = int(np.argmax(misses >= alarms))
    low = cosines[max(best - 1, 0)]
    high = cosines[min(best, len(cosines) - 1)]
    return _interpolated(misses, alarms, best), float((low + high) / 2)


def _interpolated(misses: Floats, alarms: Floats, best: int) -> float:
    """The rate at which two staircases cross: before step ``best`` alarms are more frequent."""
    if best == 0:
        return float(misses[0])
    gap, next_gap = alarms[best - 1] - misses[best - 1], misses[best] - alarms[best]
    share = gap / (gap + next_gap) if gap + next_gap > 0 else 0.0
    return float(misses[best - 1] + share * (misses[best] - misses[best - 1]))


def threshold_for(trials: Trials, *, false_alarms: float) -> tuple[float, float]:
    """The lowest threshold at which at most this share of pairs of two voices pass, and the misses there.

    false_alarms: in [0, 1).
    """
    same, other = np.sort(trials.cosines[trials.is_same]), np.sort(trials.cosines[~trials.is_same])
    if not len(same) or not len(other):
        raise SpeakerError("a threshold needs pairs of one voice and pairs of two")
    allowed = int(false_alarms * len(other))
    threshold = float(np.nextafter(other[len(other) - 1 - allowed], 2.0))
    return threshold, float(np.searchsorted(same, threshold) / len(same))
