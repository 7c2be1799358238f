"""Transcripts in files: one module a family of formats, and the table of all.

A new format is one module with a writer (and perhaps a reader), and a line in the table below.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from earshot.core.errors import FormatError, OutputError, nearest
from earshot.core.files import atomic_text
from earshot.core.types import Transcript
from earshot.text.formats.audacity import read_audacity, write_audacity
from earshot.text.formats.base import Format, FormatOptions, read_source
from earshot.text.formats.ctm import read_ctm, write_ctm
from earshot.text.formats.cues import read_srt, read_vtt, write_srt, write_vtt
from earshot.text.formats.eaf import read_eaf, write_eaf
from earshot.text.formats.json_document import read_json, write_json
from earshot.text.formats.plain import write_txt
from earshot.text.formats.rttm import read_rttm, write_rttm
from earshot.text.formats.tables import read_csv, read_tsv, write_csv, write_tsv
from earshot.text.formats.textgrid import read_textgrid, write_textgrid

__all__ = ["FORMATS", "Format", "FormatOptions", "find_format", "read_transcript", "write_transcript"]

_TABLE = (
    Format("txt", ".txt", "plain text, a line a segment", write_txt),
    Format("srt", ".srt", "SubRip subtitles", write_srt, read_srt),
    Format("vtt", ".vtt", "WebVTT subtitles, for the web", write_vtt, read_vtt),
    Format("tsv", ".tsv", "table of segments, whole milliseconds", write_tsv, read_tsv),
    Format("json", ".json", "everything, exactly", write_json, read_json),
    Format("csv", ".csv", "table of segments or words, for spreadsheets", write_csv, read_csv),
    Format("ctm", ".ctm", "time-marked words, for scoring", write_ctm, read_ctm),
    Format("textgrid", ".TextGrid", "tiers for Praat", write_textgrid, read_textgrid),
    Format("eaf", ".eaf", "tiers for ELAN", write_eaf, read_eaf),
    Format("rttm", ".rttm", "who spoke when, for scoring; no words", write_rttm, read_rttm),
    Format("audacity", ".labels.txt", "label track for Audacity", write_audacity, read_audacity),
)

FORMATS: Mapping[str, Format] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""All formats by name."""


def find_format(name: str | None, path: Path | None = None) -> Format:
    """The format of that name, else of the path's suffix. Raises FormatError with the nearest name."""
    if name is not None:
        if name.lower() not in FORMATS:
            raise FormatError(f"there is no format {name!r}", fix=nearest(name, FORMATS))
        return FORMATS[name.lower()]
    fix = f"name a format: {', '.join(FORMATS)}"
    if path is None:
        raise FormatError("a stream has no suffix that tells its format", fix=fix)
    suits = [entry for entry in _TABLE if path.name.lower().endswith(entry.suffix.lower())]
    if not suits:
        raise FormatError(f"the suffix of {path} tells no format", fix=fix)
    return max(suits, key=lambda entry: len(entry.suffix))


def write_transcript(
    transcript: Transcript,
    destination: Path | str | TextIO,
    format: str | None = None,  # noqa: A002 - the word that users know
    options: FormatOptions | None = None,
) -> None:
    r"""Write a transcript. A path is written whole or not at all, in UTF-8 with ``\n``.

    format: a name of FORMATS; None for what the path's suffix says.
    Raises FormatError for an unknown format or a time that is no number, OutputError when it cannot be written.
    """
    options = options or FormatOptions()
    if isinstance(destination, Path | str):
        path = Path(destination)
        entry = find_format(format, path)
        with atomic_text(path) as stream:
            entry.write(transcript, stream, options)
        return
    entry = find_format(format)
    try:
        entry.write(transcript, destination, options)
    except UnicodeEncodeError as error:
        raise OutputError(
            f"the output's encoding {error.encoding} lacks {error.object[error.start]!r}",
            fix="write to a file, or set PYTHONIOENCODING=utf-8",
        ) from error


def read_transcript(
    path: Path | str,
    format: str | None = None,  # noqa: A002 - the word that users know
    *,
    encoding: str | None = None,
) -> Transcript:
    """Read a transcript or subtitle file.

    format: a name of FORMATS; None for what the suffix says. encoding: None for UTF-8, or UTF-16 or UTF-32
    with a byte-order mark. Segments come in order of their starts where the format promises no order.
    Raises FormatError (file, line, what was expected) for anything else than such a file.
    """
    path = Path(path)
    entry = find_format(format, path)
    if entry.read is None:
        readable = ", ".join(other.name for other in _TABLE if other.read)
        raise FormatError(f"{path}: {entry.name} cannot be read back", fix=f"name its format: {readable}")
    return entry.read(read_source(path, encoding))
