"""What was said so far: stretches recorded one after the other, as one transcript and one sound."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.audio.journal import open_journal_audio
from earshot.core.types import SAMPLE_RATE, Audio, Samples, Segment, Transcript
from earshot.engines.offline import shifted


@dataclass
class Part:
    """One stretch, from Record to Stop. start: seconds of all stretches before it. first: its first final."""

    start: float
    first: int
    path: Path | None = None


class Notes:
    """The finals of all stretches, with times that go on from one to the next. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._parts: list[Part] = []
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """Of all stretches that have ended."""
        return self._seconds

    @property
    def paths(self) -> tuple[Path, ...]:
        """The sound of each stretch, as a WAV file."""
        return tuple(part.path for part in self._parts if part.path is not None)

    @property
    def segments(self) -> list[Segment]:
        """All finals so far."""
        with self._lock:
            return list(self._segments)

    def begin(self) -> Part:
        """A new stretch."""
        with self._lock:
            part = Part(self._seconds, len(self._segments))
            self._parts.append(part)
            return part

    def end(self, part: Part, seconds: float) -> None:
        """The stretch was so long."""
        with self._lock:
            if part in self._parts:
                self._seconds = part.start + seconds

    def add(self, part: Part, segment: Segment) -> tuple[int, Segment]:
        """The next final of the stretch; returns its number, and itself with the times of the whole."""
        placed = shifted(segment, part.start)
        with self._lock:
            self._segments.append(placed)
            return len(self._segments) - 1, placed

    def give_words(self, part: Part, index: int, segment: Segment) -> None:
        """The final of that number within the stretch, now with the times of its words."""
        with self._lock:
            at = part.first + index
            if part in self._parts and at < len(self._segments):
                self._segments[at] = shifted(segment, part.start)

    def clear(self) -> None:
        """Forget everything; the files stay."""
        with self._lock:
            self._segments, self._parts, self._seconds = [], [], 0.0

    def transcript(self, engine: str | None, duration: float) -> Transcript:
        """So far. duration: seconds of all sound, also of the stretch that is being recorded."""
        segments = tuple(self.segments)
        languages = {segment.language for segment in segments}
        return Transcript(segments, languages.pop() if len(languages) == 1 else None, duration, engine)

    def audio(self) -> Audio:
        """The sound so far, read from the files: 16 kHz. Half a second of it may not be written yet."""
        blocks: list[Samples] = [np.empty(0, np.float32)]
        for path in self.paths:
            with open_journal_audio(path) as reader:
                blocks += reader
        return Audio(np.concatenate(blocks), SAMPLE_RATE)
