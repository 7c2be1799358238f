"""The ledger: what is done, by whom, from what and with what. SQLite beside a local OUTPUT.

What only says that somebody is at work (``running``) is kept in the tables alone; the rest is recorded as well,
see ``tables``.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from earshot.batch.inputs import InputFile
from earshot.batch.tables import Tables, name_bytes, name_text, packed_text
from earshot.batch.tasks import FileOutcome, FileTask, Spans


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What a look at INPUT and ledger gave; counts of recordings. seconds_left: estimated."""

    num_files: int = 0
    num_new: int = 0
    num_changed: int = 0
    num_done: int = 0
    num_quarantined: int = 0
    num_left: int = 0
    seconds_left: float = 0.0


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One recording as the ledger has it."""

    name: str
    address: str
    recipe: str
    state: str
    error: str | None
    seconds: float | None
    outputs: dict[str, str]
    part: str | None
    attempt: int
    num_segments: int


@dataclass(frozen=True, slots=True)
class KnownUnit:
    """A unit of a long recording as the ledger has it."""

    index: int
    spans: Spans
    is_done: bool
    seconds: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the table of segments. state: publishing, published."""

    name: str
    recipe: str
    state: str
    num_rows: int | None
    output_hash: str | None


class Ledger(Tables):
    """What a batch asks of the tables and tells them."""

    # --- planning --------------------------------------------------------------------------------------------

    def plan(self, recipe: str, inputs: Iterable[InputFile], *, long_seconds: float) -> PlanSummary:
        """Take up what is new in ``inputs`` and what changed since; leave what is done. In flat memory.

        long_seconds: recordings that seem to last longer are cut into units.
        """
        with self.errors():
            self._db.execute("DROP TABLE IF EXISTS temp.listing")
            self._db.execute(
                "CREATE TEMP TABLE listing (name BLOB PRIMARY KEY, address BLOB, size INTEGER, stamp TEXT,"
                " estimate REAL) WITHOUT ROWID"
            )
            num_files = self._list(inputs)
            with self.transaction():
                counts = self._merge(recipe, long_seconds)
            self._db.execute("DROP TABLE temp.listing")
        states = self.counts(recipe)
        left = self._db.execute(
            "SELECT count(*), total(estimate) FROM files WHERE recipe = ? AND state IN ('planned', 'running')",
            (recipe,),
        ).fetchone()
        return PlanSummary(
            num_files, *counts, states.get("done", 0), states.get("quarantined", 0), left[0], left[1]
        )

    def _list(self, inputs: Iterable[InputFile]) -> int:
        num_files = 0
        with self.transaction():
            for file in inputs:
                row = (name_bytes(file.address), file.size, file.stamp, file.estimate)
                name = name_bytes(file.name)
                while True:
                    cursor = self._db.execute(
                        "INSERT OR IGNORE INTO listing (name, address, size, stamp, estimate) VALUES (?, ?,"
                        " ?, ?, ?)",
                        (name, *row),
                    )
                    if cursor.rowcount:
                        num_files += 1
                        break
                    taken = self._db.execute("SELECT address FROM listing WHERE name = ?", (name,)).fetchone()[
                        0
                    ]
                    if taken == row[0]:
                        break  # named twice
                    name += b"-2"
        return num_files

    def _merge(self, recipe: str, long_seconds: float) -> tuple[int, int]:
        new = self._db.execute(
            "INSERT INTO files (recipe, name, address, size, stamp, estimate, is_long, state)"
            " SELECT ?1, name, address, size, stamp, estimate, estimate > ?2, 'planned' FROM listing"
            " WHERE NOT EXISTS (SELECT 1 FROM files WHERE recipe = ?1 AND files.name = listing.name)",
            (recipe, long_seconds),
        ).rowcount
        # A recording that is not what it was: whoever reads it looks at its hash first.
        changed = self._db.execute(
            "UPDATE files SET state = 'planned', attempt = 0, error = NULL, num_units = NULL, address ="
            " listing.address,"
            " size = listing.size, stamp = listing.stamp, estimate = listing.estimate,"
            " is_long = listing.estimate > ?2"
            " FROM listing WHERE files.recipe = ?1 AND files.name = listing.name AND files.state != 'running'"
            " AND listing.stamp != '' AND (files.size IS NOT listing.size OR files.stamp != listing.stamp)",
            (recipe, long_seconds),
        ).rowcount
        self._db.execute(
            "UPDATE files SET address = listing.address, state = iif(state = 'gone', 'planned', state) FROM"
            " listing"
            " WHERE recipe = ?1 AND files.name = listing.name"
            " AND (files.address != listing.address OR state = 'gone')",
            (recipe,),
        )
        self._db.execute(
            "UPDATE files SET state = 'gone' WHERE recipe = ? AND state IN ('planned', 'quarantined')"
            " AND name NOT IN (SELECT name FROM listing)",
            (recipe,),
        )
        return new, changed

    def counts(self, recipe: str | None = None) -> dict[str, int]:
        """Recordings by state: planned, running, done, quarantined, gone (not in INPUT any more)."""
        rows = self._db.execute(
            "SELECT state, count(*) FROM files WHERE ?1 IS NULL OR recipe = ?1 GROUP BY state", (recipe,)
        )
        return dict(rows)

    def recipes(self) -> list[str]:
        """All that were ever planned here."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT recipe FROM files ORDER BY recipe")]

    # --- work ----------------------------------------------------------------------------------------------

    def claim_short(self, recipe: str, owner: str, *, seconds: float, most: int) -> list[FileTask]:
        """Short recordings of about so many seconds in all, the longest first; they are ``running`` now."""
        return self._claim(recipe, owner, is_long=False, seconds=seconds, most=most)

    def claim_long(self, recipe: str, owner: str) -> FileTask | None:
        """The longest recording that waits to be cut into units."""
        return next(iter(self._claim(recipe, owner, is_long=True, seconds=0.0, most=1)), None)

    def _claim(self, recipe: str, owner: str, *, is_long: bool, seconds: float, most: int) -> list[FileTask]:
        with self.errors(), self.transaction():
            rows = self._db.execute(
                f"SELECT {_TASK} FROM files WHERE recipe = ? AND state = 'planned' AND is_long = ?"  # noqa: S608
                " ORDER BY estimate DESC LIMIT ?",
                (recipe, is_long, most),
            )
            tasks: list[FileTask] = []
            total = 0.0
            for row in rows:
                task = _task(row)
                # What failed before is tried alone: one that kills its worker must not take others along.
                if tasks and (total + task.seconds > seconds or task.attempt > 1):
                    break
                tasks.append(task)
                total += task.seconds
                if task.attempt > 1:
                    break
            rows.close()
            self._db.executemany(
                "UPDATE files SET state = 'running', owner = ? WHERE id = ?",
                [(owner, task.id) for task in tasks],
            )
        return tasks

    def release(self, owner: str) -> None:
        """What this owner has not finished may be done by others."""
        with self.errors():
            self._db.execute(
                "UPDATE files SET state = 'planned', owner = NULL WHERE state = 'running' AND owner = ?",
                (owner,),
            )

    def release_all_but(self, owners: Iterable[str]) -> None:
        """The same for all owners that are gone."""
        alive = json.dumps(list(owners))
        with self.errors():
            self._db.execute(
                "UPDATE files SET state = 'planned', owner = NULL"
                " WHERE state = 'running' AND owner NOT IN (SELECT value FROM json_each(?))",
                (alive,),
            )

    def release_file(self, file: int, *, is_fault: bool) -> int:
        """A recording whose attempt came to nothing waits again. Returns how many attempts failed so far."""
        with self.errors():
            row = self._db.execute(
                "UPDATE files SET state = 'planned', owner = NULL, attempt = attempt + ? WHERE id = ?"
                " RETURNING attempt",
                (int(is_fault), file),
            ).fetchone()
        return int(row[0])

    def start(self, file: int, worker: str, *, index: int | None = None) -> None:
        """Note who is at work on it."""
        with self.errors():
            if index is None:
                self._db.execute("UPDATE files SET worker = ? WHERE id = ?", (worker, file))
            else:
                self._db.execute(
                    "INSERT INTO units (file, idx, state, worker) VALUES (?1, ?2, 'running', ?3)"
                    " ON CONFLICT DO UPDATE SET worker = ?3, state = 'running' WHERE state != 'done'",
                    (file, index, worker),
                )

    def start_many(self, files: Iterable[int], worker: str) -> None:
        """The same for a parcel."""
        with self.errors(), self.transaction():
            self._db.executemany("UPDATE files SET worker = ? WHERE id = ?", [(worker, file) for file in files])

    def finish_files(self, outcomes: Iterable[FileOutcome], worker: str, model_hash: str) -> None:
        """Recordings that are done (or unchanged since they were): one transaction."""
        now = time.time()
        self.change(
            *(
                {
                    "kind": "file",
                    **self.key(outcome.file),
                    "state": "done",
                    "unchanged": outcome.status == "unchanged",
                    "worker": worker,
                    "model_hash": model_hash,
                    "input_hash": outcome.input_hash,
                    "stamp": outcome.stamp,
                    "size": outcome.size,
                    "seconds": outcome.seconds,
                    "work_seconds": outcome.work_seconds,
                    "num_segments": outcome.num_segments,
                    "outputs": outcome.outputs,
                    "warnings": list(outcome.warnings),
                    "rows": packed_text(outcome.rows),
                    "at": now,
                }
                for outcome in outcomes
            )
        )

    def quarantine(self, file: int, error: str) -> None:
        """A recording that cannot be done, and why."""
        self.change({"kind": "quarantine", **self.key(file), "error": error, "at": time.time()})

    # --- units of long recordings --------------------------------------------------------------------------

    def units(self, file: int) -> list[KnownUnit]:
        """Those that are known, in order."""
        rows = self._db.execute(
            "SELECT idx, spans, state, seconds, attempt FROM units WHERE file = ? AND spans IS NOT NULL ORDER"
            " BY idx",
            (file,),
        )
        return [
            KnownUnit(
                row[0],
                [[(a, b) for a, b in window] for window in json.loads(row[1])],
                row[2] == "done",
                row[3],
                row[4],
            )
            for row in rows
        ]

    def scan_summary(self, file: int) -> tuple[int, float, str, tuple[str, ...]] | None:
        """Number of units, seconds, hash and warnings of a recording that was cut to its end; else None."""
        row = self._db.execute(
            "SELECT num_units, seconds, input_hash, warnings FROM files WHERE id = ?", (file,)
        ).fetchone()
        if row is None or row[0] is None:
            return None
        return int(row[0]), float(row[1]), str(row[2]), tuple(json.loads(row[3] or "[]"))

    def begin_scan(self, file: int, input_hash: str) -> None:
        """A long recording is open. Units of another content under its name are forgotten."""
        row = self._db.execute("SELECT input_hash FROM files WHERE id = ?", (file,)).fetchone()
        if row[0] != input_hash:
            self.change({"kind": "scan", **self.key(file), "input_hash": input_hash})

    def forget_units(self, file: int) -> None:
        """The recording changed while it was read."""
        self.change({"kind": "scan", **self.key(file), "input_hash": None})

    def end_scan(self, file: int, num_units: int, seconds: float, warnings: Iterable[str]) -> None:
        """All units are known."""
        self.change(
            {
                "kind": "cut",
                **self.key(file),
                "num_units": num_units,
                "seconds": seconds,
                "warnings": list(warnings),
            }
        )

    def add_unit(self, file: int, index: int, spans: Spans, seconds: float) -> None:
        """A unit was cut, or cut again as before."""
        self.change(
            {
                "kind": "unit",
                **self.key(file),
                "index": index,
                "spans": spans,
                "seconds": seconds,
                "state": "planned",
            }
        )

    def finish_unit(
        self, file: int, index: int, *, worker: str, result: bytes, output_hash: str, work_seconds: float
    ) -> None:
        """A unit is done; its result is kept until the recording is whole."""
        spans, seconds = self._db.execute(
            "SELECT spans, seconds FROM units WHERE file = ? AND idx = ?", (file, index)
        ).fetchone()
        self.change(
            {
                "kind": "unit",
                **self.key(file),
                "index": index,
                "spans": json.loads(spans),
                "seconds": seconds,
                "state": "done",
                "worker": worker,
                "output_hash": output_hash,
                "work_seconds": work_seconds,
                "result": packed_text(result),
            }
        )

    def fail_unit(self, file: int, index: int, error: str) -> int:
        """An attempt came to nothing. Returns how many did so far."""
        with self.errors():
            row = self._db.execute(
                "UPDATE units SET state = 'planned', attempt = attempt + 1, error = ? WHERE file = ? AND idx"
                " = ?"
                " RETURNING attempt",
                (error, file, index),
            ).fetchone()
        return int(row[0])

    def unit_results(self, file: int) -> list[bytes]:
        """The results of all units, in order."""
        rows = self._db.execute(
            "SELECT result FROM units WHERE file = ? AND state = 'done' ORDER BY idx", (file,)
        )
        return [row[0] for row in rows]

    # --- the table's parts ---------------------------------------------------------------------------------

    def num_waiting_rows(self, recipe: str) -> int:
        """Segments that are in no part yet."""
        row = self._db.execute(
            "SELECT total(num_segments) FROM files WHERE recipe = ? AND state = 'done' AND part IS NULL",
            (recipe,),
        )
        return int(row.fetchone()[0])

    def claim_part(self, name: str, recipe: str, *, most: int) -> list[tuple[bytes | None, str | None]]:
        """Begin a part of the table with recordings that are in none yet: their rows, and the part that holds
        old rows of theirs. most: of segments; the recording that brings it there is the last.
        """
        with self.errors(), self.transaction():
            found = self._db.execute(
                "SELECT name, rows, stale_part, num_segments FROM files"
                " WHERE recipe = ? AND state = 'done' AND part IS NULL ORDER BY id",
                (recipe,),
            )
            names: list[str] = []
            claimed: list[tuple[bytes | None, str | None]] = []
            num_rows = 0
            for file, data, stale, count in found:
                names.append(name_text(file))
                claimed.append((data, stale))
                num_rows += count or 0
                if num_rows >= most:
                    break
            record = {"kind": "part", "name": name, "recipe": recipe, "files": names}
            if claimed:
                self._apply(record)
        if claimed and self._journal is not None:
            self._journal(record)
        return claimed

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What changes within is kept as a whole, and nobody else changes the ledger meanwhile."""
        with self.errors(), self.transaction():
            yield

    def end_part(self, name: str, num_rows: int, output_hash: str) -> None:
        """The part is there, whole."""
        self.change({"kind": "published", "name": name, "num_rows": num_rows, "output_hash": output_hash})

    def drop_part(self, name: str) -> None:
        """The part never came to be: its recordings wait for another."""
        self.change({"kind": "dropped", "name": name})

    def change_part(self, name: str, num_rows: int, output_hash: str) -> None:
        """The part was written anew without the old rows of recordings that changed."""
        self.change({"kind": "rewritten", "name": name, "num_rows": num_rows, "output_hash": output_hash})

    def parts(self, recipe: str | None = None) -> list[Part]:
        """Every part of the table."""
        rows = self._db.execute("SELECT name, recipe, state, num_rows, output_hash FROM parts ORDER BY name")
        return [Part(*row) for row in rows if recipe in (None, row[1])]

    def names_in_part(self, name: str) -> list[str]:
        """The recordings whose rows are in a part."""
        return [
            name_text(row[0])
            for row in self._db.execute("SELECT name FROM files WHERE part = ? ORDER BY id", (name,))
        ]

    # --- looking -------------------------------------------------------------------------------------------

    def rows(self, *, state: str | None = None, recipe: str | None = None) -> Iterator[LedgerRow]:
        """The recordings, in order of their taking up."""
        found = self._db.execute(
            "SELECT name, address, recipe, state, error, seconds, outputs, part, attempt, num_segments FROM"
            " files"
            " WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR recipe = ?2) ORDER BY id",
            (state, recipe),
        )
        for name, address, own_recipe, own_state, error, seconds, outputs, part, attempt, num_segments in found:
            yield LedgerRow(
                name_text(name),
                name_text(address),
                own_recipe,
                own_state,
                error,
                seconds,
                json.loads(outputs or "{}"),
                part,
                attempt,
                num_segments or 0,
            )

    def totals(self, recipe: str) -> tuple[float, float, float]:
        """Seconds of sound done, estimated seconds left, and seconds of work."""
        row = self._db.execute(
            "SELECT total(iif(state = 'done', seconds, 0)), total(iif(state IN ('planned', 'running'),"
            " estimate, 0)),"
            " total(work_seconds) FROM files WHERE recipe = ?",
            (recipe,),
        ).fetchone()
        return tuple(row)

    def retry(self, *, names: Iterable[str] | None = None, recipe: str | None = None) -> int:
        """Quarantined recordings wait again; so do those of these names, whatever their state. Returns how
        many.
        """
        if names is None:
            chosen = [(row.recipe, row.name) for row in self.rows(state="quarantined", recipe=recipe)]
        else:
            chosen = [(recipe or "", name) for name in names]
        self.change(*({"kind": "retry", "recipe": found, "name": name} for found, name in chosen))
        return len(chosen)


_TASK = "id, address, name, stamp, size, estimate, attempt, input_hash, state, is_long"


def _task(row: tuple[Any, ...]) -> FileTask:
    known = None if row[9] else row[7]  # a long one is told by its units
    return FileTask(row[0], name_text(row[1]), name_text(row[2]), row[3], row[4], row[5], row[6] + 1, known)
