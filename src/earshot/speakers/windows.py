"""A stream of sound as overlapping windows, in each of which a few local speakers are told apart.

Of a window remain who spoke when and a vector for each local speaker, made of the time in which only they
spoke; the sound itself is forgotten.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.encoder import SHORTEST, SpeakerEncoder
from earshot.speakers.segmentation import NUM_LOCAL, STEP, Activity, Segmenter, num_frames
from earshot.speakers.types import Vectors

Mask = npt.NDArray[np.bool_]

STEP_SECONDS = STEP / SAMPLE_RATE

SURE = 0.5
"""Probability from which somebody counts as speaking."""

_LONGEST_VOICE = 6 * SAMPLE_RATE
"""Samples of one local speaker that make their vector: more is hardly surer and costs as much again."""
_PIECE = 50
"""Frames of a piece, two seconds: shorter ones say too little of a voice."""
_GAP = 5
"""Frames of silence, 0.2 s, that do not end a piece."""
_SHORTEST_PIECE = 10
"""Frames of the shortest piece that gets a vector."""
_SPEECH_IS_SURE, _SPEECH_GOES_ON = 0.6, 0.2
"""Probabilities of speech, of the voice activity detector: a stretch above the second reaches the first."""
_SPEECH_MARGIN = 3
"""Frames of 40 ms kept around speech: the detector is late at soft beginnings."""


def cleaned(samples: Samples) -> Samples:
    """Within [−1, 1]; what is no number is silence."""
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -1, 1).astype(np.float32, copy=False)


class SpeechFlags:
    """Whether there is speech, for a stream of clean samples at 16 kHz."""

    def __init__(self) -> None:
        self._detector = VoiceActivityDetector()
        self._probabilities = bytearray()  # of each frame of the detector so far, in 1/255: 112 kB an hour

    def accept(self, samples: Samples) -> None:
        """Take float32 (n,), any n."""
        self._append(self._detector.probabilities(samples))

    def finish(self) -> None:
        """Judge the last, incomplete frame."""
        self._append(self._detector.flush())

    def _append(self, probabilities: Samples) -> None:
        self._probabilities += np.round(probabilities * 255).astype(np.uint8).tobytes()

    def of_frames(self, start: int, frames: int) -> Mask:
        """Of frames of activity, the first of them centred on sample ``start`` of the stream."""
        if not self._probabilities:
            return np.zeros(frames, np.bool_)
        places = np.minimum((start + np.arange(frames) * STEP) // FRAME, len(self._probabilities) - 1)
        first, last = int(places[0]), int(places[-1]) + 1
        held = np.frombuffer(bytes(self._probabilities[first:last]), np.uint8)
        probabilities: Samples = held.astype(np.float32) / np.float32(255)
        flags = _speech(probabilities)[places - first]
        return np.convolve(flags, np.ones(2 * _SPEECH_MARGIN + 1))[_SPEECH_MARGIN:-_SPEECH_MARGIN] > 0.5


def _speech(probabilities: Samples) -> Mask:
    """Runs above the lower threshold that somewhere reach the upper one."""
    is_on = probabilities >= _SPEECH_GOES_ON
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_on.astype(np.int8), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        is_on[first:last] = probabilities[first:last].max() >= _SPEECH_IS_SURE
    return np.asarray(is_on)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one local speaker that has a vector.

    local: which of them. first, last: frames of the window, one past the last. seconds: in which they speak
    alone; 0 where they never do, and the vector is of all their time.
    """

    local: int
    first: int
    last: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What is known of one window.

    start: its first frame of activity in the stream. activity: (frames, NUM_LOCAL). pieces: of its local
    speakers, in order of these and of time. vectors: (len(pieces), dim).
    """

    start: int
    activity: Activity
    pieces: tuple[Piece, ...]
    vectors: Vectors

    @property
    def active(self) -> Mask:
        """Who surely speaks when: (frames, NUM_LOCAL)."""
        return np.asarray(self.activity >= SURE)


def read_window(
    samples: Samples, start: int, is_speech: Mask, segmenter: Segmenter, encoder: SpeakerEncoder
) -> Window:
    """Tell the speakers of a window apart.

    samples: at least STEP of them. start: the frame of the stream with which they begin. is_speech: of frames.
    """
    activity = segmenter.activity(samples, is_speech)
    active = activity >= SURE
    pieces: list[Piece] = []
    clips: list[Samples] = []
    for local in range(NUM_LOCAL):
        alone = active[:, local] & (active.sum(axis=1) == 1)
        found = [(first, last, alone) for first, last in _pieces(alone)]
        if not found and active[:, local].any():
            spoken = np.flatnonzero(active[:, local])
            found = [(int(spoken[0]), int(spoken[-1]) + 1, active[:, local])]
        for first, last, frames in found:
            mask = np.zeros(len(activity), np.bool_)
            mask[first:last] = frames[first:last]
            clip = _middle(_cut(samples, mask), _LONGEST_VOICE)
            if len(clip) >= SHORTEST and np.any(clip):
                seconds = float(alone[first:last].sum()) * STEP_SECONDS if frames is alone else 0.0
                pieces.append(Piece(local, first, last, seconds))
                clips.append(clip)
    vectors = encoder.embed(clips) if clips else np.zeros((0, encoder.dim), np.float32)
    return Window(start, activity, tuple(pieces), vectors)


def _pieces(alone: Mask) -> list[tuple[int, int]]:
    """Stretches of at most ``_PIECE`` frames in which somebody speaks alone; very short ones left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], alone.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and first - runs[-1][1] <= _GAP:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    pieces = []
    for first, last in runs:
        if last - first >= _SHORTEST_PIECE:
            borders = np.linspace(first, last, 1 + -(-(last - first) // _PIECE)).round().astype(int).tolist()
            pieces += list(itertools.pairwise(borders))
    return pieces


def _cut(samples: Samples, frames: Mask) -> Samples:
    """The sound of those frames, joined."""
    mask = np.repeat(frames, STEP)[STEP // 2 :]  # a frame is centred on its sample
    mask = np.pad(mask, (0, max(0, len(samples) - len(mask))))[: len(samples)]
    return samples[mask]


def _middle(samples: Samples, longest: int) -> Samples:
    start = max(0, (len(samples) - longest) // 2)
    return samples[start : start + longest]


class WindowReader:
    """Takes the sound, keeps the windows. length, hop: samples, multiples of STEP."""

    def __init__(self, segmenter: Segmenter, encoder: SpeakerEncoder, *, length: int, hop: int) -> None:
        self._segmenter, self._encoder = segmenter, encoder
        self._length, self._hop = length, hop
        self._speech = SpeechFlags()
        self._held: Samples = np.empty(0, np.float32)
        self._waiting: list[
            Samples
        ] = []  # blocks behind the held samples, joined to them when a window is full
        self._num_waiting = 0
        self._start = 0  # sample of the stream with which the held ones begin
        self._done = 0  # one past the last sample that is in a window
        self.windows: list[Window] = []

    @property
    def num_samples(self) -> int:
        """Of the stream so far."""
        return self._start + len(self._held) + self._num_waiting

    def accept(self, samples: Samples) -> None:
        """Take float32 (n,), any n; what is no number counts as silence."""
        for start in range(0, len(samples), self._hop):
            block = cleaned(samples[start : start + self._hop])
            self._speech.accept(block)
            self._waiting.append(block)
            self._num_waiting += len(block)
            # A frame of the detector more than the window holds, so that all of it has been judged.
            if len(self._held) + self._num_waiting < self._length + FRAME:
                continue
            self._gather()
            while len(self._held) >= self._length + FRAME:
                self._read(self._held[: self._length])
                self._held = self._held[self._hop :]
                self._start += self._hop

    def finish(self) -> None:
        """No more comes: read what no window has held, together with what comes before it."""
        self._speech.finish()
        self._gather()
        if self.num_samples > self._done:
            self._read(self._held)

    def _gather(self) -> None:
        self._held = np.concatenate([self._held, *self._waiting])
        self._waiting, self._num_waiting = [], 0

    def _read(self, samples: Samples) -> None:
        self._done = self._start + len(samples)
        if len(samples) < STEP:
            return
        is_speech = self._speech.of_frames(self._start, num_frames(len(samples)))
        if is_speech.any():
            start = self._start // STEP
            self.windows.append(read_window(samples, start, is_speech, self._segmenter, self._encoder))
