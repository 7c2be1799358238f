"""Windows of fixed length that slide over a stream wherever somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earshot.audio.vad import FRAME
from earshot.commands.frames import SPEECH, SpeechFrames
from earshot.commands.looks import Look
from earshot.core.types import SAMPLE_RATE, Samples

HOP = 4
"""Frames of 32 ms between two windows."""

SPOKEN = 0.5
"""Share of a window's frames that are speech before it is looked at."""

_HANG = 4
"""Frames after the last speech in which windows still end."""


class WindowCutter:
    """One stream at 16 kHz. What comes out does not depend on the sizes of the blocks.

    widths: seconds of the windows; each position gives one window of each, as far as they are spoken. hop: see
    ``HOP``. spoken: share of a window's frames that must be speech.
    """

    def __init__(self, widths: Sequence[float], *, hop: int = HOP, spoken: float = SPOKEN) -> None:
        self._lengths = [(max(1, round(width * SAMPLE_RATE / FRAME)), width) for width in widths]
        self._most = max((length for length, _ in self._lengths), default=1)
        self._hop = hop
        self._spoken = spoken
        self._heard = SpeechFrames()
        self._frames: list[Samples] = []
        self._is_speech: list[bool] = []
        self._now = 0

    def accept(self, samples: Samples) -> list[Look]:
        """Take float32 (n,), any n. Returns the windows that ended in it, in order."""
        return [look for frame, odds in self._heard.accept(samples) for look in self._step(frame, odds)]

    def finish(self) -> list[Look]:
        """No more comes: the stream's end is a pause."""
        return self.accept(self._heard.silence(self._hop + 1))

    def _step(self, frame: Samples, probability: float) -> list[Look]:
        self._frames.append(frame)
        self._is_speech.append(probability >= SPEECH)
        del self._frames[: -self._most], self._is_speech[: -self._most]
        self._now += 1
        if self._now % self._hop or not any(self._is_speech[-_HANG:]):
            return []
        return [
            Look(self._now * FRAME, np.concatenate(self._frames[-length:]), width)
            for length, width in self._lengths
            if sum(self._is_speech[-length:]) >= self._spoken * length
        ]
