"""A thousand workers on one core: the real scheduler and ledger, driven by a discrete-event simulation.

Run: python benchmarks/batch_simulation.py [--workers 1000] [--hours 3000] [--speed 45] [--long 0.3]
     python benchmarks/batch_simulation.py --bend          # workers from 100 to 10,000

Workers, scanners and the network are simulated: a worker takes (seconds of sound) / speed with a spread of a
fifth and a fixed cost a task. The driver is not: every call into the scheduler, and through it into the SQLite
ledger, is made for real, and the processor time that it takes on this machine, with the cost of a call into Ray
added, is the time for which the simulated driver answers nobody else. Busy: the share of the workers' time,
from their first task to the last result, that is recognition.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from earshot.batch.inputs import InputFile
from earshot.batch.ledger import Ledger
from earshot.batch.schedule import SchedulePolicy, Scheduler
from earshot.batch.tasks import Assembly, FileOutcome, FoundUnit, Parcel, Piece, PieceOutcome, ScanEnd, Task

UNIT = 240.0
RAY_CALL = 0.0006
"""Seconds of the driver for one call of an actor and its answer; benchmarks/batch.py measures it (``ray
call``).
"""

TASK_COST = 0.004
"""Seconds of a worker for one task beside recognition: a hop over the network, packing, writing."""

SCAN_SPEED = 330.0
"""× real time at which one core reads, resamples and cuts; measured on Opus."""

WORKERS_A_SCANNER = 4
T = TypeVar("T")


@dataclass
class Figures:
    """What came of it. busy, driver: shares of the time."""

    num_workers: int
    hours: float
    num_tasks: int
    seconds: float
    busy: float
    driver: float
    per_task_ms: float
    peak_mb: float


class Simulation:
    """num_workers simulated workers of ``speed`` × real time. long_share: of the hours, in files of 1 to 3
    h.
    """

    def __init__(self, folder: Path, num_workers: int, hours: float, speed: float, long_share: float) -> None:
        self.chance = random.Random(1)
        self.speed = speed
        self.hours = hours
        self.long_share = long_share
        self.num_workers = num_workers
        self.ledger = Ledger(folder / "ledger.sqlite")
        plan = self.ledger.plan("recipe", self.inputs(), long_seconds=2 * UNIT)
        self.scheduler = Scheduler(
            self.ledger, "recipe", "owner", seconds_left=plan.seconds_left, policy=SchedulePolicy(UNIT)
        )
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = itertools.count()
        self.now = 0.0  # of the simulation
        self.free = 0.0  # when the driver has time again
        self.driver_busy = 0.0
        self.worker_busy = 0.0
        self.num_tasks = 0
        self.costs: list[tuple[float, int]] = []
        self.inbox: list[Callable[[], None]] = []
        self.queues: dict[str, list[Task]] = {}
        self.idle_scanners = max(1, num_workers // WORKERS_A_SCANNER)
        self.waiting_scanners: list[Callable[[], None]] = []

    def inputs(self) -> Iterator[InputFile]:
        """Clips of 4 to 60 s, and recordings of 1 to 3 h."""
        left = 3600 * self.hours * self.long_share
        number = 0
        while left > 0:
            seconds = self.chance.uniform(1.0, 3.0) * 3600
            left -= seconds
            number += 1
            yield InputFile(f"/in/long-{number}.wav", f"long-{number}.wav", int(32_000 * seconds), "1")
        left = 3600 * self.hours * (1 - self.long_share)
        while left > 0:
            seconds = self.chance.uniform(4.0, 60.0)
            left -= seconds
            number += 1
            yield InputFile(f"/in/clip-{number}.wav", f"clip-{number}.wav", int(32_000 * seconds), "1")

    def run(self) -> Figures:
        """To the end."""
        for number in range(self.num_workers):
            self.scheduler.add_worker(f"worker-{number}")
            self.queues[f"worker-{number}"] = []
        self.drive(lambda: None)
        while self.events:
            self.now, _, event = heapq.heappop(self.events)
            event()
        assert self.scheduler.is_over
        seconds = self.now
        return Figures(
            self.num_workers,
            self.hours,
            self.num_tasks,
            seconds,
            self.worker_busy / (seconds * self.num_workers),
            self.driver_busy / seconds,
            1000 * sum(cost for cost, _ in self.costs) / self.num_tasks,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )

    def after(self, seconds: float, event: Callable[[], None], *, since: float | None = None) -> None:
        """The event comes so many seconds later."""
        start = self.now if since is None else since
        heapq.heappush(self.events, (start + seconds, next(self.number), event))

    def drive(self, answer: Callable[[], None]) -> None:
        """The driver is told something; it looks when it has time again, at all that came meanwhile."""
        self.inbox.append(answer)
        if len(self.inbox) == 1:
            self.after(max(0.0, self.free - self.now), self.look)

    def look(self) -> None:
        """Take in what came and hand out what there is: for real, and the clock is watched."""
        answers, self.inbox = self.inbox, []
        started = time.process_time()
        with self.scheduler.together():
            for answer in answers:
                answer()
        scans = []
        with self.scheduler.together():
            given = self.scheduler.next_tasks()
            while self.idle_scanners and self.scheduler.wants_units and (scan := self.scheduler.next_scan()):
                self.idle_scanners -= 1
                scans.append(scan)
                self.scheduler.scan_opened(scan[0].id, "done", "hash")
                self.scheduler.scan_asked()
        num_calls = max(1, len(given) + len(scans))
        cost = time.process_time() - started + RAY_CALL * num_calls
        self.costs.append((cost, len(given)))
        self.free = self.now + cost
        self.driver_busy += cost
        for worker, task in given:
            self.num_tasks += 1
            self.queues[worker].append(task)
            if len(self.queues[worker]) == 1:
                self.begin(worker, self.free)
        for task_scanned, known in scans:
            self.scan(task_scanned, 0, known, 0.0)
        while self.waiting_scanners and self.scheduler.wants_units:
            self.waiting_scanners.pop()()

    def begin(self, worker: str, since: float) -> None:
        """The worker takes up the first task that it holds."""
        task = self.queues[worker][0]
        spent = sum_of(task) / self.speed * self.chance.uniform(0.8, 1.2)
        self.worker_busy += spent
        self.after(spent + TASK_COST, lambda: self.end(worker, task), since=since)

    def end(self, worker: str, task: Task) -> None:
        """The worker is done with it."""
        self.queues[worker].pop(0)
        if self.queues[worker]:
            self.begin(worker, self.now)  # what waited on the worker needs nobody's answer
        self.drive(lambda: self.hand_in(worker, task))

    def hand_in(self, worker: str, task: Task) -> None:
        """The driver hears of it."""
        match task:
            case Parcel(files):
                done = [
                    FileOutcome(f.id, "done", "hash", "1", f.size, f.seconds, outputs={"a": "b"}) for f in files
                ]
                self.scheduler.files_done(worker, task, done)
            case Piece():
                self.scheduler.piece_done(
                    worker, task, PieceOutcome(task.file.id, task.index, "done", bytes(20_000))
                )
            case Assembly():
                self.scheduler.results(task.file.id)
                one = FileOutcome(task.file.id, "done", "hash", "1", 0, task.seconds, outputs={"a": "b"})
                self.scheduler.files_done(worker, task, [one])

    def scan(self, task: Any, index: int, known: frozenset[int], done: float) -> None:
        """The next unit of a long recording, cut at the pace of one core."""
        length = min(UNIT, task.seconds - done)
        self.after(length / SCAN_SPEED, lambda: self.found(task, index, known, done, length), since=self.free)

    def found(self, task: Any, index: int, known: frozenset[int], done: float, length: float) -> None:
        """A scanner has cut a unit; the driver hears of it."""

        def take() -> None:
            self.scheduler.scan_answered()
            self.scheduler.unit_found(FoundUnit(task.id, index, [[(0, 1)] * 16], length), None)
            if done + length >= task.seconds - 1:
                self.scheduler.scan_ended(ScanEnd(task.id, "done", index + 1, task.seconds))
                self.idle_scanners += 1

        self.drive(take)
        if done + length < task.seconds - 1:

            def go_on() -> None:
                self.scheduler.scan_asked()
                self.scan(task, index + 1, known, done + length)

            if self.scheduler.wants_units:
                go_on()
            else:
                self.waiting_scanners.append(go_on)


def sum_of(task: Task) -> float:
    """Seconds of sound."""
    match task:
        case Parcel(files):
            return sum(file.seconds for file in files)
        case Piece():
            return task.seconds
        case Assembly():
            return 0.0


def simulate(num_workers: int, hours: float, speed: float, long_share: float) -> Figures:
    """One simulation, with a ledger of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return Simulation(Path(folder), num_workers, hours, speed, long_share).run()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=3000.0)
    parser.add_argument("--speed", type=float, default=45.0, help="× real time of one worker")
    parser.add_argument("--long", type=float, default=0.3, help="share of the hours in files of 1 to 3 h")
    parser.add_argument("--bend", action="store_true")
    given = parser.parse_args()
    counts = [100, 300, 1_000, 3_000, 5_000, 10_000] if given.bend else [given.workers]
    print(
        "| workers | hours | tasks | takes | × real time | workers busy | driver busy | driver a task | peak |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for count in counts:
        # So much that every worker has some sixty tasks: a short batch is all beginning and end.
        hours = (60 if count <= 3_000 else 30) * count * UNIT / 3600 if given.bend else given.hours
        f = simulate(count, hours, given.speed, given.long)
        print(
            f"| {f.num_workers:,} | {f.hours:,.0f} | {f.num_tasks:,} | {f.seconds:,.0f} s |"
            f" {3600 * f.hours / f.seconds:,.0f} | {f.busy:.1%} | {f.driver:.0%} | {f.per_task_ms:.2f} ms |"
            f" {f.peak_mb:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
