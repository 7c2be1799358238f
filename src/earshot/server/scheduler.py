"""Who computes next: a few workers, live speech before files, whoever has waited longest first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

from earshot.core.errors import ServerError

Result = TypeVar("Result")


class Urgency(IntEnum):
    """Lower comes first."""

    LIVE = 0
    FILE = 1


class Scheduler:
    """Worker threads that take the most urgent job that has waited longest.

    Files get one worker at a time: a window of a recording keeps all cores busy by itself, and beside live
    streams the other workers stay free. num_workers: None for one a core, at least two.
    """

    def __init__(self, num_workers: int | None = None) -> None:
        self.num_workers = max(2, num_workers or os.cpu_count() or 2)
        self._condition = threading.Condition()
        self._order = itertools.count()
        self._waiting: dict[Urgency, list[tuple[int, _Job]]] = {urgency: [] for urgency in Urgency}
        self._is_file_running = False
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"earshot-decode-{index}", daemon=True)
            for index in range(self.num_workers)
        ]

    def start(self) -> None:
        """Let the workers begin."""
        for thread in self._threads:
            thread.start()

    @property
    def num_waiting(self) -> int:
        """Live jobs that no worker has taken yet."""
        return len(self._waiting[Urgency.LIVE])

    async def run(self, job: Callable[[], Result]) -> Result:
        """Do a live job; cancelling the caller does not stop a job that has begun."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            try:
                loop.call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

        self._submit(Urgency.LIVE, _Job(job, settle))
        return await future

    def run_blocking(self, job: Callable[[], Result]) -> Result:
        """Do a part of a file's work; to be called on a thread of its own."""
        done = threading.Event()
        outcome: list[tuple[Any, BaseException | None]] = []

        def settle(result: Any, error: BaseException | None) -> None:
            outcome.append((result, error))
            done.set()

        self._submit(Urgency.FILE, _Job(job, settle))
        done.wait()
        result, error = outcome[0]
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Stop the workers; what waits is refused. Calling it twice is harmless."""
        with self._condition:
            self._is_closed = True
            refused = [job for queue in self._waiting.values() for _, job in queue]
            for queue in self._waiting.values():
                queue.clear()
            self._condition.notify_all()
        for job in refused:
            job.settle(None, _closed())
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _submit(self, urgency: Urgency, job: _Job) -> None:
        with self._condition:
            if not self._is_closed:
                heapq.heappush(self._waiting[urgency], (next(self._order), job))
                self._condition.notify()
                return
        job.settle(None, _closed())

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            urgency, job = taken
            try:
                result, error = job.function(), None
            except BaseException as exception:  # it belongs to whoever asked
                result, error = None, exception
            if urgency is Urgency.FILE:
                with self._condition:
                    self._is_file_running = False
                    self._condition.notify_all()
            job.settle(result, error)
            del taken, job, result, error  # a worker that waits holds nobody's sound

    def _take(self) -> tuple[Urgency, _Job] | None:
        with self._condition:
            while not self._is_closed:
                if self._waiting[Urgency.LIVE]:
                    return Urgency.LIVE, heapq.heappop(self._waiting[Urgency.LIVE])[1]
                if self._waiting[Urgency.FILE] and not self._is_file_running:
                    self._is_file_running = True
                    return Urgency.FILE, heapq.heappop(self._waiting[Urgency.FILE])[1]
                self._condition.wait()
            return None


class _Job:
    """A function and who is told of its result."""

    __slots__ = ("function", "settle")

    def __init__(
        self, function: Callable[[], Any], settle: Callable[[Any, BaseException | None], None]
    ) -> None:
        self.function = function
        self.settle = settle


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _closed() -> ServerError:
    return ServerError("the server is stopping", fix="ask again when it runs")
