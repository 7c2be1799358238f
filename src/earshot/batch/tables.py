"""The ledger's tables in SQLite, and the records that change them.

Every lasting change is one record (a dictionary that JSON can hold) and goes through ``Tables.change``, so that
a ledger far away is the list of its records (see ``journal``), and reading them again gives the same tables.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self, TypeAlias

from earshot.core.errors import OutputError

Record: TypeAlias = dict[str, Any]

VERSION = 1

_ID = "id"
"""The key of a recording's row, in records that have not left this process."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, recipe TEXT NOT NULL, name BLOB NOT NULL, address BLOB NOT NULL,
    size INTEGER, stamp TEXT NOT NULL, estimate REAL NOT NULL, is_long INTEGER NOT NULL,
    state TEXT NOT NULL, owner TEXT, worker TEXT, attempt INTEGER NOT NULL DEFAULT 0,
    input_hash TEXT, model_hash TEXT, output_hash TEXT, outputs TEXT,
    seconds REAL, work_seconds REAL, num_segments INTEGER, num_units INTEGER,
    warnings TEXT, error TEXT, part TEXT, stale_part TEXT, rows BLOB,
    UNIQUE (recipe, name)
);
CREATE INDEX IF NOT EXISTS files_by_state ON files (recipe, state, is_long, estimate);
CREATE INDEX IF NOT EXISTS files_by_part ON files (part);
CREATE TABLE IF NOT EXISTS units (
    file INTEGER NOT NULL REFERENCES files (id), idx INTEGER NOT NULL, spans TEXT,
    state TEXT NOT NULL, worker TEXT, attempt INTEGER NOT NULL DEFAULT 0,
    output_hash TEXT, seconds REAL, work_seconds REAL, error TEXT, result BLOB,
    PRIMARY KEY (file, idx)
);
CREATE TABLE IF NOT EXISTS parts (
    name TEXT PRIMARY KEY, recipe TEXT NOT NULL, state TEXT NOT NULL, num_rows INTEGER, output_hash TEXT
);
CREATE VIEW IF NOT EXISTS all_units AS
    SELECT recipe, name, 0 AS unit, state, attempt, worker, input_hash, model_hash, output_hash, seconds,
        work_seconds, error FROM files WHERE NOT is_long
    UNION ALL
    SELECT recipe, name, idx, units.state, units.attempt, units.worker, input_hash, model_hash,
        units.output_hash, units.seconds, units.work_seconds, units.error
    FROM units JOIN files ON files.id = units.file;
