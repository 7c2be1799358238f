"""Long sound in windows that overlap, for nets that hear only so much at once; their frames put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.decoding.ctc import LogProbs

WINDOW = 20.0
"""Seconds that a net hears at once. Attention grows with the square of it, and most nets were tuned on
utterances of less."""

OVERLAP = 4.0
"""Seconds that two windows share: each frame has 2 s or more around it, unless the recording begins or ends."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How a long stretch is cut; samples, whole frames. frame_shift: samples from frame to frame of the net."""

    length: int
    step: int
    frame_shift: int

    @classmethod
    def of(cls, window: float, overlap: float, frame_shift: int) -> Windows:
        """Of so many seconds, of which neighbours share ``overlap``. Raises ValueError where none is left."""
        if not 0 <= overlap < window:
            raise ValueError(f"windows of {window} s cannot overlap by {overlap} s")
        length = max(1, round(window * SAMPLE_RATE / frame_shift)) * frame_shift
        step = min(round((window - overlap) * SAMPLE_RATE), length - 2 * frame_shift)  # windows meet
        return cls(length, max(1, step // frame_shift) * frame_shift, frame_shift)

    def cut(self, samples: Samples) -> list[Samples]:
        """The windows of a recording, one where it is no longer than that."""
        starts = window_starts(len(samples), self.length, self.step)
        return [samples[start : start + self.length] for start in starts]

    def joined(self, pieces: Sequence[LogProbs]) -> LogProbs:
        """What was heard in the windows of one recording, in order: (frames, tokens)."""
        return stitched(pieces, [index * self.step // self.frame_shift for index in range(len(pieces))])


def window_starts(num_samples: int, window: int, step: int) -> list[int]:
    """First samples of windows that cover everything; what exceeds them by less than an overlap adds none."""
    return [0, *range(step, num_samples - (window - step), step)]


def stitched(pieces: Sequence[LogProbs], starts: Sequence[int]) -> LogProbs:
    """One matrix of overlapping pieces, joined in the middle of what they share.

    starts: the first frame of each piece.
    """
    edges = [0]
    for start, before_start, before in zip(starts[1:], starts, pieces, strict=False):
        edges.append((start + before_start + len(before)) // 2)
    edges.append(starts[-1] + len(pieces[-1]))
    return np.concatenate(
        [
            piece[first - start : last - start]
            for piece, start, first, last in zip(pieces, starts, edges, edges[1:], strict=False)
        ]
    )
