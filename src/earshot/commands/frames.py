"""A stream as frames of the voice activity detector, whatever the sizes of the blocks it comes in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import Samples

SPEECH = 0.3
"""Probability of speech from which on a frame counts."""

_PAUSE = 32
"""Frames without speech, a second, after which the detector forgets what it heard. It grows deaf otherwise to a
word that is said again and again: of thirty times *four* with pauses between it heard the first ten."""


class SpeechFrames:
    """One stream at 16 kHz."""

    def __init__(self) -> None:
        self._detector = VoiceActivityDetector()
        self._rest: Samples = np.empty(0, np.float32)
        self._num_quiet = 0

    def accept(self, samples: Samples) -> Iterator[tuple[Samples, float]]:
        """Take float32 (n,), any n; what is no number is silence.

        Returns the frames that became complete, float32 (FRAME,), each with its probability of speech.
        """
        samples = np.nan_to_num(np.clip(samples, -1, 1)).astype(np.float32, copy=False)
        gathered = np.concatenate([self._rest, samples])
        num_frames = len(gathered) // FRAME
        frames = gathered[: num_frames * FRAME].reshape(-1, FRAME)
        self._rest = gathered[num_frames * FRAME :].copy()
        probabilities: list[float] = []
        while len(probabilities) < num_frames:
            # No further than the detector may have to forget.
            part = frames[len(probabilities) :][: _PAUSE - self._num_quiet]
            found = self._detector.probabilities(part.reshape(-1)).tolist()
            probabilities += found
            for probability in found:
                self._num_quiet = 0 if probability >= SPEECH else self._num_quiet + 1
            if self._num_quiet >= _PAUSE:
                self._detector.reset()
                self._num_quiet = 0
        return zip(frames, probabilities, strict=True)

    def silence(self, num_frames: int) -> Samples:
        """So much silence that exactly so many frames become complete, the open one included."""
        return np.zeros(num_frames * FRAME - len(self._rest), np.float32)
