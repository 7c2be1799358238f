"""The loop that hands the scheduler's tasks to Ray's actors and brings back what they say."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from earshot.batch.cluster import Cluster, ClusterError
from earshot.batch.schedule import Scheduler
from earshot.batch.tasks import Assembly, FileTask, FoundUnit, Parcel, Piece, Task, WorkerJob, WorkerReport
from earshot.batch.work import Scanner, Worker
from earshot.core.errors import EarshotError

_TICK = 0.5
"""Seconds between looks at progress, table and lock."""

_CENSUS = 5.0
"""Seconds between looks at which machines there are."""

_WORKERS_A_SCANNER = 4
"""Cutting speech costs a sixth of recognizing it with the quickest engine."""

_PATIENCE = 120.0
"""Seconds without any worker after which a batch gives up."""

_MOST_FAILED_STARTS = 3


@dataclass(slots=True, eq=False)
class _Hand:
    """A worker. name: in the ledger. is_ready: it has its model."""

    actor: Any
    name: str
    is_ready: bool = False
    is_refused: bool = False


@dataclass(slots=True, eq=False)
class _Reader:
    """A scanner, and the recording it has open."""

    actor: Any
    file: FileTask | None = None
    known: frozenset[int] = frozenset()
    is_asked: bool = False
    is_open: bool = False


@dataclass(slots=True, eq=False)
class _Call:
    """Something that was asked of an actor. samples: the second answer of a scanner, which stays where it
    is.
    """

    hand: _Hand | None = None
    reader: _Reader | None = None
    task: Task | None = None
    samples: Any = None


class Driver:
    """Runs one batch to its end. on_tick: called twice a second with the number of ready workers.

    others_left: asked at the end whether other batches left something to do.
    """

    def __init__(
        self,
        cluster: Cluster,
        scheduler: Scheduler,
        job: WorkerJob,
        *,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.on_tick: Callable[[int], None] = lambda _: None
        self.others_left: Callable[[], bool] = lambda: False
        self._cluster = cluster
        self._ray = cluster.ray
        self._scheduler = scheduler
        self._job = job
        self._on_notice = on_notice or (lambda _: None)
        self._hands: list[_Hand] = []
        self._readers: list[_Reader] = []
        self._calls: dict[Any, _Call] = {}
        self._report: WorkerReport | None = None
        self._refusals: list[WorkerReport] = []
        self._num_failed_starts = 0
        self._num_started = 0
        self._num_wanted = 0
        self._next_census = 0.0
        self._next_tick = 0.0
        self._last_ready = time.monotonic()

    @property
    def num_ready(self) -> int:
        """Workers that have their model."""
        return sum(hand.is_ready for hand in self._hands)

    def run(self) -> None:
        """Until nothing is left. Raises OutputError when results cannot be written, ClusterError or the
        workers' own problem when there are none that work.
        """
        try:
            while True:
                self._staff()
                self._scan()
                self._assign()
                if self._scheduler.is_over:
                    if not self.others_left():
                        return
                    self._scheduler.look_again()
                self._wait()
                self._tick()
        finally:
            for actor in (*(hand.actor for hand in self._hands), *(reader.actor for reader in self._readers)):
                with contextlib.suppress(Exception):
                    self._ray.kill(actor)

    # --- staff ---------------------------------------------------------------------------------------------

    def _staff(self) -> None:
        """As many workers as the machines have room for."""
        now = time.monotonic()
        if now >= self._next_census:
            self._next_census = now + _CENSUS
            self._num_wanted = self._cluster.num_workers()
        while len(self._hands) + self._num_failed_starts < self._num_wanted:
            self._num_started += 1
            actor = self._cluster.start(Worker, self._job, is_worker=True)
            hand = _Hand(actor, f"worker-{self._num_started}")
            self._hands.append(hand)
            self._calls[actor.prepare.remote()] = _Call(hand=hand)
        if self.num_ready:
            self._last_ready = now
        elif now - self._last_ready > _PATIENCE or (not self._hands and self._num_wanted):
            self._give_up()

    def _give_up(self) -> None:
        if self._refusals:
            first = self._refusals[0]
            raise EarshotError(f"no machine can do it: {first.machine}: {first.problem}", fix=first.fix)
        raise ClusterError(
            "no worker came up" + (": they die while they start" if self._num_failed_starts else ""),
            fix="look whether the cluster has free cores, and Earshot on every machine",
        )

    def _prepared(self, hand: _Hand, report: WorkerReport) -> None:
        hand.name = f"{report.machine}:{hand.name}"
        if report.problem is None:
            hand.is_ready = True
            self._report = self._report or report
            self._scheduler.add_worker(hand.name)
            return
        # It keeps its place, so that no other worker is started on that machine.
        hand.is_refused = True
        if all(report.machine != other.machine for other in self._refusals):
            fix = f": {report.fix}" if report.fix else ""
            self._on_notice(f"{report.machine} takes no part: {report.problem}{fix}")
        self._refusals.append(report)
        if all(other.is_refused for other in self._hands):
            if len({other.problem for other in self._refusals}) == 1 and len(self._cluster.nodes()) == 1:
                raise EarshotError(report.problem, fix=report.fix)
            self._give_up()

    def _lost(self, hand: _Hand, error: BaseException) -> None:
        if hand not in self._hands:
            return
        self._hands.remove(hand)
        self._calls = {ref: call for ref, call in self._calls.items() if call.hand is not hand}
        if hand.is_ready:
            self._scheduler.drop_worker(hand.name)
            self._on_notice(f"the worker {hand.name} died; what it was at is done again")
        else:
            self._num_failed_starts += 1
            self._on_notice(f"a worker did not come up: {_reason(error)}")
            if self._num_failed_starts >= _MOST_FAILED_STARTS and not self.num_ready:
                self._give_up()
        self._next_census = 0.0

    # --- long recordings -----------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Open long recordings, and ask for units while few wait."""
        if self._report is None:
            return
        most = max(1, math.ceil(self.num_ready / _WORKERS_A_SCANNER))
        for reader in self._readers:
            if reader.is_open and not reader.is_asked and self._scheduler.wants_units:
                self._ask(reader)
        idle = [reader for reader in self._readers if reader.file is None]
        while (idle or len(self._readers) < most) and self._scheduler.wants_units:
            found = self._scheduler.next_scan()
            if found is None:
                return
            reader = idle.pop() if idle else self._new_reader()
            reader.file, reader.known = found
            self._calls[reader.actor.open.remote(found[0])] = _Call(reader=reader)

    def _new_reader(self) -> _Reader:
        assert self._report is not None
        actor = self._cluster.start(
            Scanner, self._job, self._report.longest_region, self._report.cut_options, is_worker=False
        )
        reader = _Reader(actor)
        self._readers.append(reader)
        return reader

    def _ask(self, reader: _Reader) -> None:
        unit, samples = reader.actor.next.options(num_returns=2).remote(reader.known)
        reader.is_asked = True
        self._scheduler.scan_asked()
        self._calls[unit] = _Call(reader=reader, samples=samples)

    def _answered(self, reader: _Reader, call: _Call, answer: Any) -> None:
        assert reader.file is not None
        if not reader.is_open:
            status, detail = answer
            known = self._scheduler.scan_opened(reader.file.id, status, detail)
            if known is None:
                reader.file = None
                return
            reader.known, reader.is_open = known, True
            return
        reader.is_asked = False
        self._scheduler.scan_answered()
        if isinstance(answer, FoundUnit):
            self._scheduler.unit_found(answer, call.samples)
            reader.known |= {answer.index}
            return
        self._scheduler.scan_ended(answer)
        reader.file, reader.is_open = None, False

    def _reader_lost(self, reader: _Reader) -> None:
        if reader not in self._readers:
            return
        self._readers.remove(reader)
        self._calls = {ref: call for ref, call in self._calls.items() if call.reader is not reader}
        if reader.is_asked:
            self._scheduler.scan_answered()
        if reader.file is not None:
            self._on_notice(f"the process that read {reader.file.address} died; another one goes on")
            self._scheduler.scan_lost(reader.file.id)

    # --- work ----------------------------------------------------------------------------------------------

    def _assign(self) -> None:
        with self._scheduler.together():
            given = self._scheduler.next_tasks()
        if not given:
            return
        hands = {hand.name: hand for hand in self._hands if hand.is_ready}
        for name, task in given:
            hand = hands[name]
            self._calls[self._asked(hand.actor, task)] = _Call(hand=hand, task=task)

    def _asked(self, actor: Any, task: Task) -> Any:
        match task:
            case Parcel(files):
                return actor.transcribe_files.remote(files)
            case Piece():
                return actor.recognize_piece.remote(task.file, task.index, task.spans, task.samples)
            case Assembly():
                results = self._scheduler.results(task.file.id)
                return actor.assemble.remote(task.file, results, task.input_hash, task.seconds, task.warnings)

    def _wait(self) -> None:
        refs = list(self._calls)
        if not refs:
            time.sleep(0.05)
            return
        # Answers are fetched one by one below; a scanner's samples are never fetched at all.
        ready, _ = self._ray.wait(refs, num_returns=1, timeout=_TICK)
        if ready and len(refs) > 1:
            ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        with self._scheduler.together():
            for ref in ready:
                call = self._calls.pop(ref, None)
                if call is not None:  # its actor may have been given up a moment ago
                    self._take(ref, call)

    def _take(self, ref: Any, call: _Call) -> None:
        exceptions = self._ray.exceptions
        try:
            answer = self._ray.get(ref)
        except exceptions.RayActorError as error:
            if call.hand is not None:
                self._lost(call.hand, error)
            elif call.reader is not None:
                self._reader_lost(call.reader)
            return
        except exceptions.RayError as error:
            self._failed(call, error)
            return
        if call.reader is not None:
            self._answered(call.reader, call, answer)
        elif call.hand is not None and call.task is None:
            self._prepared(call.hand, answer)
        elif call.hand is not None:
            self._done(call.hand, call.task, answer)

    def _done(self, hand: _Hand, task: Task | None, answer: Any) -> None:
        match task:
            case Piece():
                self._scheduler.piece_done(hand.name, task, answer)
            case Parcel():
                self._scheduler.files_done(hand.name, task, answer)
            case Assembly():
                self._scheduler.files_done(hand.name, task, [answer])

    def _failed(self, call: _Call, error: BaseException) -> None:
        """The actor lives, the call does not: an argument or the answer was on a machine that died."""
        if call.reader is not None:
            with contextlib.suppress(Exception):
                self._ray.kill(call.reader.actor)
            self._reader_lost(call.reader)
        elif call.hand is not None and call.task is not None:
            self._scheduler.task_failed(call.hand.name, call.task, _reason(error))
        elif call.hand is not None:
            self._lost(call.hand, error)

    def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + _TICK
            self.on_tick(self.num_ready)


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:300]