"""


class Tables:
    """The tables in one SQLite file. One thread at a time; several processes may have it open.

    journal: told of every lasting change. Raises OutputError when the file cannot be written or the disk is
    full.
    """

    def __init__(self, path: Path, *, journal: Callable[[Record], None] | None = None) -> None:
        self.path = path
        self._journal = journal
        with self.errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=60.0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA cache_size = -16000")
            self._db.execute("PRAGMA wal_autocheckpoint = 4000")
            self._db.executescript(_TABLES)
            self._db.create_function("label", 1, _label, deterministic=True)
            found = self.meta("version")
            if found is None:
                self.set_meta("version", str(VERSION))
            elif found != str(VERSION):
                self._db.close()
                raise OutputError(
                    f"the ledger {path} is of version {found}, and this Earshot knows {VERSION}",
                    fix="upgrade earshot, or choose another --out",
                )

    def close(self) -> None:
        """Closing it twice is harmless."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA optimize")
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def meta(self, key: str) -> str | None:
        """What ``set_meta`` kept."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a text."""
        self.change({"kind": "meta", "key": key, "value": value})

    def replay(self, records: Iterable[Record]) -> None:
        """Take up what a journal holds."""
        with self.errors(), self.transaction():
            for record in records:
                self._apply(record)

    def change(self, *records: Record) -> None:
        """Apply records in one transaction, and tell the journal."""
        if not records:
            return
        with self.errors(), self.transaction():
            for record in records:
                self._apply(record)
        if self._journal is not None:
            for record in records:
                self._journal({key: value for key, value in record.items() if key != _ID})

    def key(self, file: int) -> Record:
        """What names a recording in a record."""
        row = self._db.execute(
            "SELECT recipe, name, address, estimate, is_long, size, stamp FROM files WHERE id = ?", (file,)
        )
        recipe, name, address, estimate, is_long, size, stamp = row.fetchone()
        key: Record = {"recipe": recipe, "name": name_text(name), _ID: file}
        if self._journal is not None:  # whoever reads the journal may not have planned this recording
            key |= {
                "address": name_text(address),
                "estimate": estimate,
                "is_long": is_long,
                "old_size": size,
                "old_stamp": stamp,
            }
        return key

    def _apply(self, record: Record) -> None:
        match record["kind"]:
            case "meta":
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (record["key"], record["value"]))
            case "part" | "published" | "dropped" | "rewritten":
                self._apply_part(record)
            case _:
                self._apply_file(self._id(record), record)

    def _id(self, record: Record) -> int:
        if _ID in record:
            return int(record[_ID])
        name = name_bytes(record["name"])
        find = "SELECT id FROM files WHERE recipe = ? AND name = ?"
        row = self._db.execute(find, (record["recipe"], name)).fetchone()
        if row is None:
            row = self._db.execute(
                "INSERT INTO files (recipe, name, address, size, stamp, estimate, is_long, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'planned') RETURNING id",
                (
                    record["recipe"],
                    name,
                    name_bytes(record.get("address", "")),
                    record.get("old_size"),
                    record.get("old_stamp", ""),
                    record.get("estimate", 0.0),
                    record.get("is_long", 0),
                ),
            ).fetchone()
        return int(row[0])

    def _apply_file(self, file: int, record: Record) -> None:
        match record["kind"]:
            case "file" if record["unchanged"]:
                self._db.execute(
                    "UPDATE files SET state = 'done', owner = NULL, stamp = ?, size = ? WHERE id = ?",
                    (record["stamp"], record["size"], file),
                )
            case "file":
                self._apply_done(file, record)
            case "quarantine":
                self._db.execute(
                    "UPDATE files SET state = 'quarantined', owner = NULL, error = ? WHERE id = ?",
                    (record["error"], file),
                )
            case "retry":
                self._db.execute(
                    "UPDATE files SET state = 'planned', attempt = 0, error = NULL, owner = NULL,"
                    " input_hash = iif(is_long, input_hash, NULL) WHERE id = ?",
                    (file,),
                )
                self._db.execute("UPDATE units SET attempt = 0 WHERE file = ?", (file,))
            case "scan":
                self._db.execute("DELETE FROM units WHERE file = ?", (file,))
                self._db.execute(
                    "UPDATE files SET input_hash = ?, num_units = NULL WHERE id = ?",
                    (record["input_hash"], file),
                )
            case "cut":
                self._db.execute(
                    "UPDATE files SET num_units = ?, seconds = ?, warnings = ? WHERE id = ?",
                    (record["num_units"], record["seconds"], json.dumps(record["warnings"]), file),
                )
            case "unit":
                self._apply_unit(file, record)

    def _apply_done(self, file: int, record: Record) -> None:
        outputs = record["outputs"]
        self._db.execute(
            "UPDATE files SET state = 'done', owner = NULL, error = NULL, worker = ?, model_hash = ?,"
            " input_hash = ?,"
            " stamp = ?, size = ?, seconds = ?, work_seconds = ?, num_segments = ?, outputs = ?, output_hash"
            " = ?,"
            " warnings = ?, rows = ?, stale_part = coalesce(part, stale_part), part = NULL WHERE id = ?",
            (
                *(record[key] for key in ("worker", "model_hash", "input_hash", "stamp", "size")),
                *(record[key] for key in ("seconds", "work_seconds", "num_segments")),
                json.dumps(outputs),
                next(iter(outputs.values()), None),
                json.dumps(record["warnings"]),
                unpacked_text(record["rows"]),
                file,
            ),
        )
        self._db.execute("UPDATE units SET result = NULL WHERE file = ?", (file,))

    def _apply_unit(self, file: int, record: Record) -> None:
        spans = json.dumps(record["spans"])
        if record["state"] == "planned":
            self._db.execute(
                "INSERT INTO units (file, idx, spans, state, seconds) VALUES (?1, ?2, ?3, 'planned', ?4)"
                " ON CONFLICT DO UPDATE SET spans = ?3, seconds = ?4 WHERE state != 'done'",
                (file, record["index"], spans, record["seconds"]),
            )
            return
        self._db.execute(
            "INSERT OR REPLACE INTO units (file, idx, spans, state, seconds, worker, output_hash,"
            " work_seconds, result,"
            " attempt) VALUES (?1, ?2, ?3, 'done', ?4, ?5, ?6, ?7, ?8,"
            " coalesce((SELECT attempt FROM units WHERE file = ?1 AND idx = ?2), 0))",
            (
                file,
                record["index"],
                spans,
                *(record[key] for key in ("seconds", "worker", "output_hash", "work_seconds")),
                unpacked_text(record["result"]),
            ),
        )

    def _apply_part(self, record: Record) -> None:
        name = record["name"]
        match record["kind"]:
            case "part":
                self._db.execute(
                    "INSERT OR REPLACE INTO parts VALUES (?, ?, 'publishing', NULL, NULL)",
                    (name, record["recipe"]),
                )
                self._db.executemany(
                    "UPDATE files SET part = ? WHERE recipe = ? AND name = ?",
                    [(name, record["recipe"], name_bytes(file)) for file in record["files"]],
                )
            case "published":
                self._db.execute(
                    "UPDATE parts SET state = 'published', num_rows = ?, output_hash = ? WHERE name = ?",
                    (record["num_rows"], record["output_hash"], name),
                )
                self._db.execute("UPDATE files SET rows = NULL, stale_part = NULL WHERE part = ?", (name,))
            case "dropped":
                self._db.execute("DELETE FROM parts WHERE name = ?", (name,))
                self._db.execute("UPDATE files SET part = NULL WHERE part = ?", (name,))
            case "rewritten":
                self._db.execute(
                    "UPDATE parts SET num_rows = ?, output_hash = ? WHERE name = ?",
                    (record["num_rows"], record["output_hash"], name),
                )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what changes within; nobody else changes anything meanwhile."""
        if self._db.in_transaction:  # a part of a larger one
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What SQLite says becomes an OutputError."""
        try:
            yield
        except sqlite3.Error as error:
            reason = "the disk is full" if "full" in str(error) else str(error)
            fix = (
                "free some space and run the same command again" if "full" in str(error) else "check the folder"
            )
            raise OutputError(f"cannot write the ledger {self.path}: {reason}", fix=fix) from error
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(
                f"cannot write the ledger {self.path}: {error.strerror}", fix="choose another --out"
            ) from error


def name_bytes(text: str) -> bytes:
    """A name or address as the tables keep it, whatever bytes it holds."""
    return text.encode("utf-8", "surrogateescape")


def name_text(data: bytes) -> str:
    """The same back."""
    return data.decode("utf-8", "surrogateescape")


def _label(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def packed_text(data: bytes | None) -> str | None:
    """Bytes as JSON can hold them."""
    return None if data is None else b64encode(data).decode()


def unpacked_text(text: str | None) -> bytes | None:
    """The same back."""
    return None if text is None else b64decode(text)
