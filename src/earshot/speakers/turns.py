"""From frames in which speakers are surely heard to turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.core.errors import SpeakerError


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """How turns are made of frames. Seconds, and probabilities in [0, 1].

    threshold, end_threshold: somebody begins to speak above the one and ends below the other.
    max_pause: shorter pauses belong to the turn. min_turn: a shorter turn is none.
    padding: added before and after, as annotators do, as far as the speaker's own next turn allows.
    """

    threshold: float = 0.5
    end_threshold: float = 0.4
    max_pause: float = 0.6
    min_turn: float = 0.5
    padding: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.end_threshold <= self.threshold <= 1:
            raise SpeakerError("thresholds of turns keep to 0 ≤ end_threshold ≤ threshold ≤ 1")
        if not all(0 <= time < math.inf for time in (self.max_pause, self.min_turn, self.padding)):
            raise SpeakerError("the times of turns are not negative")


def turns_of(
    shares: npt.NDArray[np.float32], step: float, duration: float, options: TurnOptions
) -> list[tuple[float, float, int]]:
    """Start, end and column of each turn, in order of start.

    shares: (frames, speakers); frame t is centred on second t × step. duration: turns end by then.
    """
    turns = []
    duration = math.floor(duration * 1000) / 1000
    for column in range(shares.shape[1]):
        for first, last in _runs(shares[:, column], step, options):
            start = max(0.0, (first - 0.5) * step - options.padding)
            end = min(duration, (last - 0.5) * step + options.padding)
            if end > start:
                turns.append((round(start, 3), round(end, 3), column))
    return sorted(turns)


def _runs(share: npt.NDArray[np.float32], step: float, options: TurnOptions) -> list[tuple[int, int]]:
    """First frame and one past the last of each turn of one speaker, short pauses filled."""
    is_on = share >= options.end_threshold
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_on.astype(np.int8), [0]])))
    spans = [
        (int(a), int(b))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if share[a:b].max() >= options.threshold
    ]
    longest_pause = max(options.max_pause, 2 * options.padding) / step
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first - joined[-1][1] <= longest_pause:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return [(first, last) for first, last in joined if (last - first) * step >= options.min_turn]
