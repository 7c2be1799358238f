"""Texts and transcripts that a verb reads: by their suffix, or plain text from standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from earshot.core.errors import FormatError
from earshot.core.types import Transcript
from earshot.text.formats import FORMATS, read_transcript
from earshot.text.formats.base import read_source

_MAX_BYTES = 50_000_000


def read_text_or_transcript(path: Path) -> Transcript | str:
    """A transcript where the suffix says so (json, srt, vtt …), else plain text; ``-`` reads standard input.

    Raises FormatError when it cannot be read or is no text.
    """
    if str(path) == "-":
        return _read_stdin()
    suffixes = [entry.suffix.lower() for entry in FORMATS.values() if entry.read]
    if path.name.lower().endswith(tuple(suffixes)):
        return read_transcript(path)
    return read_source(path, None).text


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FormatError("standard input is larger than 50 MB", fix="this is no transcript")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("standard input is not in UTF-8", fix="convert it to UTF-8") from error
