"""What a format is, and what its readers share: bounded input, decoded text, checked numbers."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from earshot.core.errors import FormatError
from earshot.core.types import Transcript
from earshot.text.subtitles import SubtitleOptions

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is no transcript: fifty hours with every word's times take about 50 MB of JSON."""

MAX_LINE = 1_000_000
"""Characters; a longer line is no line of a transcript. JSON and XML are not read by lines."""

MAX_SECONDS = 1e7
"""115 days; a later time is a mistake."""


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """How to write a transcript.

    subtitles: the cues of srt and vtt. rows: what a row of csv or a label of audacity is. recording: path or
    name of the recording; ctm takes its stem, eaf links to it. has_speakers: whether txt, srt,
    vtt and tsv name who speaks.
    """

    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    rows: Literal["segment", "word"] = "segment"
    recording: Path | str | None = None
    has_speakers: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is being read. text: decoded, without byte-order mark."""

    name: str
    text: str

    def error(self, message: str, *, line: int | None = None, fix: str | None = None) -> FormatError:
        """What is wrong with the file, and in which line (from 1)."""
        place = self.name if line is None else f"{self.name}, line {line}"
        return FormatError(f"{place}: {message}", fix=fix)

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines with their numbers, without their ends. Raises FormatError at one over MAX_LINE."""
        # Not splitlines(), to which a line separator inside a cue is an end, and which holds all lines at once.
        stream = io.StringIO(self.text, newline=None)
        for number, line in enumerate(map(_without_end, stream), start=1):
            if len(line) > MAX_LINE:
                raise self.error(f"a line of {len(line):,} characters", line=number, fix="this is no such file")
            yield number, line

    def seconds(self, text: str, *, line: int | None = None) -> float:
        """A time in seconds, as in ``12.5``. Raises FormatError when it is none, negative or huge."""
        text = text.strip()
        if not _NUMBER.fullmatch(text):
            raise self.error(f"{quoted(text)} is no time in seconds", line=line)
        return self.checked(float(text), text, line=line)

    def milliseconds(self, text: str, *, line: int | None = None) -> float:
        """The same from whole milliseconds; returns seconds."""
        text = text.strip()
        if not _INTEGER.fullmatch(text):
            raise self.error(f"{quoted(text)} is no time in whole milliseconds", line=line)
        return self.checked(int(text) / 1000, text, line=line)

    def checked(self, seconds: float, text: object, *, line: int | None = None) -> float:
        """The time itself. Raises FormatError when it is negative or huge (or not a number)."""
        if not 0 <= seconds <= MAX_SECONDS:
            raise self.error(f"the time {quoted(text)} is not within 0 to {MAX_SECONDS:.0f} s", line=line)
        return seconds + 0.0  # -0.0 becomes 0.0

    def span(self, start: float, end: float, *, line: int | None = None) -> tuple[float, float]:
        """Start and end. Raises FormatError when the end comes first."""
        if end < start:
            raise self.error(f"the end {end:g} s comes before the start {start:g} s", line=line)
        return start, end


def _without_end(line: str) -> str:
    return line.removesuffix("\n")


Writer = Callable[[Transcript, TextIO, FormatOptions], None]
Reader = Callable[[Source], Transcript]


@dataclass(frozen=True, slots=True)
class Format:
    """A line of the table of formats. suffix: with the dot. read: None for what cannot be read back."""

    name: str
    suffix: str
    summary: str
    write: Writer
    read: Reader | None = None


_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,15}", re.ASCII)


def quoted(value: object) -> str:
    """What was found, short enough for a message of one line."""
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


# --- from bytes to text ------------------------------------------------------------------------------------

_BYTE_ORDER_MARKS = (  # the longer first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_source(path: Path, encoding: str | None) -> Source:
    """The decoded file. Raises FormatError when it cannot be opened, is too large, or is no text."""
    source = Source(str(path), "")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(f"cannot read {path}: {reason}", fix="check the path") from error
    if len(data) > MAX_BYTES:
        raise source.error(f"larger than {MAX_BYTES // 2**20} MiB", fix="this is no transcript")
    text = _decoded(data, encoding, source)
    if "\0" in text:
        raise source.error("a binary file", fix="name a text file")
    return Source(str(path), text)


def _decoded(data: bytes, encoding: str | None, source: Source) -> str:
    if encoding is None:
        encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise FormatError(
            f"there is no encoding {quoted(encoding)}", fix="name one such as windows-1252"
        ) from error
    except ValueError as error:
        if b"\0" in data[:1000] and encoding == "utf-8":
            raise source.error("a binary file", fix="name a text file") from error
        raise source.error(
            f"not in {encoding}", fix="name its encoding, such as windows-1252, or convert it to UTF-8"
        ) from error
