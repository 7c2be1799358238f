"""CSV and TSV with a header: the columns are found by the names that people give them.

Without a header a table of two columns is read as recording and text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from earshot.audio.decode import RECORDING_SUFFIXES
from earshot.core.files import atomic_text
from earshot.corpora.formats.base import CorpusFormat, relative, seconds
from earshot.corpora.manifest import Collector, numbered_lines
from earshot.corpora.utterance import Utterance

_COLUMNS: Final = {
    "audio": ("audio", "path", "file", "filename", "audio_path", "wav", "wav_path", "wav_filename"),
    "start": ("start", "offset", "begin"),
    "duration": ("duration", "length", "seconds"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk"),
    "language": ("language", "lang", "locale"),
    "label": ("label", "word", "class", "command"),
    "channel": ("channel",),
}  # fmt: skip
"""Our fields, and what other corpora call them (Common Voice, DeepSpeech, LJSpeech's relatives)."""

_HEADER: Final = ("audio", "start", "duration", "text", "speaker", "language", "label", "channel")


def _reader(delimiter: str) -> Callable[[Path, Collector], None]:
    def read(path: Path, collector: Collector) -> None:
        columns: list[str] | None = None
        for number, cells in _rows(path, delimiter, collector):
            if columns is None:
                columns = columns_of(cells)
                if columns is not None:
                    continue
                has_recordings = Path(cells[0]).suffix.lower() in RECORDING_SUFFIXES
                columns = ["audio", "text"] if len(cells) == 2 and has_recordings else []
            if not columns:
                collector.bad(path, number, "no column 'audio' in the first line", fix="name the columns there")
                return
            if len(cells) != len(columns):
                collector.bad(path, number, f"{len(cells)} columns instead of {len(columns)}")
                continue
            _add(path, number, dict(zip(columns, cells, strict=True)), collector)

    return read


def _rows(path: Path, delimiter: str, collector: Collector) -> Any:
    """Rows with the number of their first line; a cell in quotes may hold line ends, in CSV."""
    if delimiter == "\t":
        for number, line in numbered_lines(path, collector):
            yield number, line.split("\t")
        return
    waiting, first = "", 0
    for number, line in numbered_lines(path, collector):
        waiting, first = (f"{waiting}\n{line}", first) if waiting else (line, number)
        if waiting.count('"') % 2 and len(waiting) < 100_000:
            continue  # inside quotes
        try:
            yield first, next(csv.reader(io.StringIO(waiting), strict=True))
        except (csv.Error, StopIteration) as error:
            collector.bad(path, first, f"no CSV ({error})")
        waiting = ""
    if waiting:
        collector.bad(path, first, "a quotation mark is not closed")


def columns_of(cells: Sequence[str]) -> list[str] | None:
    """Our names of the columns, their own where we have none; None where this is no header."""
    ours = {theirs: name for name, others in _COLUMNS.items() for theirs in others}
    named = [ours.get(cell.strip().lower(), cell.strip()) for cell in cells]
    if "audio" not in named or len(set(named)) < len(named):
        return None
    return named


def _add(path: Path, number: int, row: dict[str, str], collector: Collector) -> None:
    fields: dict[str, Any] = {name: row[name] for name in _HEADER[1:] if row.get(name)}
    if "text" in row:
        fields["text"] = row["text"]
    if channel := fields.get("channel"):
        fields["channel"] = int(channel) if channel.isascii() and channel.isdigit() else channel
    extra = {name: value for name, value in row.items() if name not in _HEADER and name and value}
    collector.add(path, number, row["audio"], **fields, extra=extra)


def _writer(delimiter: str) -> Callable[[Sequence[Utterance], Path], None]:
    def write(utterances: Sequence[Utterance], path: Path) -> None:
        extra = sorted(
            {name for one in utterances for name, value in one.extra.items() if isinstance(value, str)}
        )
        extra = [name for name in extra if name not in _HEADER]
        with atomic_text(path) as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            rows = [[*_HEADER, *extra], *(_cells(one, path.parent, extra) for one in utterances)]
            for row in rows:
                if delimiter == "\t":  # nobody quotes in TSV: a cell has neither tabs nor line ends
                    file.write("\t".join(" ".join(cell.split()) if cell.split() else "" for cell in row) + "\n")
                else:
                    writer.writerow(row)

    return write


def _cells(utterance: Utterance, folder: Path, extra: Sequence[str]) -> list[str]:
    numbers = [
        f"{seconds(utterance.start):g}" if utterance.start else "",
        "" if utterance.duration is None else repr(seconds(utterance.duration)),
    ]
    if utterance.start:
        numbers[0] = repr(seconds(utterance.start))
    return [
        relative(utterance.audio, folder),
        *numbers,
        *(getattr(utterance, name) or "" for name in ("text", "speaker", "language", "label")),
        str(utterance.channel or ""),
        *(str(utterance.extra.get(name, "")) for name in extra),
    ]


CSV = CorpusFormat("csv", "a table with commas and a header", _reader(","), _writer(","))
TSV = CorpusFormat("tsv", "a table with tabs and a header, as of Common Voice", _reader("\t"), _writer("\t"))
