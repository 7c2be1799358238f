"""What passes between the driver and its workers: plain values, so that they travel and can be tested alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from earshot.audio.cutting import CutOptions
from earshot.batch.settings import BatchOptions

Spans: TypeAlias = list[list[tuple[int, int]]]
"""Windows of regions of speech, each its first sample and its length at 16 kHz. A window is recognized
together.
"""

Status: TypeAlias = Literal["done", "unchanged", "bad", "changed", "failed", "stopped"]
"""unchanged: the recording is the one that was done before. bad: nobody can read it. changed: it changed while
it was read. failed: something else went wrong, another attempt may help. stopped: the results cannot be
written.
"""


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """All that a worker needs to know. output: path or address. marker: a file there that every machine must
    see.

    input_root: a path that every machine must see, None for addresses.
    """

    options: BatchOptions
    recipe: str
    output: str
    marker: str
    model_digest: str
    input_root: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself once it is ready. problem: why it is not."""

    machine: str
    engine: str = ""
    longest_region: float = 0.0
    cut_options: CutOptions = field(default_factory=CutOptions)
    problem: str | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class FileTask:
    """One recording. known_hash: of what was done before under this name; seconds: estimated."""

    id: int
    address: str
    name: str
    stamp: str
    size: int | None
    seconds: float
    attempt: int = 1
    known_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """Short recordings that one worker does one after the other."""

    files: tuple[FileTask, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A unit of a long recording. samples: a reference to its sound, None where the worker reads it itself."""

    file: FileTask
    index: int
    spans: Spans
    seconds: float
    attempt: int = 1
    samples: object = None


@dataclass(frozen=True, slots=True)
class Assembly:
    """All units of a long recording are done: their results become one transcript."""

    file: FileTask
    input_hash: str
    seconds: float
    warnings: tuple[str, ...] = ()


Task: TypeAlias = Parcel | Piece | Assembly


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of a recording. seconds: of sound. outputs: SHA-256 by name. rows: its table, see
    ``table``.
    """

    file: int
    status: Status
    input_hash: str | None = None
    stamp: str | None = None
    size: int | None = None
    seconds: float = 0.0
    work_seconds: float = 0.0
    num_segments: int = 0
    outputs: dict[str, str] = field(default_factory=dict)
    rows: bytes | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PieceOutcome:
    """What became of a unit of a long recording. result: see ``pieces``."""

    file: int
    index: int
    status: Status
    result: bytes | None = None
    work_seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class FoundUnit:
    """A unit was cut. seconds: of sound since the one before."""

    file: int
    index: int
    spans: Spans
    seconds: float


@dataclass(frozen=True, slots=True)
class ScanEnd:
    """All units were cut. seconds: the whole recording."""

    file: int
    status: Status
    num_units: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str | None = None
