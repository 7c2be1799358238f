"""A batch from its beginning to its end: lock, plan, cluster, work, table."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from earshot.batch.cluster import NO_CLUSTER, Cluster, ClusterOptions
from earshot.batch.driver import Driver
from earshot.batch.identity import identify_model
from earshot.batch.inline import InlineDriver
from earshot.batch.inputs import input_root, list_inputs
from earshot.batch.journal import Journal, read_journal
from earshot.batch.ledger import Ledger, PlanSummary
from earshot.batch.lock import HIDDEN, RemoteLock, local_lock, new_owner
from earshot.batch.progress import BatchProgress
from earshot.batch.schedule import SchedulePolicy, Scheduler
from earshot.batch.settings import BatchOptions, to_plain
from earshot.batch.storage import LocalStorage, Storage, open_storage
from earshot.batch.table import Publisher
from earshot.batch.tasks import WorkerJob
from earshot.core.errors import AudioError, OutputError
from earshot.core.optional import require

LEDGER = "ledger.sqlite"
_LONG_UNITS = 2.0
"""Recordings that seem longer than so many units are cut."""

ProgressCallback: TypeAlias = Callable[[BatchProgress], None]
NoticeCallback: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What to do. source: INPUT, see ``list_inputs``. output: a folder or address.

    joins: work beside another batch on the same OUTPUT. price_per_hour: of one worker.
    """

    source: str
    output: str
    options: BatchOptions = field(default_factory=BatchOptions)
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    joins: bool = False
    price_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """How it ended. num_done, num_quarantined: of all that INPUT holds. problems: of recordings, by their
    names.
    """

    recipe: str
    num_files: int
    num_done: int
    num_quarantined: int
    num_left: int
    num_worked_on: int
    seconds: float
    elapsed: float
    plan: PlanSummary


class OpenOutput:
    """An OUTPUT with its lock held and its ledger open. ``open_output`` makes it.

    check: raises OutputError when the lock was lost. alive: names the owners that are at work.
    """

    def __init__(
        self,
        storage: Storage,
        ledger: Ledger,
        owner: str,
        *,
        flush: Callable[[], None],
        check: Callable[[], None],
        alive: Callable[[], list[str]],
    ) -> None:
        self.storage = storage
        self.ledger = ledger
        self.owner = owner
        self.flush = flush
        self.check = check
        self.alive = alive


@contextlib.contextmanager
def open_output(output: str, *, joins: bool = False) -> Iterator[OpenOutput]:
    """Lock OUTPUT and open its ledger, after tidying up what crashes left.

    Raises OutputError when another batch is at work there, or when it cannot be written.
    """
    storage = open_storage(output)
    owner = new_owner()
    with contextlib.ExitStack() as stack:
        if isinstance(storage, LocalStorage):
            alive = stack.enter_context(local_lock(storage.folder, owner, joins=joins))
            ledger = stack.enter_context(Ledger(storage.folder / LEDGER))
            opened = OpenOutput(storage, ledger, owner, flush=lambda: None, check=lambda: None, alive=alive)
        else:
            if joins:
                raise OutputError(
                    f"nobody can join a batch on {output}",
                    fix="let both write into a folder that they share, or give one batch more workers",
                )
            lock = stack.enter_context(RemoteLock(storage, owner))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="earshot-ledger-"))
            with Ledger(Path(folder) / LEDGER) as copy:
                copy.replay(read_journal(storage))
            journal = stack.enter_context(Journal(storage, owner))
            ledger = stack.enter_context(Ledger(Path(folder) / LEDGER, journal=journal))
            opened = OpenOutput(
                storage, ledger, owner, flush=journal.flush, check=lock.check, alive=lambda: [owner]
            )
        alive_now = opened.alive()
        ledger.release_all_but(alive_now)
        Publisher(ledger, storage, "", owner, flush=opened.flush).recover(alive_now)
        yield opened
        opened.flush()


@contextlib.contextmanager
def read_output(output: str) -> Iterator[tuple[Storage, Ledger]]:
    """The ledger of an OUTPUT for looking only; a batch may be at work there.

    Raises OutputError where there is no ledger.
    """
    storage = open_storage(output)
    missing = OutputError(f"{output} holds no ledger of a batch", fix="give the --out of a batch")
    if isinstance(storage, LocalStorage):
        if not storage.exists(LEDGER):
            raise missing
        with Ledger(storage.folder / LEDGER) as ledger:
            yield storage, ledger
        return
    with (
        tempfile.TemporaryDirectory(prefix="earshot-ledger-") as folder,
        Ledger(Path(folder) / LEDGER) as ledger,
    ):
        ledger.replay(read_journal(storage))
        if not ledger.recipes():
            raise missing
        yield storage, ledger


