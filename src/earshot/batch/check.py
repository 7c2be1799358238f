"""Looking at an OUTPUT: how far it is, whether it is whole, what went wrong."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from earshot.batch.inputs import shown_name
from earshot.batch.ledger import Ledger
from earshot.batch.storage import Storage
from earshot.batch.table import FOLDER, part_path
from earshot.core.errors import OutputError
from earshot.core.optional import require


@dataclass(frozen=True, slots=True)
class RecipeStatus:
    """What one recipe has come to. Counts of recordings; seconds of sound, estimated where nobody has read
    it.
    """

    recipe: str
    num_planned: int
    num_running: int
    num_done: int
    num_quarantined: int
    num_gone: int
    seconds_done: float
    seconds_left: float
    work_seconds: float
    num_parts: int
    num_segments: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in OUTPUT is not as the ledger says. names: the recordings that must be done again."""

    what: str
    recipe: str
    names: tuple[str, ...] = ()
    part: str | None = None


def recipe_status(ledger: Ledger, recipe: str) -> RecipeStatus:
    """How far it is."""
    counts = ledger.counts(recipe)
    parts = [part for part in ledger.parts(recipe) if part.num_rows]
    planned, running, done, quarantined, gone = (
        counts.get(state, 0) for state in ("planned", "running", "done", "quarantined", "gone")
    )
    num_segments = sum(part.num_rows or 0 for part in parts)
    totals = ledger.totals(recipe)
    return RecipeStatus(recipe, planned, running, done, quarantined, gone, *totals, len(parts), num_segments)


def verify(storage: Storage, ledger: Ledger) -> Iterator[Problem]:
    """Read all results, compare them with the ledger, and tell what differs."""
    for row in ledger.rows(state="done"):
        for name, digest in row.outputs.items():
            if (wrong := _wrong(storage, name, digest)) is not None:
                yield Problem(f"{shown_name(name)} {wrong}", row.recipe, (row.name,))
    for recipe in ledger.recipes():
        yield from _verify_table(storage, ledger, recipe)


def _wrong(storage: Storage, name: str, digest: str) -> str | None:
    try:
        data = storage.read(name)
    except OutputError:
        return "is missing"
    return None if hashlib.sha256(data).hexdigest() == digest else "has changed"


def _verify_table(storage: Storage, ledger: Ledger, recipe: str) -> Iterator[Problem]:
    seen: Counter[str] = Counter()
    known = set()
    for part in ledger.parts(recipe):
        path = part_path(recipe, part.name)
        names = tuple(ledger.names_in_part(part.name))
        known.add(part.name)
        if part.state != "published" or not part.num_rows:
            continue
        if (wrong := _wrong(storage, path, part.output_hash or "")) is not None:
            yield Problem(f"{path} {wrong}", recipe, names, part.name)
            continue
        seen.update(_files_in(storage.read(path)))
    for name in storage.names(f"{FOLDER}/recipe={recipe}"):
        if name.endswith(".parquet") and name not in known:
            yield Problem(f"{part_path(recipe, name)} is not in the ledger: remove it", recipe)
    for row in ledger.rows(state="done", recipe=recipe):
        found = seen.pop(shown_name(row.name), 0)
        if row.part is not None and found != row.num_segments:
            yield Problem(
                f"{shown_name(row.name)} has {found} segments in the table instead of {row.num_segments}",
                recipe,
                (row.name,),
                row.part,
            )


def _files_in(data: bytes) -> list[str]:
    parquet = require("pyarrow.parquet", extra="batch", purpose="the table of segments")
    return [str(name) for name in parquet.read_table(io.BytesIO(data), columns=["file"])["file"].to_pylist()]


def mend(storage: Storage, ledger: Ledger, problems: list[Problem]) -> int:
    """Put back what is damaged, so that the next run does it again. Returns how many recordings."""
    names = {(problem.recipe, name) for problem in problems for name in problem.names}
    for recipe, name in sorted(names):
        ledger.retry(names=[name], recipe=recipe)
    for recipe, part in sorted({(problem.recipe, problem.part) for problem in problems if problem.part}):
        if part in {known.name for known in ledger.parts(recipe)} and set(ledger.names_in_part(part)) <= {
            name for _, name in names
        }:
            ledger.drop_part(part)
            storage.remove(part_path(recipe, part))
    return len(names)
