"""A browser's microphone as a source of a live session, and the recognizer that such a session shares."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from earshot.audio.capture import Notice
from earshot.core.types import Audio, Event, Grammar, Samples, Transcript
from earshot.engines import RecognitionStream
from earshot.live.speakers import SpeakerTracker, TrackerFactory
from earshot.server.errors import TooManyError
from earshot.server.pool import RecognizerPool, Served
from earshot.server.uploads import PooledRecognizer
from earshot.speakers.types import Turn
from earshot.transcription import SpeakerOptions

Result = TypeVar("Result")


class PageSource:
    """Gives out what ``put`` takes, in order, until ``stop``. See ``Source``.

    Whether a page is gone is not its business: a room waits for it, then stops the source.
    """

    is_live = True
    is_microphone = True
    num_overruns = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self.notices: deque[Notice] = deque(maxlen=100)
        self._condition = threading.Condition()
        self._blocks: deque[Samples] = deque()
        self._is_ended = False

    def put(self, samples: Samples) -> None:
        """The next samples: float32 (n,), 16 kHz. After the end they are dropped."""
        with self._condition:
            if not self._is_ended:
                self._blocks.append(samples)
                self._condition.notify_all()

    def stop(self) -> None:
        """No more comes; what is there is still given out."""
        with self._condition:
            self._is_ended = True
            self._condition.notify_all()

    def __enter__(self) -> PageSource:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Samples]:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._blocks or self._is_ended)
                if not self._blocks:
                    return
                block = self._blocks.popleft()
            yield block


class SharedRecognizer:
    """A recognizer for one live session whose streams compute when it is their turn among all of the server.

    loop: on which the pool's scheduler is asked. To be used on other threads than the loop's.
    """

    def __init__(self, pool: RecognizerPool, served: Served, loop: asyncio.AbstractEventLoop) -> None:
        self.name = served.name
        self.capabilities = served.capabilities
        self._pool = pool
        self._served = served
        self._loop = loop
        self._files = PooledRecognizer(pool, served)

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> RecognitionStream:
        """Raises TooManyError where the server listens to as many as it may."""
        if self._pool.num_streams >= self._pool.options.max_sessions:
            raise TooManyError(
                f"{self._pool.options.max_sessions} streams listen already", fix="try again when one has ended"
            )
        inner = self._served.recognizer.stream(grammar=grammar, hot_words=hot_words)
        return _SharedStream(self._pool, self._served, inner, self._loop)

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """See ``Recognizer``."""
        return self._files.transcribe(audio, grammar=grammar, hot_words=hot_words)

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """See ``Recognizer``."""
        return self._files.transcribe_batch(audios, grammar=grammar, hot_words=hot_words)

    def close(self) -> None:
        """The weights are the pool's."""


def shared_tracker(pool: RecognizerPool, loop: asyncio.AbstractEventLoop) -> TrackerFactory:
    """Tells speakers apart for one live session, when it is its turn among all of the server."""
    return lambda: _SharedTracker(pool, pool.tracker(SpeakerOptions()), loop)


class _SharedTracker:
    def __init__(self, pool: RecognizerPool, inner: SpeakerTracker, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._inner = inner
        self._loop = loop

    def accept(self, samples: Samples) -> None:
        self._in_turn(lambda: self._inner.accept(samples))

    def prepare(self) -> None:
        self._in_turn(self._inner.prepare)

    def turns(self, start: float, end: float) -> Sequence[Turn]:
        return self._in_turn(lambda: self._inner.turns(start, end))

    def _in_turn(self, work: Callable[[], Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(self._pool.scheduler.run(work), self._loop).result()


class _SharedStream:
    def __init__(
        self,
        pool: RecognizerPool,
        served: Served,
        inner: RecognitionStream,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.skip_partials = False
        self._pool = pool
        self._served = served
        self._inner = inner
        self._loop = loop
        self._is_open = True
        pool.num_streams += 1

    def accept(self, samples: Samples) -> list[Event]:
        return self._in_turn(lambda: self._accept(samples))

    def finish(self) -> list[Event]:
        return self._in_turn(self._inner.finish)

    def _accept(self, samples: Samples) -> list[Event]:
        if hasattr(self._inner, "skip_partials"):
            # Whoever else waits may wait for a final, and those come first.
            self._inner.skip_partials = self.skip_partials or self._pool.scheduler.num_waiting > 0
        return self._inner.accept(samples)

    def _in_turn(self, work: Callable[[], Result]) -> Result:
        def turn() -> Result:
            with self._served.turn():
                return work()

        return asyncio.run_coroutine_threadsafe(self._pool.scheduler.run(turn), self._loop).result()

    def __enter__(self) -> _SharedStream:
        self._inner.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_open:
            self._is_open = False
            self._pool.num_streams -= 1
            self._inner.__exit__(None, None, None)
