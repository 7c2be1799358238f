"""Who of at most three people speaks when, within one window of sound; overlap included.

A small net (``tools/segmentation``) reads log-mel frames and gives the probabilities of all sets of at most two
of three speakers, each 40 ms: the powerset of Plaquet and Bredin ("Powerset multi-class cross entropy loss for
neural speaker diarization", Interspeech 2023). Which person is which of the three differs from window to
window. Without the net, windows of the voice encoder are clustered; that is blind to overlap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.core.runtime import load_onnx
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.mel import LogMel, MelOptions
from earshot.features.stft import StftOptions
from earshot.speakers.clustering import ClusterOptions, cluster
from earshot.speakers.encoder import SpeakerEncoder

__all__ = ["STEP", "Activity", "NetSegmenter", "Segmenter", "VoiceSegmenter", "find_segmenter", "front_end"]

STEP = 640
"""Samples between two frames of activity: 40 ms. Frame t is centred on sample t × STEP."""

NUM_LOCAL = 3
SETS: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""The columns of what the net gives: who speaks."""

NET = Path(__file__).parent / "data" / "segmentation.onnx"

Activity = npt.NDArray[np.float32]
"""(frames, NUM_LOCAL): the probability that each local speaker speaks."""


def num_frames(num_samples: int) -> int:
    """Frames of activity of so many samples."""
    return 1 + num_samples // STEP


def front_end() -> LogMel:
    """What the net reads: 64 mel filters, frames centred each 10 ms."""
    stft = StftOptions(window_length=400, hop_length=160, fft_length=512, padding="center")
    return LogMel(MelOptions(stft, num_mels=64, low_frequency=40.0, high_frequency=7800.0))


class Segmenter(Protocol):
    """Tells speakers apart within a window; it knows none from before."""

    def activity(self, samples: Samples, is_speech: npt.NDArray[np.bool_]) -> Activity:
        """Who speaks when: (num_frames(n), NUM_LOCAL).

        samples: float32 (n,) at 16 kHz, some seconds, n at least STEP. is_speech: (num_frames(n),).
        """
        ...


class NetSegmenter:
    """The net. path: of the ONNX file. Raises ModelError when it is damaged."""

    def __init__(self, path: Path = NET, *, num_threads: int = 1) -> None:
        self._session = load_onnx(
            path, num_threads=num_threads, inputs=["log_mel"], kind="segmentation net", fix="reinstall Earshot"
        )
        self._front_end = front_end()
        members = np.zeros((len(SETS), NUM_LOCAL), np.float32)
        for row, speakers in enumerate(SETS):
            members[row, list(speakers)] = 1
        self._members = members

    def activity(self, samples: Samples, is_speech: npt.NDArray[np.bool_]) -> Activity:
        """See Segmenter."""
        frames = num_frames(len(samples))
        mel = self._front_end(samples[: (frames - 1) * STEP])
        scores = self._session.run(None, {"log_mel": mel[None]})[0][0]
        activity: Activity = np.exp(scores) @ self._members
        return activity[:frames] * is_speech[: len(activity), None]


class VoiceSegmenter:
    """Without the net: windows of the voice encoder, clustered; one speaker at a time."""

    _LENGTH = int(1.6 * SAMPLE_RATE)
    _HOP = int(0.4 * SAMPLE_RATE)

    def __init__(self, encoder: SpeakerEncoder, threshold: float) -> None:
        self._encoder = encoder
        self._options = ClusterOptions(threshold, max_clusters=NUM_LOCAL)

    def activity(self, samples: Samples, is_speech: npt.NDArray[np.bool_]) -> Activity:
        """See Segmenter."""
        activity = np.zeros((num_frames(len(samples)), NUM_LOCAL), np.float32)
        length = min(self._LENGTH, len(samples))
        starts = [start for start in self._starts(len(samples), length) if self._is_spoken(is_speech, start)]
        if not starts:
            if is_speech.any():
                activity[:, 0] = is_speech
            return activity
        vectors = self._encoder.embed_windows(samples, starts, length)
        labels = cluster(vectors, np.ones(len(starts)), self._options)
        votes = np.zeros_like(activity)
        for start, label in zip(starts, labels, strict=True):
            first, last = start // STEP, (start + length) // STEP + 1
            votes[first:last, label] += np.bartlett(last - first + 2)[1:-1]
        activity[np.arange(len(activity)), votes.argmax(axis=1)] = is_speech
        return activity

    def _starts(self, num_samples: int, length: int) -> list[int]:
        starts = list(range(0, num_samples - length + 1, self._HOP))
        if starts[-1] + length < num_samples:
            starts.append(num_samples - length)
        return starts

    def _is_spoken(self, is_speech: npt.NDArray[np.bool_], start: int) -> bool:
        """Whether half of the window and most of its middle is speech."""
        window = is_speech[start // STEP : (start + self._LENGTH) // STEP + 1]
        return bool(window.mean() >= 0.5)


def find_segmenter(encoder: SpeakerEncoder, threshold: float, *, num_threads: int = 1) -> Segmenter:
    """The net where it is there, else clustering of the encoder's vectors above ``threshold``."""
    if NET.is_file():
        return NetSegmenter(num_threads=num_threads)
    return VoiceSegmenter(encoder, threshold)
