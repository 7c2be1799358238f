"""The thread that takes a source's sound as it comes, so that nothing waits for recognition."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earshot.audio.capture import Notice, Source
from earshot.audio.meter import Level, Meter
from earshot.core.errors import AudioError, EarshotError
from earshot.core.types import SAMPLE_RATE, Samples

MUTED_AFTER = 3.0
"""Seconds of digital silence from a microphone before we ask whether it is muted."""

Receiver = Callable[[Samples], None]


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The moment (monotonic seconds) at which so many samples had arrived."""

    num_samples: int
    moment: float


class Pump:
    """Hands each block of a source to receivers, which must be quick, and watches its level.

    source: entered by ``open``, left by ``join``. limit: samples after which it ends. on_end: called
    when no more comes. error: what ended the sound, None for stop and natural end.
    """

    def __init__(
        self,
        source: Source,
        receivers: Sequence[Receiver],
        *,
        limit: int | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.error: EarshotError | None = None
        self.notices: deque[Notice] = deque(maxlen=100)
        self._receivers = receivers
        self._limit = limit
        self._on_end = on_end
        self._meter = Meter()
        self._anchor = _Anchor(0, time.monotonic())
        self._is_muted = False
        self._num_overruns = 0
        self._thread = threading.Thread(target=self._run, name="earshot-capture", daemon=True)
        self._is_open = False

    def open(self) -> None:
        """Open the source, which begins to hold sound. Raises AudioError where it does not open."""
        self.source.__enter__()
        self._is_open = True

    def start(self) -> None:
        """Begin to take what the source gives."""
        self._anchor = _Anchor(0, time.monotonic())
        self._thread.start()

    def stop(self) -> None:
        """End soon, after what was captured already."""
        self.source.stop()

    def join(self) -> None:
        """Wait for the end and close the source."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._is_open:
            self._is_open = False
            self.source.__exit__(None, None, None)

    @property
    def is_running(self) -> bool:
        """Whether sound may still come."""
        return self._thread.is_alive()

    @property
    def level(self) -> Level:
        """How loud it is now."""
        return self._meter.level

    @property
    def loudest_dbfs(self) -> float:
        """The highest peak so far."""
        return self._meter.loudest_dbfs

    @property
    def num_samples(self) -> int:
        """Captured so far."""
        return self._anchor.num_samples

    def age(self, time_in_stream: float) -> float:
        """Seconds since the sound at that stream time was made; for sources that run in real time."""
        anchor = self._anchor
        return time.monotonic() - anchor.moment + anchor.num_samples / SAMPLE_RATE - time_in_stream

    def _run(self) -> None:
        try:
            for block in self.source:
                if self._limit is not None:
                    block = block[: self._limit - self.num_samples]
                self._take(block)
                if self.num_samples == self._limit:
                    self.stop()
                    break
        except EarshotError as error:
            self.error = error
        except Exception as error:  # a source from elsewhere may raise anything; the session ends in good order
            self.error = AudioError(f"the sound source failed: {type(error).__name__}: {error}")
        finally:
            self._watch()
            self._on_end()

    def _take(self, block: Samples) -> None:
        for receive in self._receivers:
            receive(block)
        self._anchor = _Anchor(self._anchor.num_samples + len(block), time.monotonic())
        self._meter.accept(block)
        self._watch()

    def _watch(self) -> None:
        while self.source.notices:
            self.notices.append(self.source.notices.popleft())
        if self.source.num_overruns > self._num_overruns:
            if not self._num_overruns:
                self.notices.append(Notice("overrun", "the machine was too busy, some sound was lost"))
            self._num_overruns = self.source.num_overruns
        is_muted = self.source.is_microphone and self._meter.silence >= MUTED_AFTER
        if is_muted and not self._is_muted:
            self.notices.append(
                Notice("muted", f"no sound at all from {self.source.name}: is the microphone muted?")
            )
        self._is_muted = is_muted
