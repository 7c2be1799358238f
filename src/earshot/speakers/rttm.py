"""Turns in RTTM files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from earshot.core.files import atomic_text
from earshot.speakers.types import Turn
from earshot.text.formats.base import read_source
from earshot.text.formats.rttm import read_rttm_recordings, rttm_line


def write_rttm(turns: Iterable[Turn], path: Path | str, *, recording: str | None = None) -> None:
    """Write the turns of one recording, whole or not at all; times to the millisecond.

    recording: its name; None for the file's stem. Raises OutputError when it cannot be written.
    """
    path = Path(path)
    with atomic_text(path) as stream:
        for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
            stream.write(rttm_line(recording or path.stem, turn.start, turn.end, turn.speaker))


def read_rttm(path: Path | str) -> dict[str, tuple[Turn, ...]]:
    """The turns of each recording, in order of start. Raises FormatError (file, line) for anything else."""
    recordings = read_rttm_recordings(read_source(Path(path), None))
    return {
        name: tuple(Turn(segment.start, segment.end, segment.speaker or "unknown") for segment in segments)
        for name, segments in recordings.items()
    }
