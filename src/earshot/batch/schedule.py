"""Who does what next. Knows workers by their names and the ledger; knows no cluster and no clock.

Long recordings are cut by scanners while their units are being recognized: the scheduler asks for the next unit
only while few wait, so a ten-hour file never fills a memory. Short recordings are handed out in parcels.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from earshot.batch.ledger import Ledger
from earshot.batch.tasks import (
    Assembly,
    FileOutcome,
    FileTask,
    FoundUnit,
    Parcel,
    Piece,
    PieceOutcome,
    ScanEnd,
    Status,
    Task,
)
from earshot.core.errors import OutputError

MOST_ATTEMPTS = 4
"""A recording that took so many workers with it, or failed so often, is put aside."""

_FILES_IN_PARCEL = 256
_SMALLEST_PARCEL = 20.0
"""Seconds. Towards the end parcels shrink, so that all workers finish at about the same time."""


@dataclass(frozen=True, slots=True)
class SchedulePolicy:
    """unit_seconds: of sound in a parcel. depth: tasks a worker holds, one of them waiting so that none
    idles.
    """

    unit_seconds: float = 240.0
    depth: int = 2


@dataclass(slots=True)
class _LongFile:
    task: FileTask
    input_hash: str = ""
    left: set[int] = field(default_factory=set)  # units that are known and not done
    done: set[int] = field(default_factory=set)
    num_units: int | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    num_scans_lost: int = 0

    @property
    def known(self) -> frozenset[int]:
        """Units that need no cutting."""
        return frozenset(self.done | self.left)


@dataclass(slots=True)
class Counts:
    """What this batch did so far. seconds: of sound. num_lost: tasks that a worker was at when it died."""

    num_done: int = 0
    num_unchanged: int = 0
    num_quarantined: int = 0
    num_units: int = 0
    num_lost: int = 0
    seconds: float = 0.0
    work_seconds: float = 0.0
    estimate: float = 0.0


class Scheduler:
    """The state of one batch. model_hash: goes into the ledger. seconds_left: estimated, of all that is
    planned.
    """

    def __init__(
        self,
        ledger: Ledger,
        recipe: str,
        owner: str,
        *,
        model_hash: str = "",
        seconds_left: float = 0.0,
        policy: SchedulePolicy | None = None,
    ) -> None:
        self.counts = Counts()
        self._ledger = ledger
        self._recipe = recipe
        self._owner = owner
        self._model_hash = model_hash
        self._policy = policy or SchedulePolicy()
        self._seconds_left = seconds_left
        self._workers: dict[str, deque[Task]] = {}
        # Workers by how many tasks they hold, so that handing out does not look at all of a thousand.
        self._by_load: list[dict[str, None]] = [{} for _ in range(self._policy.depth + 1)]
        self._ready: deque[Piece | Assembly] = deque()
        self._files: dict[int, _LongFile] = {}
        self._rescans: deque[_LongFile] = deque()
        self._num_scans = 0
        self._has_short = True
        self._has_long = True

    # --- workers -------------------------------------------------------------------------------------------

    def add_worker(self, worker: str) -> None:
        """It is ready for work."""
        self._workers[worker] = deque()
        self._by_load[0][worker] = None

    def drop_worker(self, worker: str, *, is_fault: bool = True) -> None:
        """It is gone, and what it held waits again. is_fault: what it was at may have been the cause."""
        tasks = self._workers.pop(worker, deque())
        self._by_load[len(tasks)].pop(worker, None)
        for position, task in enumerate(tasks):
            self.counts.num_lost += position == 0
            self._give_back(task, f"the worker {worker} died over it", is_fault=is_fault and position == 0)

    def next_tasks(self) -> list[tuple[str, Task]]:
        """What to hand to whom now: first to those without work, then one each in reserve."""
        given: list[tuple[str, Task]] = []
        for level in range(self._policy.depth):
            waiting = self._by_load[level]
            while waiting:
                task = self._next_task()
                if task is None:
                    return given
                worker = next(iter(waiting))
                del waiting[worker]
                self._workers[worker].append(task)
                self._by_load[level + 1][worker] = None
                self._note_start(task, worker)
                given.append((worker, task))
        return given

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is told within goes into the ledger at once: a tenth of a second's answers cost one commit."""
        with self._ledger.together():
            yield

    @property
    def is_over(self) -> bool:
        """Nothing is left to do, and nobody is at work."""
        return not (self._ready or self._files or self._has_short or self._has_long or self.num_busy)

    @property
    def num_busy(self) -> int:
        """Workers that have something to do."""
        return len(self._workers) - len(self._by_load[0])

    @property
    def num_workers(self) -> int:
        """Workers that are ready."""
        return len(self._workers)

    def look_again(self) -> None:
        """Others may have put recordings back."""
        self._has_short = self._has_long = True

    # --- long recordings -----------------------------------------------------------------------------------

    @property
    def wants_units(self) -> bool:
        """Whether a scanner may cut the next unit: while few wait for a worker."""
        return len(self._ready) + self._num_scans <= len(self._workers) // 2 + 1

    def next_scan(self) -> tuple[FileTask, frozenset[int]] | None:
        """The next long recording to cut, and the units of it that are done. None while there is none."""
        if self._rescans:
            again = self._rescans.popleft()
            return again.task, again.known
        while self._has_long:
            task = self._ledger.claim_long(self._recipe, self._owner)
            if task is None:
                self._has_long = False
                return None
            if task.attempt > MOST_ATTEMPTS:
                self._quarantine(task.id, "it failed too often")
                continue
            file = self._files[task.id] = _LongFile(task)
            units = self._ledger.units(task.id)
            file.done = {unit.index for unit in units if unit.is_done}
            summary = self._ledger.scan_summary(task.id)
            if summary is None or len(units) < summary[0]:
                return task, file.known
            file.num_units, file.seconds, file.input_hash, file.warnings = summary
            for unit in units:
                if not unit.is_done:
                    file.left.add(unit.index)
                    self._ready.append(Piece(task, unit.index, unit.spans, unit.seconds, unit.attempt + 1))
            self._assemble_if_whole(file)
        return None

    def scan_opened(self, file: int, status: Status, detail: str | None) -> frozenset[int] | None:
        """A scanner has a recording open. detail: its hash, or why not. Returns the units done; None to leave
        it.
        """
        known = self._files.get(file)
        if known is None:
            return None
        if status != "done" or detail is None:
            self._fail_file(file, detail or "it cannot be read", is_final=status == "bad")
            return None
        if known.input_hash not in ("", detail):
            self._fail_file(file, "it changed while it was read", is_final=False)
            return None
        self._ledger.begin_scan(file, detail)
        known.input_hash = detail
        known.done = {unit.index for unit in self._ledger.units(file) if unit.is_done}
        return known.known

    def scan_asked(self) -> None:
        """A scanner was asked for a unit."""
        self._num_scans += 1

    def scan_answered(self) -> None:
        """It answered, or died."""
        self._num_scans -= 1

    def unit_found(self, unit: FoundUnit, samples: object) -> None:
        """A unit was cut; samples: a reference to its sound."""
        file = self._files.get(unit.file)
        if file is None or unit.index in file.left or unit.index in file.done:
            return
        self._ledger.add_unit(unit.file, unit.index, unit.spans, unit.seconds)
        file.left.add(unit.index)
        self._ready.append(Piece(file.task, unit.index, unit.spans, unit.seconds, samples=samples))

    def scan_ended(self, end: ScanEnd) -> None:
        """A recording was cut to its end, or could not be."""
        file = self._files.get(end.file)
        if file is None:
            return
        if end.status == "changed":
            self._ledger.forget_units(end.file)
            self._fail_file(end.file, "it changed while it was read", is_final=False)
        elif end.status != "done":
            self._fail_file(end.file, end.error or "it cannot be read", is_final=end.status == "bad")
        else:
            file.num_units, file.seconds, file.warnings = end.num_units, end.seconds, end.warnings
            self._ledger.end_scan(end.file, end.num_units, end.seconds, end.warnings)
            self._assemble_if_whole(file)

    def scan_lost(self, file: int, *, is_fault: bool = True) -> None:
        """The scanner died over a recording: another one begins again, and passes over what is known."""
        known = self._files.get(file)
        if known is None:
            return
        known.num_scans_lost += is_fault
        if known.num_scans_lost >= MOST_ATTEMPTS:
            self._fail_file(file, "the process that read it died again and again", is_final=True)
        else:
            self._rescans.append(known)

    def results(self, file: int) -> list[bytes]:
        """What was heard in the units of a recording, for its assembly."""
        return self._ledger.unit_results(file)

    # --- outcomes ------------------------------------------------------------------------------------------

    def files_done(self, worker: str, task: Task, outcomes: Iterable[FileOutcome]) -> None:
        """A parcel or an assembly came back. Raises OutputError when results cannot be written."""
        self._taken_back(worker, task)
        tasks = {file.id: file for file in _files_of(task)}
        finished = []
        for outcome in outcomes:
            file = tasks.pop(outcome.file)
            if outcome.status in ("done", "unchanged"):
                finished.append(outcome)
                self._count(file, outcome, is_long=isinstance(task, Assembly))
            elif outcome.status == "stopped":
                raise OutputError(outcome.error or "the results cannot be written")
            else:
                reason = outcome.error or "it changed while it was read"
                self._fail_file(file.id, reason, is_final=outcome.status == "bad")
        self._ledger.finish_files(finished, worker, self._model_hash)
        for outcome in finished:
            self._files.pop(outcome.file, None)
        for left in tasks:
            self._release(left, is_fault=False)

    def piece_done(self, worker: str, task: Piece, outcome: PieceOutcome) -> None:
        """A unit of a long recording came back."""
        self._taken_back(worker, task)
        file = self._files.get(outcome.file)
        if file is None or file.task is not task.file:
            return
        if outcome.status == "bad":
            self._fail_file(outcome.file, outcome.error or "it cannot be read", is_final=True)
        elif outcome.result is None:
            self._retry_piece(replace(task, samples=None), outcome.error or "it failed")
        else:
            digest = hashlib.sha256(outcome.result).hexdigest()
            self._ledger.finish_unit(
                outcome.file,
                outcome.index,
                worker=worker,
                result=outcome.result,
                output_hash=digest,
                work_seconds=outcome.work_seconds,
            )
            self.counts.num_units += 1
            self.counts.seconds += task.seconds
            self.counts.work_seconds += outcome.work_seconds
            file.left.discard(outcome.index)
            file.done.add(outcome.index)
            self._assemble_if_whole(file)

    def task_failed(self, worker: str, task: Task, error: str) -> None:
        """The cluster could not run a task, though the worker lives: its sound was on a machine that died."""
        self._taken_back(worker, task)
        self._give_back(task, error, is_fault=not isinstance(task, Piece) or task.samples is None)

    # --- within --------------------------------------------------------------------------------------------

    def _next_task(self) -> Task | None:
        if self._ready:
            return self._ready.popleft()
        if not self._has_short:
            return None
        seconds = self._seconds_left / (3 * self._policy.depth * max(1, len(self._workers)))
        files = self._ledger.claim_short(
            self._recipe,
            self._owner,
            seconds=min(self._policy.unit_seconds, max(_SMALLEST_PARCEL, seconds)),
            most=_FILES_IN_PARCEL,
        )
        self._seconds_left = max(0.0, self._seconds_left - sum(file.seconds for file in files))
        if not files:
            self._has_short = False
            return None
        return Parcel(tuple(files))

    def _note_start(self, task: Task, worker: str) -> None:
        match task:
            case Parcel(files):
                self._ledger.start_many([file.id for file in files], worker)
            case Piece():
                self._ledger.start(task.file.id, worker, index=task.index)
            case Assembly():
                self._ledger.start(task.file.id, worker)

    def _taken_back(self, worker: str, task: Task) -> None:
        tasks = self._workers.get(worker)
        if tasks is not None and task in tasks:
            del self._by_load[len(tasks)][worker]
            tasks.remove(task)
            self._by_load[len(tasks)][worker] = None

    def _give_back(self, task: Task, reason: str, *, is_fault: bool) -> None:
        match task:
            case Parcel(files):
                for file in files:
                    if is_fault and len(files) == 1 and file.attempt >= MOST_ATTEMPTS:
                        self._quarantine(file.id, reason)
                    else:
                        self._release(file.id, is_fault=is_fault)
            case Piece():
                file_now = self._files.get(task.file.id)
                if file_now is None or file_now.task is not task.file:
                    return
                if is_fault:
                    self._retry_piece(replace(task, samples=None), reason)
                else:
                    self._ready.appendleft(replace(task, samples=None))
            case Assembly():
                self._ready.appendleft(task)

    def _retry_piece(self, task: Piece, reason: str) -> None:
        if self._ledger.fail_unit(task.file.id, task.index, reason) >= MOST_ATTEMPTS:
            self._fail_file(task.file.id, reason, is_final=True)
        else:
            self._ready.appendleft(replace(task, attempt=task.attempt + 1))

    def _release(self, file: int, *, is_fault: bool) -> None:
        self._ledger.release_file(file, is_fault=is_fault)
        self.look_again()

    def _fail_file(self, file: int, reason: str, *, is_final: bool, is_fault: bool = True) -> None:
        """Nothing came of a whole recording: it waits for another attempt, or is put aside."""
        if self._files.pop(file, None) is not None:
            self._rescans = deque(other for other in self._rescans if other.task.id != file)
            self._ready = deque(task for task in self._ready if task.file.id != file)
        if is_final:
            self._quarantine(file, reason)
            return
        if self._ledger.release_file(file, is_fault=is_fault) >= MOST_ATTEMPTS:
            self._quarantine(file, reason)
        else:
            self.look_again()

    def _quarantine(self, file: int, reason: str) -> None:
        self._ledger.quarantine(file, reason)
        self._files.pop(file, None)
        self.counts.num_quarantined += 1

    def _assemble_if_whole(self, file: _LongFile) -> None:
        if file.num_units is not None and not file.left and len(file.done) == file.num_units:
            self._ready.appendleft(Assembly(file.task, file.input_hash, file.seconds, file.warnings))

    def _count(self, task: FileTask, outcome: FileOutcome, *, is_long: bool) -> None:
        counts = self.counts
        if outcome.status == "unchanged":
            counts.num_unchanged += 1
        counts.num_done += 1
        counts.estimate += task.seconds
        if not is_long:
            counts.num_units += 1
            counts.seconds += outcome.seconds
        counts.work_seconds += outcome.work_seconds


def _files_of(task: Task) -> tuple[FileTask, ...]:
    return task.files if isinstance(task, Parcel) else (task.file,)
