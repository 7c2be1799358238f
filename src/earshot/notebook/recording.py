"""One stretch from Record to Stop: a live session on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from earshot.audio.capture import Source
from earshot.core.errors import EarshotError, EngineError
from earshot.core.types import Segment
from earshot.engines import Recognizer
from earshot.live import PostProcessor, Session, SessionEvent, SessionStatus
from earshot.live.journal import AUDIO
from earshot.notebook.engine import KeptEngine
from earshot.notebook.source import BrowserSource
from earshot.transcription import TranscriptionOptions

_LEVEL_INTERVAL = 0.1
"""Seconds between two levels of the kernel's sound card; of the browser's microphone the page knows them."""


class Listener(Protocol):
    """Told what happens, on the recording's threads."""

    def begun(self, path: Path | None) -> None:
        """The microphone is open; the sound goes to ``path``."""
        ...

    def heard(self, event: SessionEvent) -> None:
        """An event or a notice."""
        ...

    def timed(self, index: int, segment: Segment) -> None:
        """The final of that number, with the times of its words where they could be found."""
        ...

    def measured(self, status: SessionStatus) -> None:
        """How loud it is."""
        ...

    def ended(self, seconds: float, problem: EarshotError | None) -> None:
        """Everything is written down, or nothing more can be. seconds: of sound."""
        ...


class Recording:
    """Begins at once; ``stop`` ends it after what was captured, and ``Listener.ended`` is the last it says.

    sessions: the folder that keeps sound and text; None for the user's own.
    """

    def __init__(
        self,
        source: Source,
        engine: KeptEngine,
        options: TranscriptionOptions,
        listener: Listener,
        *,
        processors: Sequence[PostProcessor] = (),
        sessions: Path | None = None,
    ) -> None:
        self.source = source
        self._listener = listener
        self._session = Session(
            source,
            options,
            recognizer=cast(Recognizer, engine),  # whose capabilities are known only when it is loaded
            processors=processors,
            sinks=[_TimedWords(listener)],
            home=sessions,
        )
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="earshot-recording", daemon=True)

    def start(self) -> None:
        """Open the microphone, on the other thread: that may take a while."""
        self._thread.start()

    def stop(self) -> None:
        """End soon, after what was captured."""
        self._session.stop()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def seconds(self) -> float:
        """Of sound so far."""
        return self._session.status.recorded

    def _run(self) -> None:
        problem: EarshotError | None = None
        try:
            with self._session as session:
                path = session.journal.folder / AUDIO if session.journal is not None else None
                self._listener.begun(path)
                if not isinstance(self.source, BrowserSource):
                    threading.Thread(target=self._measure, name="earshot-level", daemon=True).start()
                for event in session:
                    self._listener.heard(event)
        except EarshotError as error:
            problem = error
        except Exception as error:  # a thread that dies silently would leave the page recording for ever
            problem = EngineError(f"recording has failed: {type(error).__name__}: {error}")
        finally:
            self._is_over.set()
            self._listener.ended(self.seconds, problem)

    def _measure(self) -> None:
        while not self._is_over.wait(_LEVEL_INTERVAL):
            self._listener.measured(self._session.status)


class _TimedWords:
    """The session's sink: counts the segments that come, which are its finals in order."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._count = 0

    def write(self, segment: Segment) -> None:
        """See ``SegmentSink``."""
        self._listener.timed(self._count, segment)
        self._count += 1

    def close(self) -> None:
        """Nothing is open."""
