"""What flows in this room: turns and diarizations, voices as vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float32]
"""One voice: float32 (dim,), unit length."""

Vectors: TypeAlias = npt.NDArray[np.float32]
"""Many voices: float32 (n, dim), each of unit length."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker speaks from ``start`` to ``end``, seconds. Turns of different speakers may overlap."""

    start: float
    end: float
    speaker: str

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who spoke when.

    turns: in order of start; no two of one speaker overlap. Empty where nobody speaks.
    vectors: for each label its mean voice, unit length, made by the encoder named ``encoder``.
    Labels are "S1", "S2" … in order of first appearance.
    """

    turns: tuple[Turn, ...] = ()
    vectors: Mapping[str, Vector] = field(default_factory=lambda: MappingProxyType({}))
    encoder: str = ""

    @property
    def speakers(self) -> tuple[str, ...]:
        """The labels, in order of first appearance."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))
