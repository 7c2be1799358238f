"""How loud the sound is right now, for a level bar and for noticing a muted microphone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples

_FALL = 0.3
"""Seconds in which the shown peak falls by two thirds, so that the eye can follow."""

_DIGITAL_SILENCE = 1.5 / 32768
"""A muted device gives zeros, or dither of one step of 16 bits; a microphone that is on has noise of more."""


@dataclass(frozen=True, slots=True)
class Level:
    """Decibels relative to full scale; -inf for digital silence."""

    peak_dbfs: float = -math.inf
    rms_dbfs: float = -math.inf


class Meter:
    """Follows the level of a stream."""

    def __init__(self, sample_rate: int = SAMPLE_RATE) -> None:
        self._sample_rate = sample_rate
        self._peak = 0.0
        self._power = 0.0
        self._num_silent = 0
        self._loudest = 0.0

    def accept(self, samples: Samples) -> None:
        """Take the next block: float32 (n,), finite."""
        if not len(samples):
            return
        peak = float(np.abs(samples).max())
        power = float(np.mean(np.square(samples, dtype=np.float32), dtype=np.float64))
        self._loudest = max(self._loudest, peak)
        kept = math.exp(-len(samples) / self._sample_rate / _FALL)
        self._peak = max(peak, kept * self._peak)
        self._power = kept * self._power + (1 - kept) * power
        self._num_silent = self._num_silent + len(samples) if peak < _DIGITAL_SILENCE else 0

    @property
    def level(self) -> Level:
        """Of the last moments."""
        return Level(decibels(self._peak), decibels(math.sqrt(self._power)))

    @property
    def loudest_dbfs(self) -> float:
        """The highest peak so far."""
        return decibels(self._loudest)

    @property
    def silence(self) -> float:
        """Seconds of digital silence that the stream ends with so far."""
        return self._num_silent / self._sample_rate


def decibels(amplitude: float) -> float:
    """20 log10 of a linear amplitude, full scale 1; -inf for 0."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
