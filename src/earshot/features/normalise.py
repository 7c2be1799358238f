"""Mean and variance normalisation: of an utterance, of a corpus, and running along a stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.features.stft import Matrix

MIN_DEVIATION = 1e-3
"""Features that hardly move (a muted channel) are centred and not blown up."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each feature: float64 (n,)."""

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    @classmethod
    def of(cls, utterances: Iterable[Matrix]) -> Statistics:
        """Over all frames of all utterances, each (frames, n), one pass. Raises ValueError without a frame."""
        count, mean, squares = 0, np.zeros(1), np.zeros(1)
        for features in utterances:
            if not len(features):
                continue
            # Chan, Golub and LeVeque 1983: joins the moments of two sets without cancellation.
            more, its_mean = len(features), features.mean(axis=0, dtype=np.float64)
            shift = its_mean - mean
            its_squares = np.square(features - its_mean).sum(axis=0)
            squares = squares + its_squares + shift**2 * (count * more / (count + more))
            mean = mean + shift * (more / (count + more))
            count += more
        if not count:
            raise ValueError("statistics need at least one frame")
        return cls(mean, np.sqrt(squares / count))

    def apply(self, features: Matrix, *, variance: bool = True) -> Matrix:
        """Features minus the mean, divided by the deviation if ``variance``: float32, the same shape."""
        centred = features - self.mean
        if variance:
            centred /= np.maximum(self.deviation, MIN_DEVIATION)
        return centred.astype(np.float32)


def normalise(features: Matrix, *, variance: bool = True) -> Matrix:
    """Zero mean (and unit variance) per feature over one utterance: (frames, n) → the same shape."""
    if not len(features):
        return features.copy()
    return Statistics.of([features]).apply(features, variance=variance)


class RunningNormaliser:
    """Normalises a stream by the frames of its last ``num_frames``, never by later ones.

    num_features: n. num_frames: 300 is three seconds at a shift of 10 ms.
    prior: what is assumed before anything was heard, counted as ``prior_frames`` frames; without one the
    first frame becomes 0. Results do not depend on how the stream was cut.
    """

    def __init__(
        self,
        num_features: int,
        *,
        num_frames: int = 300,
        variance: bool = True,
        prior: Statistics | None = None,
        prior_frames: int = 100,
    ) -> None:
        if num_frames < 1:
            raise ValueError(f"the window has at least one frame, not {num_frames}")
        self._num_frames = num_frames
        self._variance = variance
        self._prior_frames = prior_frames if prior else 0
        zeros = np.zeros(num_features)
        mean, deviation = (prior.mean, prior.deviation) if prior else (zeros, zeros)
        # Sums are taken around the prior's mean, so that squares keep their digits.
        self._origin = mean
        self._prior_squares = self._prior_frames * deviation**2
        # Row t: sums over all frames before t, of values and of squares. float64 errs by less than 1e-6 of
        # a variance after a day.
        self._sums = np.zeros((1, 2, num_features))

    def accept(self, features: Matrix) -> Matrix:
        """The next frames, normalised: float32 (k, n) → float32 (k, n)."""
        if not len(features):
            return features.copy()
        known = len(self._sums)
        values = features - self._origin
        moments = np.stack([values, np.square(values)], axis=1)
        # A cumulative sum adds one frame after the other, so blocks of any size give the same bits.
        sums = np.concatenate([self._sums, np.cumsum(np.concatenate([self._sums[-1:], moments]), axis=0)[1:]])
        ends = np.arange(known, len(sums))
        starts = np.maximum(ends - self._num_frames, 0)
        counts = (ends - starts + self._prior_frames)[:, None]
        totals = sums[ends] - sums[starts]
        mean = totals[:, 0] / counts
        normalised = values - mean
        if self._variance:
            squares = (totals[:, 1] + self._prior_squares) / counts - mean**2
            normalised /= np.sqrt(np.maximum(squares, MIN_DEVIATION**2))
        self._sums = sums[-self._num_frames :]
        return np.asarray(normalised, np.float32)
