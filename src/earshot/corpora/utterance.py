"""One line of a manifest: a stretch of a recording, and what is said in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_SECONDS = 1e7
"""115 days; a longer time is a mistake."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of a recording, and what is said in it.

    audio: where the recording lies. start: seconds into it. duration: seconds, None for unknown (then to its
    end). text: as it is said, None where nobody wrote it down. label: a class, such as a command. language:
    an ISO 639 code. channel: counts from 1, None for all mixed. extra: whatever else its manifest said of it
    (values that JSON has), kept and written again.
    """

    audio: Path
    start: float = 0.0
    duration: float | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    label: str | None = None
    channel: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start <= MAX_SECONDS:
            raise ValueError(f"an utterance starts at 0 s or later, not at {self.start:g}")
        if self.duration is not None and not (
            0 < self.duration <= MAX_SECONDS and math.isfinite(self.duration)
        ):
            raise ValueError(f"a duration is positive, not {self.duration:g}")
        if self.channel is not None and self.channel < 1:
            raise ValueError(f"channels count from 1, not {self.channel}")

    @property
    def end(self) -> float | None:
        """Seconds into the recording, None where the duration is unknown."""
        return None if self.duration is None else self.start + self.duration

    @property
    def place(self) -> tuple[str, int, int]:
        """Which sound it is: recording, start in whole milliseconds, channel (0 for all)."""
        return str(self.audio), round(self.start * 1000), self.channel or 0

    @property
    def name(self) -> str:
        """The ``id`` that its manifest gave it, else the recording's stem, with the start where it has one."""
        if isinstance(given := self.extra.get("id"), str) and given:
            return given
        channel = f"-{self.channel}" if self.channel else ""
        start = f"-{round(self.start * 1000):08d}" if self.start else ""
        return f"{self.audio.stem}{channel}{start}"
