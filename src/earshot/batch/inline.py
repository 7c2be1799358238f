"""A batch without a cluster: one worker, in this process. Starts at once, and needs no Ray."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from earshot.batch.schedule import Scheduler
from earshot.batch.tasks import (
    Assembly,
    FileTask,
    FoundUnit,
    Parcel,
    Piece,
    ScanEnd,
    Task,
    WorkerJob,
    WorkerReport,
)
from earshot.batch.work import Scanner, Worker
from earshot.core.errors import EarshotError


class InlineDriver:
    """Does what ``Driver`` does, one thing after the other. on_tick, others_left: see there."""

    def __init__(self, scheduler: Scheduler, job: WorkerJob) -> None:
        self.on_tick: Callable[[int], None] = lambda _: None
        self.others_left: Callable[[], bool] = lambda: False
        self.num_ready = 0
        self._scheduler = scheduler
        self._job = job
        self._worker = Worker(job)
        self._name = f"{socket.gethostname()}:inline"
        self._scanner: Scanner | None = None
        self._file: FileTask | None = None
        self._known: frozenset[int] = frozenset()

    def run(self) -> None:
        """Until nothing is left. Raises OutputError when results cannot be written, or what keeps the model
        from loading.
        """
        report = self._worker.prepare()
        try:
            if report.problem is not None:
                raise EarshotError(report.problem, fix=report.fix)
            self.num_ready = 1
            self._scheduler.add_worker(self._name)
            while True:
                self._scan(report)
                for _, task in self._scheduler.next_tasks():
                    self._do(task)
                    self.on_tick(1)
                if self._scheduler.is_over:
                    if not self.others_left():
                        return
                    self._scheduler.look_again()
        finally:
            self._worker.close()
            if self._scanner is not None:
                self._scanner.end()

    def _scan(self, report: WorkerReport) -> None:
        if not self._scheduler.wants_units:
            return
        if self._file is None and not self._open(report):
            return
        assert self._scanner is not None
        found, samples = self._scanner.next(self._known)
        if isinstance(found, ScanEnd):
            self._file = None
            self._scheduler.scan_ended(found)
        elif isinstance(found, FoundUnit):
            self._known |= {found.index}
            self._scheduler.unit_found(found, samples)

    def _open(self, report: WorkerReport) -> bool:
        found = self._scheduler.next_scan()
        if found is None:
            return False
        self._scanner = self._scanner or Scanner(self._job, report.longest_region, report.cut_options)
        status, detail = self._scanner.open(found[0])
        known = self._scheduler.scan_opened(found[0].id, status, detail)
        if known is None:
            return False
        self._file, self._known = found[0], known
        return True

    def _do(self, task: Task) -> None:
        worker, scheduler = self._worker, self._scheduler
        match task:
            case Parcel(files):
                scheduler.files_done(self._name, task, worker.transcribe_files(files))
            case Piece():
                samples: Any = task.samples
                outcome = worker.recognize_piece(task.file, task.index, task.spans, samples)
                scheduler.piece_done(self._name, task, outcome)
            case Assembly():
                results = scheduler.results(task.file.id)
                done = worker.assemble(task.file, results, task.input_hash, task.seconds, task.warnings)
                scheduler.files_done(self._name, task, [done])
