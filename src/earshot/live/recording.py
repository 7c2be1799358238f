"""Sound alone, kept as crash-proof as a session's."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from earshot.audio.capture import Notice, Source
from earshot.audio.meter import Level
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.live.journal import SessionJournal, SessionMeta, disk_notice, now
from earshot.live.pump import Pump

_TICK = 0.05


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """How a recording is doing. recorded: seconds so far. num_overruns: losses of sound."""

    source: str
    level: Level
    recorded: float
    num_overruns: int


class Recording:
    """Keeps what a source gives in a session's folder, without recognizing it. A context manager.

    Iterating gives notices until the source ends, ``stop`` is called or ``duration`` seconds are there; where
    the source breaks off, its AudioError comes last. lost: seconds that a full disk has cost.
    """

    def __init__(self, source: Source, *, duration: float | None = None, home: Path | None = None) -> None:
        self.journal: SessionJournal | None = None
        self.lost = 0.0
        self._source = source
        self._home = home
        self._notices: deque[Notice] = deque(maxlen=100)
        limit = None if duration is None else round(duration * SAMPLE_RATE)
        self._pump = Pump(source, [self._receive], limit=limit)
        self._resources = ExitStack()

    def __enter__(self) -> Recording:
        with ExitStack() as stack:
            stack.callback(self._close_journal)
            stack.callback(self._pump.join)
            stack.callback(self.stop)
            self._pump.open()
            meta = SessionMeta(now(), self._source.name)
            self.journal = SessionJournal(meta, home=self._home, on_failure=self._tell_disk)
            self._pump.start()
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def stop(self) -> None:
        """End soon, with all that was captured. May be called from any thread or signal handler."""
        self._pump.stop()

    @property
    def status(self) -> RecordingStatus:
        """Now."""
        pump = self._pump
        return RecordingStatus(
            self._source.name, pump.level, pump.num_samples / SAMPLE_RATE, self._source.num_overruns
        )

    def __iter__(self) -> Iterator[Notice]:
        is_running = True
        while is_running:
            is_running = self._pump.is_running
            for notices in (self._pump.notices, self._notices):
                while notices:
                    yield notices.popleft()
            if is_running:
                time.sleep(_TICK)
        if self._pump.error is not None:
            raise self._pump.error

    def _receive(self, block: Samples) -> None:
        assert self.journal is not None, "the journal is made before the first block comes"
        self.journal.append_audio(block)

    def _tell_disk(self, error: OSError | None) -> None:
        """On the journal's thread."""
        self._notices.append(disk_notice(error))

    def _close_journal(self) -> None:
        if self.journal is not None:
            self.lost = self.journal.close(is_complete=True)
