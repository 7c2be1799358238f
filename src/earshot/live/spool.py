"""Finished segments set aside on disk until the end, so that hours of talk take no memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from earshot.core.types import Segment, Word
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
    if not isinstance(text, str) or not 0 <= start <= end:  # NaN as well
        raise ValueError("no segment")
    return Segment(
        text, start, end, read_words(fields.get("words", [])), fields.get("speaker"), fields.get("language")
    )


def read_words(rows: Any) -> tuple[Word, ...]:
    """The way back from ``words_fields``. Raises TypeError for what is none."""
    return tuple(Word(**row) for row in rows)
