"""Which stretches of a stream may be a command: sound between two short pauses.

A command is said by itself. Running speech holds hardly anything of a word's length between pauses, so asking
for them keeps most false alarms away and leaves hardly anything to compute. The end is found by level, which
falls at once, and not by the voice activity detector, which waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from earshot.audio.vad import FRAME
from earshot.commands.frames import SPEECH, SpeechFrames
from earshot.core.types import SAMPLE_RATE, Samples

PAUSE_BEFORE = 6
"""Frames of 32 ms without speech before a command."""

PAUSE_AFTER = 3
"""Quiet frames after it: the greater part of the delay between a word and its event."""

_HANG = 12
"""Frames after the last speech in which an end is still looked for."""

_PRE_ROLL = 8
"""Frames before the first speech that belong to it: the detector is sure of a word when it has begun."""

_QUIET = 0.13
"""Of the loudest frame: quieter ones are a pause (−18 dB)."""

_LOUD = 4.0
"""Times the running background level (12 dB) that counts as sound where no speech is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A stretch of sound that may be a command.

    end: one past its last sample in the stream. width: of a window in seconds; None for what has a pause on
    both sides and any length.
    """

    end: int
    samples: Samples
    width: float | None = None

    @property
    def duration(self) -> float:
        """Seconds, the pauses' edges included."""
        return len(self.samples) / SAMPLE_RATE


class PauseCutter:
    """One stream at 16 kHz. What comes out does not depend on the sizes of the blocks.

    min_duration, max_duration: seconds of what is looked for. hears_noises: also sound that is no speech.
    """

    def __init__(self, min_duration: float, max_duration: float, *, hears_noises: bool = False) -> None:
        self._least = max(1, int(min_duration * SAMPLE_RATE / FRAME))
        self._most = -int(-max_duration * SAMPLE_RATE // FRAME) + _PRE_ROLL + PAUSE_AFTER
        self._hears_noises = hears_noises
        self._heard = SpeechFrames()
        self._frames: list[Samples] = []  # the last ones, that a look may need
        self._levels: list[float] = []
        self._now = 0
        self._onsets: list[int] = []
        self._last_sound = -(10**9)
        self._num_quiet = 0
        self._was_loud = False
        self._floor = math.inf

    def accept(self, samples: Samples) -> list[Look]:
        """Take float32 (n,), any n. Returns the stretches that ended in it, in order."""
        return [look for frame, odds in self._heard.accept(samples) for look in self._step(frame, odds)]

    def finish(self) -> list[Look]:
        """No more comes: the stream's end is a pause."""
        return self.accept(self._heard.silence(PAUSE_AFTER + 2))

    def _step(self, frame: Samples, probability: float) -> list[Look]:
        level = float(np.sqrt(np.mean(np.square(frame)) + 1e-14))
        is_sound = probability >= SPEECH or (self._hears_noises and level > _LOUD * self._floor)
        # It falls at once and doubles within two seconds, so that a noise is not its own background.
        self._floor = max(1e-5, min(level, self._floor * 1.011))
        self._frames.append(frame)
        self._levels.append(level)
        del self._frames[: -self._most], self._levels[: -self._most]
        if is_sound:
            if self._now - self._last_sound > PAUSE_BEFORE:
                self._onsets.append(self._now)
            self._last_sound = self._now
        self._now += 1
        self._onsets = [onset for onset in self._onsets if self._now - onset <= self._most - _PRE_ROLL]
        if not self._onsets or self._now - self._last_sound > _HANG:
            self._was_loud = False
            return []
        return self._at_end_of_sound()

    def _at_end_of_sound(self) -> list[Look]:
        """The stretches that end here, if a pause has just become long enough."""
        since = min(len(self._levels), self._now - self._onsets[0] + _PRE_ROLL)
        levels = self._levels[-since:]
        peak = max(levels)
        floor = min(1.6 * float(np.percentile(levels, 10)), 0.35 * peak)
        if levels[-1] > max(_QUIET * peak, floor):
            self._num_quiet = 0
            self._was_loud = True
            return []
        self._num_quiet += 1
        if not self._was_loud or self._num_quiet < PAUSE_AFTER:
            return []
        self._was_loud = False
        starts = [max(0, onset - _PRE_ROLL) for onset in self._onsets]
        lengths = [min(self._now - start, len(self._frames)) for start in starts]
        return [
            Look(self._now * FRAME, np.concatenate(self._frames[-length:]))
            for length in lengths
            if length - PAUSE_AFTER >= self._least
        ]
