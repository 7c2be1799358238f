"""The table of segments: its columns, and parts of it that are there whole or not at all.

    OUTPUT/segments/recipe=moonshine-3fa94c1b/part-0001-9c41d2aa.parquet

A part holds many recordings. The ledger first notes which, then the part takes its name, then the ledger notes
that it is there: after a crash at any moment no recording is in two parts, and none in no part for good.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from typing import Any

from earshot.batch.inputs import shown_name
from earshot.batch.ledger import Ledger
from earshot.batch.storage import Storage
from earshot.core.optional import require
from earshot.core.types import Transcript

FOLDER = "segments"

ROWS_IN_PART = 20_000
"""Segments, which make some 5 MB with their words; readers like parts neither tiny nor huge."""


def _arrow() -> Any:
    return require("pyarrow", extra="batch", purpose="the table of segments")


def _parquet() -> Any:
    return require("pyarrow.parquet", extra="batch", purpose="the table of segments")


def schema() -> Any:
    """The columns, for pyarrow."""
    arrow = _arrow()
    word = arrow.struct(
        [
            ("text", arrow.string()),
            ("start", arrow.float64()),
            ("end", arrow.float64()),
            ("confidence", arrow.float64()),
            ("time_source", arrow.string()),
        ]
    )
    return arrow.schema(
        [
            ("file", arrow.string()),
            ("segment", arrow.int32()),
            ("start", arrow.float64()),
            ("end", arrow.float64()),
            ("text", arrow.string()),
            ("words", arrow.list_(word)),
            ("speaker", arrow.string()),
            ("language", arrow.string()),
            ("confidence", arrow.float64()),
            ("engine", arrow.string()),
            ("model_hash", arrow.string()),
            ("input_hash", arrow.string()),
        ]
    )


def transcript_rows(name: str, transcript: Transcript, *, model_hash: str, input_hash: str) -> bytes | None:
    """The rows of one recording, packed; None where nothing was said. name: of the recording, as it is
    shown.
    """
    if not transcript.segments:
        return None
    arrow = _arrow()
    rows = [
        {
            "file": shown_name(name),
            "segment": index,
            "start": segment.start,
            "end": segment.end,
            "text": _sound(segment.text),
            "words": [
                {
                    "text": _sound(word.text),
                    "start": word.start,
                    "end": word.end,
                    "confidence": word.confidence,
                    "time_source": word.time_source,
                }
                for word in segment.words
            ],
            "speaker": segment.speaker,
            "language": segment.language or transcript.language,
            "confidence": segment.confidence,
            "engine": transcript.engine,
            "model_hash": model_hash,
            "input_hash": input_hash,
        }
        for index, segment in enumerate(transcript.segments)
    ]
    stream = io.BytesIO()
    options = arrow.ipc.IpcWriteOptions(compression="zstd")
    with arrow.ipc.new_stream(stream, schema(), options=options) as writer:
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema()))
    return stream.getvalue()


def _sound(text: str) -> str:
    """Lone surrogates cannot be written in UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def unpacked(rows: Iterable[bytes]) -> Any:
    """Packed rows of several recordings as one table."""
    arrow = _arrow()
    tables = [arrow.ipc.open_stream(data).read_all() for data in rows]
    return arrow.concat_tables([schema().empty_table(), *tables])


def part_path(recipe: str, name: str) -> str:
    """Where a part lies below OUTPUT."""
    return f"{FOLDER}/recipe={recipe}/{name}"


class Publisher:
    """Turns what waits in the ledger into parts of the table. One for each batch.

    flush: makes sure that the ledger's records are where a crash cannot take them.
    """

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        recipe: str,
        owner: str,
        *,
        flush: Callable[[], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._recipe = recipe
        self._owner = owner
        self._flush = flush or (lambda: None)
        self._number = 0

    def recover(self, alive: Iterable[str] = ()) -> None:
        """Finish or undo the parts that crashes interrupted. alive: owners that may be writing theirs."""
        owners = tuple(alive)
        for part in self._ledger.parts():
            if part.state != "publishing" or part.name.removesuffix(".parquet").endswith(owners):
                continue
            path = part_path(part.recipe, part.name)
            if self._storage.exists(path):
                data = self._storage.read(path)
                self._ledger.end_part(part.name, num_rows(data), _hash(data))
            else:
                self._ledger.drop_part(part.name)

    def publish(self, *, at_least: int = ROWS_IN_PART) -> int:
        """Write a part while so many segments wait, 0 for whatever there is. Returns how many were written."""
        num_published = 0
        while self._ledger.num_waiting_rows(self._recipe) >= at_least:
            written = self._publish_one()
            if written is None:
                break
            num_published += written
        return num_published

    def _publish_one(self) -> int | None:
        """The number of rows; None when nothing waits."""
        self._number += 1
        name = f"part-{self._number:05}-{self._owner}.parquet"
        claimed = self._ledger.claim_part(name, self._recipe, most=ROWS_IN_PART)
        if not claimed:
            return None
        for stale in sorted({old for _, old in claimed if old}):
            self._leave_out(stale)
        rows = [data for data, _ in claimed if data]
        if not rows:  # nothing was said in any of them
            self._ledger.end_part(name, 0, "")
            return 0
        data = packed_part(unpacked(rows))
        self._flush()
        self._storage.write(part_path(self._recipe, name), data)
        count = num_rows(data)
        self._ledger.end_part(name, count, _hash(data))
        return count

    def _leave_out(self, name: str) -> None:
        """Write a part anew with the rows of those recordings alone that are still in it."""
        path = part_path(self._recipe, name)
        if not self._storage.exists(path):
            return
        arrow = _arrow()
        compute = require("pyarrow.compute", extra="batch", purpose="the table of segments")
        with self._ledger.together():
            table = _parquet().read_table(io.BytesIO(self._storage.read(path)), partitioning=None)
            kept = arrow.array([shown_name(file) for file in self._ledger.names_in_part(name)], arrow.string())
            table = table.filter(compute.is_in(table["file"], value_set=kept))
            data = packed_part(table)
            self._storage.write(path, data)
            self._ledger.change_part(name, table.num_rows, _hash(data))


def packed_part(table: Any) -> bytes:
    """A Parquet file."""
    stream = io.BytesIO()
    _parquet().write_table(table, stream, compression="zstd")
    return stream.getvalue()


def num_rows(data: bytes) -> int:
    """Of a Parquet file. Raises pyarrow.ArrowException when it is damaged."""
    return int(_parquet().ParquetFile(io.BytesIO(data)).metadata.num_rows)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
