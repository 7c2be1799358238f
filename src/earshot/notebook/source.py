"""The browser's microphone as a source of a live session."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from earshot.audio.capture import Notice
from earshot.core.errors import DeviceError
from earshot.core.types import Samples

GONE_AFTER = 60.0
"""Seconds without a batch after which the page counts as closed. A page that is there sends five a second."""

_POLL = 0.5


class BrowserSource:
    """Gives out what ``put`` takes, until ``end``. Sound that comes before it is entered waits.

    is_responsive: whether messages could have come in lately; while the kernel computes, none do, and a page
    that is not heard is not gone.
    """

    is_live = True
    is_microphone = True
    num_overruns = 0

    def __init__(
        self, name: str, *, is_responsive: Callable[[], bool] = lambda: True, gone_after: float = GONE_AFTER
    ) -> None:
        self.name = name
        self.notices: deque[Notice] = deque(maxlen=100)
        self._is_responsive = is_responsive
        self._gone_after = gone_after
        self._condition = threading.Condition()
        self._blocks: deque[Samples] = deque()
        self._last = time.monotonic()
        self._is_ending = False
        self._is_ended = False

    def put(self, samples: Samples) -> None:
        """The next samples: float32 (n,), 16 kHz. After the end they are dropped."""
        with self._condition:
            if not self._is_ended and len(samples):
                self._blocks.append(samples)
            self._last = time.monotonic()
            self._condition.notify_all()

    def stop(self) -> None:
        """No more comes, or shall come; what is there is still given out."""
        with self._condition:
            self._is_ended = True
            self._condition.notify_all()

    def end_within(self, seconds: float) -> None:
        """Wait no longer than that for another batch, and take its absence for the end."""
        with self._condition:
            self._gone_after = seconds
            self._last = time.monotonic()
            self._is_ending = True

    def __enter__(self) -> BrowserSource:
        self._last = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Samples]:
        """Raises DeviceError when the page is gone."""
        while (block := self._next()) is not None:
            yield block

    def _next(self) -> Samples | None:
        with self._condition:
            while not self._blocks:
                if self._is_ended:
                    return None
                self._condition.wait(_POLL)
                if not self._is_responsive():
                    self._last = time.monotonic()
                if self._blocks or time.monotonic() - self._last <= self._gone_after:
                    continue
                if self._is_ending:
                    return None
                raise DeviceError(
                    "the page that records is gone",
                    fix="what was said until then is kept; show the recorder again to go on",
                )
            return self._blocks.popleft()


class Pulse:
    """Tells whether the kernel's own thread is free: that is where a page's messages come in.

    Made on that thread; where it runs no event loop (a plain script), it counts as free.
    """

    def __init__(self) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._is_waiting = False

    def is_free(self) -> bool:
        """Whether the loop has come round since the last question; may be asked from any thread."""
        if self._loop is None or self._loop.is_closed():
            return True
        if self._is_waiting:
            return False
        self._is_waiting = True
        self._loop.call_soon_threadsafe(self._answer)
        return True

    def _answer(self) -> None:
        self._is_waiting = False
