"""A meeting in files: each format of the table, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, TextIO, TypeAlias
from urllib.parse import quote

from earshot.audio.opus import data_url, write_opus
from earshot.core.errors import FormatError, nearest
from earshot.core.files import atomic_binary, atomic_text
from earshot.meetings.document import write_meeting_json
from earshot.meetings.docx import write_docx
from earshot.meetings.markdown import write_markdown
from earshot.meetings.page import write_page
from earshot.meetings.sound import MAX_EMBEDDED, opened_mix
from earshot.meetings.types import Meeting
from earshot.speakers.rttm import write_rttm
from earshot.text.formats import FormatOptions, write_transcript

SoundSource: TypeAlias = tuple[Path, int | None]
"""A recording and its channel, from 1; None for all mixed."""


@dataclass(frozen=True, slots=True)
class MeetingFormat:
    """A line of the table of formats."""

    name: str
    suffix: str
    summary: str


_TABLE = (
    MeetingFormat("html", ".html", "the page: player, timeline, search, names"),
    MeetingFormat("md", ".md", "Markdown"),
    MeetingFormat("docx", ".docx", "Word"),
    MeetingFormat("rttm", ".rttm", "who spoke when, for scoring"),
    MeetingFormat("eaf", ".eaf", "tiers for ELAN, one a speaker"),
    MeetingFormat("json", ".json", "everything, exactly; also a transcript"),
    MeetingFormat("srt", ".srt", "SubRip subtitles with names"),
    MeetingFormat("vtt", ".vtt", "WebVTT subtitles with names"),
    MeetingFormat("txt", ".txt", "plain text, a line a segment"),
)

MEETING_FORMATS: Mapping[str, MeetingFormat] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""All formats by name."""


def write_meeting(
    meeting: Meeting,
    folder: Path,
    formats: Sequence[str] = ("html",),
    *,
    name: str = "meeting",
    sound: Sequence[SoundSource] | None = None,
    max_embedded: int = MAX_EMBEDDED,
) -> list[Path]:
    """Write ``FOLDER/NAME.SUFFIX`` for each format; returns what was written, the sound's file included.

    sound: what the page plays, mixed where there are several; None for none. Up to ``max_embedded`` bytes it is
    within the page, else in ``NAME.opus`` beside it.
    Raises FormatError for an unknown format, AudioError where the sound cannot be read, OutputError.
    """
    for wanted in formats:
        if wanted not in MEETING_FORMATS:
            raise FormatError(f"there is no format {wanted!r}", fix=nearest(wanted, MEETING_FORMATS))
    written: list[Path] = []
    for wanted in dict.fromkeys(formats):
        path = folder / f"{name}{MEETING_FORMATS[wanted].suffix}"
        if wanted == "html":
            written += _write_page(meeting, path, sound, max_embedded)
        else:
            _WRITERS[wanted](meeting, path)
            written.append(path)
    return written


def _write_page(
    meeting: Meeting, path: Path, sound: Sequence[SoundSource] | None, max_embedded: int
) -> list[Path]:
    address, beside = _sound_address(path, sound, max_embedded)
    with atomic_text(path) as stream:
        write_page(meeting, stream, sound=address)
    return [path, *beside]


def _sound_address(
    page: Path, sound: Sequence[SoundSource] | None, max_embedded: int
) -> tuple[str | None, list[Path]]:
    """What the page's player is given, and the file that was made for it."""
    if not sound:
        return None, []
    beside = page.with_suffix(".opus")
    with atomic_binary(beside) as file, opened_mix(sound) as blocks:
        write_opus(blocks, file)
    if beside.stat().st_size > max_embedded:
        return quote(beside.name), [beside]
    address = data_url(beside.read_bytes())
    beside.unlink()
    return address, []


def _write_text(write: Callable[[Meeting, TextIO], None]) -> Callable[[Meeting, Path], None]:
    def written(meeting: Meeting, path: Path) -> None:
        with atomic_text(path) as stream:
            write(meeting, stream)

    return written


def _write_binary(write: Callable[[Meeting, BinaryIO], None]) -> Callable[[Meeting, Path], None]:
    def written(meeting: Meeting, path: Path) -> None:
        with atomic_binary(path) as file:
            write(meeting, file)

    return written


def _write_turns(meeting: Meeting, path: Path) -> None:
    recording = meeting.sources[0].stem if meeting.sources else path.stem
    write_rttm(meeting.turns, path, recording=recording)


def _write_transcript(name: str) -> Callable[[Meeting, Path], None]:
    def written(meeting: Meeting, path: Path) -> None:
        options = FormatOptions(recording=meeting.sources[0] if len(meeting.sources) == 1 else None)
        write_transcript(meeting.transcript, path, name, options)

    return written


_WRITERS: Mapping[str, Callable[[Meeting, Path], None]] = MappingProxyType(
    {
        "md": _write_text(write_markdown),
        "json": _write_text(write_meeting_json),
        "docx": _write_binary(write_docx),
        "rttm": _write_turns,
        **{name: _write_transcript(name) for name in ("eaf", "srt", "vtt", "txt")},
    }
)
