"""Tables: whisper's tsv and our csv."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO, get_args

from earshot.core.types import Segment, TimeSource, Transcript, Word
from earshot.text.clean import BREAKING_SPACE, clean_text
from earshot.text.formats.base import FormatOptions, Source, quoted
from earshot.text.timing import segment_span_ms, to_ms

# --- tsv ---------------------------------------------------------------------------------------------------


def write_tsv(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """``start end text`` in whole milliseconds, a segment a row; a column ``speaker`` where one is known."""
    has_speakers = options.has_speakers and any(segment.speaker for segment in transcript.segments)
    stream.write("start\tend\ttext\tspeaker\n" if has_speakers else "start\tend\ttext\n")
    for segment in transcript.segments:
        start, end = segment_span_ms(segment)
        row = [str(start), str(end), clean_text(segment.text)]
        if has_speakers:
            row.append(clean_text(segment.speaker or ""))
        stream.write("\t".join(row) + "\n")


def read_tsv(source: Source) -> Transcript:
    """A segment a row. The first line names the columns; ``start``, ``end`` and ``text`` must be there."""
    lines = source.lines()
    columns = next(lines, (1, ""))[1].strip().split("\t")
    if not {"start", "end", "text"} <= set(columns):
        raise source.error("expected the columns start, end and text", line=1)
    segments = []
    for number, line in lines:
        if not line.strip():
            continue
        cells = line.split("\t")
        if not len(columns) - 1 <= len(cells) <= len(columns):
            raise source.error(f"expected {len(columns)} cells parted by tabs, found {len(cells)}", line=number)
        row = dict(zip(columns, cells, strict=False))
        times = [source.milliseconds(row.get(name, ""), line=number) for name in ("start", "end")]
        start, end = source.span(times[0], times[1], line=number)
        speaker = clean_text(row.get("speaker", "")) or None
        segments.append(Segment(clean_text(row.get("text", "")), start, end, speaker=speaker))
    return Transcript(tuple(segments))


# --- csv ---------------------------------------------------------------------------------------------------

_SEGMENT_COLUMNS = ("start", "end", "speaker", "language", "confidence", "text")
_WORD_COLUMNS = (
    "segment",
    "segment_start",
    "segment_end",
    "start",
    "end",
    "speaker",
    "language",
    "confidence",
    "time_source",
    "text",
)


def write_csv(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """A row a segment, or with ``options.rows == "word"`` a row a word; seconds with three decimals.

    Unknown is an empty cell. A cell that a spreadsheet would run as a formula (it begins with ``=``, ``+``,
    ``-`` or ``@``) gets an apostrophe in front, as OWASP advises ("CSV Injection"); our reader takes it away.
    """
    by_word = options.rows == "word"
    writer = csv.DictWriter(
        stream, _WORD_COLUMNS if by_word else _SEGMENT_COLUMNS, restval="", lineterminator="\n"
    )
    writer.writeheader()
    for index, segment in enumerate(transcript.segments):
        writer.writerows(_word_rows(index, segment) if by_word else [_segment_row(segment)])


def _segment_row(segment: Segment) -> dict[str, str]:
    start, end = segment_span_ms(segment)
    return {
        "start": _decimal(start),
        "end": _decimal(end),
        "speaker": _guarded(segment.speaker),
        "language": _guarded(segment.language),
        "confidence": _confidence(segment.confidence),
        "text": _guarded(segment.text),
    }


def _word_rows(index: int, segment: Segment) -> Iterable[dict[str, str]]:
    """A segment without words is split at white space, its words' times left open."""
    start, end = segment_span_ms(segment)
    words = segment.words or [Word(text) for text in BREAKING_SPACE.split(clean_text(segment.text))]
    for word in words:
        has_times = word.start is not None and word.end is not None
        yield {
            "segment": str(index + 1),
            "segment_start": _decimal(start),
            "segment_end": _decimal(end),
            "start": _decimal(to_ms(word.start)) if has_times and word.start is not None else "",
            "end": _decimal(to_ms(word.end)) if has_times and word.end is not None else "",
            "speaker": _guarded(segment.speaker),
            "language": _guarded(segment.language),
            "confidence": _confidence(word.confidence),
            "time_source": word.time_source or "",
            "text": _guarded(word.text),
        }


