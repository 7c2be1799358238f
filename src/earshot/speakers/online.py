"""Who speaks, while it is spoken: labels that never change once they are given."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from earshot.core.errors import SpeakerError
from earshot.core.runtime import num_cores
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.diarization import DEFAULT_ENCODER, DiarizationOptions
from earshot.speakers.encoder import SpeakerEncoder, find_encoder, unit_rows
from earshot.speakers.segmentation import NUM_LOCAL, STEP, Segmenter, find_segmenter, num_frames
from earshot.speakers.turns import turns_of
from earshot.speakers.types import Turn, Vector, Vectors
from earshot.speakers.windows import STEP_SECONDS, SpeechFlags, Window, cleaned, read_window

_CONTEXT = 12 * SAMPLE_RATE
"""Samples looked at together: what is new, and what came before it."""
_NEW = 8 * SAMPLE_RATE
"""At most so much of it is new."""
_MORE = SAMPLE_RATE // 2
"""At most so much more than was asked may be told where it was looked at before."""
_KEPT = 60 * SAMPLE_RATE
"""Sound that is kept for questions that come late."""
_MARGIN = 0.10
"""Under the cosine that parts two clips of 3 s, somebody heard in this stream is still recognized."""
_SHORT_MARGIN = 0.15
"""So much more when there is hardly any sound to go by; nothing more from 3 s on."""
_KNOWN_MARGIN = 0.05
"""The same for voices known from elsewhere: a stranger is to stay one."""
_NEW_SECONDS = 1.2
"""Alone for so long before somebody is new; the first one of all needs half of it."""
_FAMILIAR = 0.12
"""Added to the cosine for who spoke at the same moments in what was told before."""
_HEARD_SECONDS = 0.12
"""Who speaks less of what is new is not heard in it."""
_KNOWN_SECONDS = 15.0
"""What a vector known from elsewhere counts for when the voice is heard again."""


@dataclass(slots=True)
class _Voice:
    label: str
    total: Vector  # sum of vectors, each by its seconds
    seconds: float
    is_known: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A window that was read before it was asked about. first, last: the frames that are new in it."""

    first: int
    last: int
    window: Window


