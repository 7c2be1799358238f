"""Finished segments set aside on disk until the end, so that hours of talk take no memory."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from earshot.core.types import Segment, TimeSource, Word
from earshot.live.journal import event_line, segment_fields


class SegmentSpool:
    """A sink that gives its segments back: each a line of JSON in a temporary file that has no name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the spool

    def write(self, segment: Segment) -> None:
        """See ``SegmentSink``."""
        self._file.write(event_line(segment_fields(segment)))

    def close(self) -> None:
        """See ``SegmentSink``; the segments stay until ``release``."""
        self._file.flush()

    def segments(self) -> Iterator[Segment]:
        """All of them, in order."""
        self._file.seek(0)
        for line in self._file:
            yield read_segment(json.loads(line))

    def release(self) -> None:
        """Forget them."""
        self._file.close()


def read_segment(fields: Mapping[str, Any]) -> Segment:
    """The way back from ``segment_fields``. Raises KeyError, TypeError or ValueError for what is none."""
    text, start, end = fields["text"], float(fields["start"]), float(fields["end"])
    if not isinstance(text, str) or not 0 <= start <= end < math.inf:  # false for NaN
        raise ValueError("no segment")
    speaker = fields.get("speaker")
    if not isinstance(speaker, str | None):
        raise ValueError("no speaker")
    return Segment(text, start, end, read_words(fields.get("words", [])), speaker, fields.get("language"))


def read_words(rows: Any) -> tuple[Word, ...]:
    """The way back from ``words_fields``. Raises TypeError or ValueError for what is none."""
    return tuple(_read_word(**row) for row in rows)


def _read_word(
    text: str,
    start: float | None = None,
    end: float | None = None,
    confidence: float | None = None,
    time_source: TimeSource | None = None,
) -> Word:
    numbers = (start, end, confidence)
    are_numbers = all(number is None or math.isfinite(number) for number in numbers)
    if not isinstance(text, str) or not are_numbers or time_source not in (None, *get_args(TimeSource)):
        raise ValueError("no word")
    return Word(text, start, end, confidence, time_source)