def _decimal(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


def _confidence(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.4f}"


_FORMULA = re.compile(r"'*[=+\-@]")
_GUARDED = re.compile(r"''*[=+\-@]")


def _guarded(text: str | None) -> str:
    text = clean_text(text or "")
    return f"'{text}" if _FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return clean_text(text[1:] if _GUARDED.match(text) else text)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row with its line and how to read its times."""

    source: Source
    line: int
    cells: Mapping[str, str]
    is_milliseconds: bool

    def seconds(self, name: str) -> float:
        cell = self.cells[name]
        read = self.source.milliseconds if self.is_milliseconds else self.source.seconds
        return read(cell, line=self.line)

    def text(self, name: str) -> str:
        return _unguarded(self.cells.get(name, ""))

    def span(self, start: str, end: str) -> tuple[float, float]:
        return self.source.span(self.seconds(start), self.seconds(end), line=self.line)


def read_csv(source: Source) -> Transcript:
    """Either kind of our tables, told by their first line; also whisper.cpp's, which has milliseconds."""
    rows = _csv_rows(source)
    if rows and "segment" in rows[0].cells:
        return _from_word_rows(source, rows)
    segments = []
    for row in rows:
        start, end = row.span("start", "end")
        speaker, language = row.text("speaker") or None, row.text("language") or None
        segments.append(Segment(row.text("text"), start, end, speaker=speaker, language=language))
    return Transcript(tuple(segments))


def _csv_rows(source: Source) -> list[_Row]:
    for _ in source.lines():
        pass  # no line is too long
    # csv's own limit of 131,072 characters a field bounds what an open quote can swallow.
    reader = csv.reader(io.StringIO(source.text, newline=""), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        if not {"start", "end", "text"} <= set(columns):
            raise source.error("expected the columns start, end and text", line=1)
        found = []
        for cells in reader:
            if cells and len(cells) != len(columns):
                raise source.error(f"expected {len(columns)} cells, found {len(cells)}", line=reader.line_num)
            if cells:
                found.append((reader.line_num, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise source.error(f"no CSV ({error})", line=reader.line_num) from error
    # whisper.cpp writes exactly these columns with whole milliseconds; ours has more columns and decimals.
    is_milliseconds = columns == ["start", "end", "text"] and all(
        cells[name].strip().isdigit() for _, cells in found for name in ("start", "end")
    )
    return [_Row(source, line, cells, is_milliseconds) for line, cells in found]


def _from_word_rows(source: Source, rows: list[_Row]) -> Transcript:
    missing = set(_WORD_COLUMNS) - set(rows[0].cells)
    if missing:
        raise source.error(f"the column {sorted(missing)[0]} is missing", line=1)
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.cells["segment"], []).append(row)
    segments = []
    for group in groups.values():
        first = group[0]
        words = tuple(_word(row) for row in group)
        start, end = first.span("segment_start", "segment_end")
        speaker, language = first.text("speaker") or None, first.text("language") or None
        text = " ".join(word.text for word in words if word.text)
        segments.append(Segment(text, start, end, words if text else (), speaker, language))
    return Transcript(tuple(segments))


def _word(row: _Row) -> Word:
    text = row.text("text")
    confidence = None
    if row.cells["confidence"].strip():
        confidence = row.seconds("confidence")
        if confidence > 1:
            raise row.source.error(f"the confidence {confidence:g} is over 1", line=row.line)
    if not row.cells["start"].strip() and not row.cells["end"].strip():
        return Word(text, confidence=confidence)
    start, end = row.span("start", "end")
    time_source = row.cells["time_source"].strip()
    for known in get_args(TimeSource):
        if time_source == known:
            return Word(text, start, end, confidence, known)
    if time_source:
        raise row.source.error(f"there is no source of times {quoted(time_source)}", line=row.line)
    return Word(text, start, end, confidence)
