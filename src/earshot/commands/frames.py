"""A stream as frames of the voice activity detector, whatever the sizes of the blocks it comes in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import Samples

SPEECH = 0.3
"""Probability of speech from which on a frame counts."""


class SpeechFrames:
    """One stream at 16 kHz."""

    def __init__(self) -> None:
        self._detector = VoiceActivityDetector()
        self._rest: Samples = np.empty(0, np.float32)

    def accept(self, samples: Samples) -> Iterator[tuple[Samples, float]]:
        """Take float32 (n,), any n; what is no number is silence.

        Returns the frames that became complete, float32 (FRAME,), each with its probability of speech.
        """
        samples = np.nan_to_num(np.clip(samples, -1, 1)).astype(np.float32, copy=False)
        gathered = np.concatenate([self._rest, samples])
        probabilities = self._detector.probabilities(samples)
        self._rest = gathered[len(probabilities) * FRAME :].copy()
        frames = gathered[: len(probabilities) * FRAME].reshape(-1, FRAME)
        return zip(frames, probabilities.tolist(), strict=True)

    def silence(self, num_frames: int) -> Samples:
        """So much silence that exactly so many frames become complete, the open one included."""
        return np.zeros(num_frames * FRAME - len(self._rest), np.float32)