def run_batch(
    request: BatchRequest,
    *,
    on_plan: Callable[[str, PlanSummary], None] | None = None,
    on_progress: ProgressCallback | None = None,
    on_notice: NoticeCallback | None = None,
) -> BatchResult:
    """Do what is missing or changed. on_plan: told the recipe and what there is to do.

    Raises AudioError when INPUT is not there or holds nothing, OutputError when OUTPUT is in use or cannot be
    written, ClusterError, or what keeps every worker from loading its model. A bad recording raises nothing: it
    is quarantined.
    """
    require("pyarrow.parquet", extra="batch", purpose="earshot batch")
    options = request.options
    model = identify_model(options.transcription)
    recipe = options.recipe(model)
    inputs = list_inputs(request.source)
    first = next(inputs, None)
    if first is None:
        raise AudioError(f"{request.source} holds no recordings", fix="name a folder with audio or video")
    with open_output(request.output, joins=request.joins) as output:
        ledger = output.ledger
        ledger.set_meta("command", json.dumps({"source": request.source, "options": to_plain(options)}))
        ledger.set_meta("recipe", recipe)
        ledger.set_meta(f"recipe:{recipe}", json.dumps({"options": to_plain(options), "model": model.name}))
        plan = ledger.plan(recipe, _chained(first, inputs), long_seconds=_LONG_UNITS * options.unit_seconds)
        if on_plan is not None:
            on_plan(recipe, plan)
        publisher = Publisher(ledger, output.storage, recipe, output.owner, flush=output.flush)
        marker = f"{HIDDEN}/batch-{output.owner}"
        job = WorkerJob(options, recipe, output.storage.root, marker, model.digest, input_root(request.source))
        scheduler = Scheduler(
            ledger,
            recipe,
            output.owner,
            model_hash=model.digest,
            seconds_left=plan.seconds_left,
            policy=SchedulePolicy(unit_seconds=options.unit_seconds),
        )
        started = time.monotonic()
        try:
            if plan.num_left:
                output.storage.write(marker, b"seen\n")
                watch = _Watch(request, plan, scheduler, ledger, recipe)
                with _driver(request.cluster, scheduler, job, on_notice) as driver:
                    driver.on_tick = _ticker(watch, publisher, output, on_progress)
                    driver.others_left = lambda: _others_left(output, recipe)
                    driver.run()
                    if on_progress is not None:
                        on_progress(watch.now(driver.num_ready))
        finally:
            with contextlib.suppress(OutputError):
                ledger.release(output.owner)
                publisher.publish(at_least=0)
            with contextlib.suppress(OutputError):
                output.storage.remove(marker)
        publisher.publish(at_least=0)  # what fails above is told here
        states = ledger.counts(recipe)
    counts = scheduler.counts
    return BatchResult(
        recipe,
        plan.num_files,
        states.get("done", 0),
        states.get("quarantined", 0),
        states.get("planned", 0) + states.get("running", 0),
        counts.num_done + counts.num_quarantined,
        counts.seconds,
        time.monotonic() - started,
        plan,
    )


@contextlib.contextmanager
def _driver(
    options: ClusterOptions, scheduler: Scheduler, job: WorkerJob, on_notice: NoticeCallback | None
) -> Iterator[Driver | InlineDriver]:
    if options.address == NO_CLUSTER:
        yield InlineDriver(scheduler, job)
        return
    with Cluster(options) as cluster:
        if cluster.dashboard and on_notice is not None:
            on_notice(f"Ray's dashboard: {cluster.dashboard}")
        yield Driver(cluster, scheduler, job, on_notice=on_notice)


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _others_left(output: OpenOutput, recipe: str) -> bool:
    """Whether a batch beside this one died and left something."""
    output.ledger.release_all_but(output.alive())
    return output.ledger.counts(recipe).get("planned", 0) > 0


def _ticker(
    watch: _Watch, publisher: Publisher, output: OpenOutput, on_progress: ProgressCallback | None
) -> Callable[[int], None]:
    def tick(num_ready: int) -> None:
        output.check()
        publisher.publish()
        progress = watch.now(num_ready)
        if on_progress is not None:
            on_progress(progress)

    return tick


class _Watch:
    """Measures a batch."""

    def __init__(
        self, request: BatchRequest, plan: PlanSummary, scheduler: Scheduler, ledger: Ledger, recipe: str
    ) -> None:
        self._request = request
        self._plan = plan
        self._scheduler = scheduler
        self._ledger = ledger
        self._recipe = recipe
        self._started: float | None = None
        self._last = 0.0
        self._worker_seconds = 0.0

    def now(self, num_ready: int) -> BatchProgress:
        """Its state at this moment."""
        now = time.monotonic()
        if self._started is None:
            if not num_ready:
                return self._progress(0.0)
            self._started = self._last = now
        self._worker_seconds += num_ready * (now - self._last)
        self._last = now
        return self._progress(now - self._started)

    def _progress(self, elapsed: float) -> BatchProgress:
        counts, scheduler = self._scheduler.counts, self._scheduler
        price = self._request.price_per_hour
        # Sizes are a poor measure of length: what was found so far corrects what is left.
        found = counts.seconds / counts.estimate if counts.estimate else 1.0
        left = max(0.0, self._plan.seconds_left - counts.estimate) * min(found, 1.0)
        return BatchProgress(
            self._plan.num_files,
            self._plan.num_done + counts.num_done,
            self._plan.num_quarantined + counts.num_quarantined,
            counts.seconds,
            left,
            elapsed,
            scheduler.num_workers,
            scheduler.num_busy,
            counts.num_lost,
            None if price is None else price * self._worker_seconds / 3600,
        )