class OnlineDiarizer:
    """Follows one stream. May be asked from another thread than the one that feeds it.

    options: num_speakers and max_speakers bound how many get a label of their own, known ones not counted.
    known: voices by name, vectors of the same encoder. Others are "S1", "S2" … in order of appearance.
    Raises what ``find_encoder`` raises; SpeakerError when a known vector is not of this encoder.
    """

    def __init__(
        self,
        options: DiarizationOptions | None = None,
        known: Mapping[str, Vector] | None = None,
        *,
        encoder: SpeakerEncoder | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self._options = options = options or DiarizationOptions()
        threads = options.num_threads or num_cores()
        self._encoder = encoder or find_encoder(options.encoder or DEFAULT_ENCODER, num_threads=threads)
        self._threshold = self._encoder.threshold if options.threshold is None else options.threshold + _MARGIN
        self._segmenter = segmenter or find_segmenter(
            self._encoder, self._threshold - _MARGIN, num_threads=threads
        )
        self._voices = [self._known_voice(name, vector) for name, vector in (known or {}).items()]
        self._speech = SpeechFlags()
        self._held: Samples = np.empty(0, np.float32)
        self._blocks: list[Samples] = []
        self._start = 0  # sample of the stream with which the held ones begin
        self._told = 0  # frame of the stream before which all is told
        self._turns: list[Turn] = []
        self._prepared: _Prepared | None = None
        self._lock = threading.Lock()

    def _known_voice(self, name: str, vector: Vector) -> _Voice:
        vector = np.asarray(vector, np.float32)
        if vector.shape != (self._encoder.dim,) or not np.isfinite(vector).all() or not vector.any():
            raise SpeakerError(
                f"the voice of {name!r} is no vector of the encoder {self._encoder.name}",
                fix="enrol the voice with this encoder",
            )
        return _Voice(name, unit_rows(vector[None])[0] * np.float32(_KNOWN_SECONDS), _KNOWN_SECONDS, True)

    @property
    def encoder(self) -> str:
        """The name of the encoder that made the vectors."""
        return self._encoder.name

    @property
    def vectors(self) -> dict[str, Vector]:
        """The mean voice of everybody who has spoken or was known, unit length, by label."""
        with self._lock:
            return {voice.label: unit_rows(voice.total[None])[0] for voice in self._voices}

    def accept(self, samples: Samples) -> None:
        """The next block: float32 (n,) at 16 kHz, any n; what is no number counts as silence."""
        block = cleaned(samples)
        with self._lock:
            self._speech.accept(block)
            self._blocks.append(block)
            if sum(map(len, self._blocks)) > SAMPLE_RATE:
                self._gather()

    def prepare(self) -> None:
        """Look at what was said since the last question, where nobody speaks any more: if it stays so, the next
        one is answered at once. Worth calling after each block; it changes no answer but by that silence.
        """
        with self._lock:
            self._gather()
            until = (self._start + len(self._held)) // STEP
            first = max(self._told, self._start // STEP)
            while until - first > _NEW // STEP:  # as the question would
                self._tell(first + _NEW // STEP)
                first = max(self._told, self._start // STEP)
            if (frames := until - first) <= 0:
                return
            spoken = np.flatnonzero(self._speech.of_frames(first * STEP, frames))
            last = first + int(spoken[-1]) + 1 if len(spoken) else first
            ready = self._prepared
            is_ready = ready is not None and (ready.first, ready.last) == (first, last)
            if len(spoken) and last < first + frames and not is_ready:
                begin = max(self._start // STEP, last - _CONTEXT // STEP)
                window = self._read(begin, first, last)
                self._prepared = None if window is None else _Prepared(first, last, window)

    def turns(self, start: float, end: float) -> Sequence[Turn]:
        """Who speaks between those seconds of the stream, in order, turns cut to them.

        Empty where nobody speaks, where the voice cannot be told, and where the sound is gone (after a minute).
        What was told of a moment is never told otherwise later, so ask when a segment is complete.
        """
        with self._lock:
            self._gather()
            self._tell(min(int(end / STEP_SECONDS) + 1, (self._start + len(self._held)) // STEP))
            cut = [replace(turn, start=max(start, turn.start), end=min(end, turn.end)) for turn in self._turns]
        return tuple(sorted((turn for turn in cut if turn.end > turn.start), key=lambda turn: turn.start))

    def label(self, start: float, end: float) -> str | None:
        """Who speaks most between those seconds; None where that cannot be told. See ``turns``."""
        seconds: dict[str, float] = {}
        for turn in self.turns(start, end):
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.duration
        return max(seconds, key=lambda label: seconds[label]) if seconds else None

    def _gather(self) -> None:
        self._held = np.concatenate([self._held, *self._blocks])
        self._blocks = []
        spare = (len(self._held) - _KEPT) // STEP * STEP
        if spare > 0:
            self._held = self._held[spare:]
            self._start += spare

    def _tell(self, until: int) -> None:
        """Find out who speaks up to a frame of the stream."""
        while self._told < until:
            first = max(self._told, self._start // STEP)
            last = min(until, first + _NEW // STEP)
            if last <= first:
                self._told = until
                return
            begin = max(self._start // STEP, last - _CONTEXT // STEP)
            self._told = self._look(begin, first, last)

    def _read(self, begin: int, first: int, last: int) -> Window | None:
        """What there is to tell of frames first … last with the sound from ``begin`` on; None for silence."""
        samples = self._held[begin * STEP - self._start : last * STEP - self._start]
        is_speech = self._speech.of_frames(begin * STEP, num_frames(len(samples)))
        if len(samples) < STEP or not is_speech[first - begin :].any():
            return None
        return read_window(samples, begin, is_speech, self._segmenter, self._encoder)

    def _as_prepared(self, first: int, last: int) -> _Prepared | None:
        """What was looked at before, if nobody has spoken since and hardly more is told by it than is asked."""
        ready, self._prepared = self._prepared, None
        if ready is None or ready.first != first or ready.last - last > _MORE // STEP:
            return None
        since = last - ready.last
        return None if since > 0 and self._speech.of_frames(ready.last * STEP, since).any() else ready

    def _look(self, begin: int, first: int, last: int) -> int:
        """Tell frames first … last with the sound from ``begin`` on to go by. Returns how far it is told."""
        ready = self._as_prepared(first, last)
        window = self._read(begin, first, last) if ready is None else ready.window
        if window is None:
            return last
        if ready is not None:
            last = max(last, ready.last)
        begin = window.start
        owners = self._owners(window, first - begin)
        shares = np.zeros((len(window.activity), len(self._voices)), np.float32)
        for local, owner in enumerate(owners):
            if owner >= 0:
                shares[:, owner] = window.activity[:, local]
        low, high = first * STEP_SECONDS, last * STEP_SECONDS
        offset = (begin + 0.5) * STEP_SECONDS  # so that told stretches meet: a frame lasts to the next one
        options = replace(self._options.turns, padding=0.0)
        for start, end, owner in turns_of(shares, STEP_SECONDS, len(shares) * STEP_SECONDS, options):
            if min(high, end + offset) > max(low, start + offset):
                self._add(Turn(max(low, start + offset), min(high, end + offset), self._voices[owner].label))
        return last

    def _add(self, turn: Turn) -> None:
        """Append a turn, or prolong the speaker's last one."""
        for place in range(len(self._turns) - 1, max(-1, len(self._turns) - 8), -1):
            before = self._turns[place]
            if before.speaker == turn.speaker and turn.start - before.end < 1e-3:
                self._turns[place] = replace(before, end=max(before.end, turn.end))
                return
        self._turns.append(turn)

    def _owners(self, window: Window, new: int) -> list[int]:
        """The voice of each local speaker, −1 for nobody's; new voices are added, those heard again refined.

        new: the frame from which the window is new.
        """
        owners = [-1] * NUM_LOCAL
        is_heard = window.active[new:].sum(axis=0) * STEP_SECONDS >= _HEARD_SECONDS
        vectors, seconds = _local_voices(window)
        rows = np.flatnonzero(vectors.any(axis=1))
        if self._voices and len(rows):
            means = unit_rows(np.stack([voice.total for voice in self._voices]))
            cosines = vectors[rows] @ means.T
            scores = cosines + _FAMILIAR * self._familiarity(window, rows, new)
            for local, owner in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
                if scores[local, owner] >= self._least(float(seconds[rows[local]]), int(owner)):
                    owners[rows[local]] = int(owner)
        for row in rows:
            if owners[row] < 0 and is_heard[row]:
                owners[row] = self._newcomer(float(seconds[row]))
            if owners[row] >= 0 and is_heard[row]:
                self._refine(self._voices[owners[row]], vectors[row], _seconds_alone(window, int(row), new))
        return owners

    def _least(self, seconds: float, owner: int) -> float:
        """The score that makes a local speaker this voice."""
        margin = _KNOWN_MARGIN if self._voices[owner].is_known else _MARGIN
        if not self._has_room():
            margin += 0.2
        return self._threshold - margin - _SHORT_MARGIN * max(0.0, 1 - seconds / 3)

    def _familiarity(self, window: Window, rows: npt.NDArray[np.int64], new: int) -> npt.NDArray[np.float32]:
        """How far what was told of the window's earlier part agrees: (rows, voices), in [0, 1]."""
        told = np.zeros((new, len(self._voices)), np.bool_)
        labels = {voice.label: column for column, voice in enumerate(self._voices)}
        for turn in self._turns[-60:]:
            low = round(turn.start / STEP_SECONDS) - window.start
            high = round(turn.end / STEP_SECONDS) - window.start
            told[max(0, low) : max(0, high), labels[turn.speaker]] = True
        active = window.active[:new, rows].astype(np.float32)
        both = active.T @ told.astype(np.float32)
        either = active.sum(axis=0)[:, None] + told.sum(axis=0)[None]
        return np.asarray(2 * both / np.maximum(either, 1), np.float32)

    def _has_room(self) -> bool:
        most = self._options.num_speakers or self._options.max_speakers
        return sum(not voice.is_known for voice in self._voices) < most

    def _newcomer(self, seconds: float) -> int:
        """Give a local speaker a label of their own, if there is enough of them: its place, else −1."""
        needed = _NEW_SECONDS if self._voices else _NEW_SECONDS / 2
        if seconds < needed or not self._has_room():
            return -1
        taken = {voice.label for voice in self._voices}
        number = 1 + sum(not voice.is_known for voice in self._voices)
        while f"S{number}" in taken:
            number += 1
        self._voices.append(_Voice(f"S{number}", np.zeros(self._encoder.dim, np.float32), 0.0, False))
        return len(self._voices) - 1

    def _refine(self, voice: _Voice, vector: Vector, seconds: float) -> None:
        """Let a voice be known better by what is new of it."""
        if voice.seconds == 0:
            seconds = max(seconds, 0.1)
        voice.total = voice.total + vector * np.float32(seconds)
        voice.seconds += seconds


def _local_voices(window: Window) -> tuple[Vectors, npt.NDArray[np.float64]]:
    """The mean vector of each local speaker, zeros where there is none, and the seconds that made it."""
    vectors = np.zeros((NUM_LOCAL, window.vectors.shape[1]), np.float32)
    seconds = np.zeros(NUM_LOCAL)
    for piece, vector in zip(window.pieces, window.vectors, strict=True):
        vectors[piece.local] += vector * np.float32(max(0.05, piece.seconds))
        seconds[piece.local] += piece.seconds
    known = vectors.any(axis=1)
    vectors[known] = unit_rows(vectors[known])
    return vectors, seconds


def _seconds_alone(window: Window, local: int, new: int) -> float:
    """Of a local speaker, from a frame on."""
    active = window.active[new:]
    return float((active[:, local] & (active.sum(axis=1) == 1)).sum()) * STEP_SECONDS
