"""A stream of sound as overlapping windows, in each of which a few local speakers are told apart.

Of a window remain who spoke when and a vector for each local speaker, made of the time in which only they
spoke; the sound itself is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.encoder import SHORTEST, SpeakerEncoder
from earshot.speakers.segmentation import NUM_LOCAL, STEP, Activity, Segmenter, num_frames
from earshot.speakers.types import Vectors

Mask = npt.NDArray[np.bool_]

_LONGEST_VOICE = 6 * SAMPLE_RATE
"""Samples of one local speaker that make their vector: more is hardly surer and costs as much again."""
_SURE = 0.5
"""Probability from which somebody counts as speaking."""
_SPEECH_STARTS, _SPEECH_GOES_ON = 0.45, 0.2
"""Probabilities of speech, of the voice activity detector."""
_SPEECH_MARGIN = 3
"""Frames of 40 ms kept around speech: the detector is late at soft beginnings."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What is known of one window.

    start: its first frame of activity in the stream. activity: (frames, NUM_LOCAL). vectors: (NUM_LOCAL, dim),
    zeros where there is too little sound. seconds: (NUM_LOCAL,), in which a local speaker speaks alone.
    spoken: (NUM_LOCAL,), seconds in which they speak at all.
    """

    start: int
    activity: Activity
    vectors: Vectors
    seconds: npt.NDArray[np.float64]
    spoken: npt.NDArray[np.float64]


class WindowReader:
    """Takes the sound, keeps the windows. length, hop: samples, multiples of STEP."""

    def __init__(self, segmenter: Segmenter, encoder: SpeakerEncoder, *, length: int, hop: int) -> None:
        self._segmenter, self._encoder = segmenter, encoder
        self._length, self._hop = length, hop
        self._detector = VoiceActivityDetector()
        self._speech: list[bool] = []  # of frames of the detector, since the stream began
        self._held: Samples = np.empty(0, np.float32)
        self._start = 0  # sample of the stream with which the held ones begin
        self._done = 0  # one past the last sample that is in a window
        self.windows: list[Window] = []

    @property
    def num_samples(self) -> int:
        """Of the stream so far."""
        return self._start + len(self._held)

    @property
    def speech(self) -> Mask:
        """Whether there is speech, for each frame of 512 samples so far."""
        return np.array(self._speech, np.bool_)

    def accept(self, samples: Samples) -> None:
        """Take float32 (n,), any n; what is no number counts as silence."""
        for start in range(0, len(samples), self._hop):
            block = np.nan_to_num(samples[start : start + self._hop], nan=0.0, posinf=0.0, neginf=0.0)
            block = np.clip(block, -1, 1).astype(np.float32, copy=False)
            self._hear(self._detector.probabilities(block))
            self._held = np.concatenate([self._held, block])
            # A frame of the detector more than the window holds, so that all of it has been judged.
            while len(self._held) >= self._length + FRAME:
                self._read(0, self._length)
                self._held = self._held[self._hop :]
                self._start += self._hop

    def finish(self) -> None:
        """No more comes: read what no window has held, together with what comes before it."""
        self._hear(self._detector.flush())
        if self.num_samples <= self._done:
            return
        self._read(0, len(self._held))

    def _hear(self, probabilities: Samples) -> None:
        for probability in probabilities:
            goes_on = bool(self._speech) and self._speech[-1]
            self._speech.append(bool(probability >= (_SPEECH_GOES_ON if goes_on else _SPEECH_STARTS)))

    def _is_speech(self, start: int, frames: int) -> Mask:
        """Of frames of activity from a sample of the stream on."""
        places = np.minimum((start + np.arange(frames) * STEP) // FRAME, len(self._speech) - 1)
        first, last = int(places[0]), int(places[-1]) + 1
        speech = np.array(self._speech[first:last], np.bool_)[places - first]
        return np.convolve(speech, np.ones(2 * _SPEECH_MARGIN + 1), mode="same") > 0.5

    def _read(self, first: int, last: int) -> None:
        samples = self._held[first:last]
        self._done = self._start + last
        if len(samples) < STEP:
            return
        is_speech = self._is_speech(self._start + first, num_frames(len(samples)))
        if not is_speech.any():
            return
        activity = self._segmenter.activity(samples, is_speech)
        vectors, seconds = self._voices(samples, activity)
        spoken = (activity >= _SURE).sum(axis=0) * (STEP / SAMPLE_RATE)
        self.windows.append(Window((self._start + first) // STEP, activity, vectors, seconds, spoken))

    def _voices(self, samples: Samples, activity: Activity) -> tuple[Vectors, npt.NDArray[np.float64]]:
        """A vector for each local speaker, of their time alone, else of all their time."""
        vectors = np.zeros((NUM_LOCAL, self._encoder.dim), np.float32)
        seconds = np.zeros(NUM_LOCAL)
        active = activity >= _SURE
        is_alone = active & (active.sum(axis=1, keepdims=True) == 1)
        clips: list[Samples] = []
        rows: list[int] = []
        for row in range(NUM_LOCAL):
            alone = _cut(samples, is_alone[:, row])
            clip = alone if len(alone) >= SAMPLE_RATE // 2 else _cut(samples, active[:, row])
            if len(clip) >= SHORTEST and np.any(clip):
                seconds[row] = len(alone) / SAMPLE_RATE
                clips.append(_middle(clip, _LONGEST_VOICE))
                rows.append(row)
        if rows:
            vectors[rows] = self._encoder.embed(clips)
        return vectors, seconds


def _cut(samples: Samples, frames: Mask) -> Samples:
    """The sound of those frames, joined."""
    mask = np.repeat(frames, STEP)[STEP // 2 :]  # a frame is centred on its sample
    mask = np.pad(mask, (0, max(0, len(samples) - len(mask))))[: len(samples)]
    return samples[mask]


def _middle(samples: Samples, longest: int) -> Samples:
    start = max(0, (len(samples) - longest) // 2)
    return samples[start : start + longest]
