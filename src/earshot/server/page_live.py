"""Live sessions of the page: each in a room that outlives its connection for a while."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from earshot.audio.capture import Microphone, Notice, Source
from earshot.core.errors import EarshotError, EngineError
from earshot.core.types import SAMPLE_RATE, Final, Partial, Samples, Segment, SpeechStarted
from earshot.live import Session
from earshot.live.journal import segment_fields
from earshot.live.session import SessionEvent, SessionStatus
from earshot.live.stored import open_session
from earshot.server.errors import TooManyError
from earshot.server.library_types import LibrarySession
from earshot.server.page_messages import Begin
from earshot.server.page_source import PageSource, SharedRecognizer, shared_tracker
from earshot.server.page_state import PageState
from earshot.server.page_titles import is_untitled, title_from_text, untitled
from earshot.transcription import SpeakerOptions, TranscriptionOptions

_KEPT = 120.0
"""Seconds for which a room that has ended can still say so."""

Tell = Callable[[dict[str, Any]], None]


class LiveRoom:
    """One recording: the session on a thread of its own, and what was told of it.

    Made on the event loop. id: of the session, known once ``opened`` is done, which raises where the sound card
    does not open. events: what stays, in order; a page that comes back gets those that it has not heard.
    ended: set when everything is in the library.
    """

    def __init__(self, state: PageState, begin: Begin) -> None:
        self.key = secrets.token_urlsafe(16)
        self.id = ""
        self.events: list[dict[str, Any]] = []
        self.ended = asyncio.Event()
        self.is_from_device = begin.device is not None
        self._state = state
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        served = state.pool.find(begin.engine)
        served.check_language(begin.language)
        self._source: Source = Microphone(begin.device) if self.is_from_device else PageSource(begin.label)
        language = begin.language or served.language
        self._session = Session(
            self._source,
            TranscriptionOptions(
                engine=served.engine, language=language, speakers=SpeakerOptions() if begin.diarize else None
            ),
            recognizer=SharedRecognizer(state.pool, served, self._loop),
            sinks=[_TimedWords(self._timed)],
            home=state.sessions_folder,
            duration=state.options.max_duration,
            aligners=state.pool.aligners,
            punctuators=state.pool.punctuators,
            tracker=shared_tracker(state.pool, self._loop),
        )
        self._is_diarized = begin.diarize
        self._engine = served.name
        self._language = language
        self._tell: Tell | None = None
        self._expected = 0
        self._num_received = 0
        self._on_their_way: deque[tuple[int, int]] = deque()  # a block's number, and the samples up to its end
        self._num_durable_blocks = 0
        self._wanted_blocks: int | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name="earshot-page-session", daemon=True)

    def start(self) -> None:
        """Begin to record."""
        self._thread.start()

    # --- the page's side, on the event loop ------------------------------------------------------------------

    def attach(self, tell: Tell) -> None:
        """A page is there; one that was there before is told that it lost the room."""
        if self._farewell is not None:
            self._farewell.cancel()
            self._farewell = None
        if self._tell is not None:
            self._tell({"type": "taken"})
        self._tell = tell

    def detach(self, tell: Tell) -> None:
        """The page is gone; if none comes back, the recording ends in good order."""
        if self._tell is tell:
            self._tell = None
            if not self.ended.is_set():
                self._farewell = self._loop.call_later(self._state.grace, self.stop)

    def take(self, number: int, samples: Samples) -> bool:
        """The block of that number. Whether the page shall go back to ``expected``."""
        if number != self._expected or not isinstance(self._source, PageSource):
            return number > self._expected
        self._source.put(samples)
        self._expected += 1
        self._num_received += len(samples)
        self._on_their_way.append((number, self._num_received))
        self._stop_when_complete()
        return False

    def stop_after(self, num_blocks: int) -> None:
        """End once so many blocks are here; of a sound card, at once."""
        self._wanted_blocks = num_blocks
        self._stop_when_complete()

    def _stop_when_complete(self) -> None:
        if self._wanted_blocks is not None and (self.is_from_device or self._expected >= self._wanted_blocks):
            self.stop()

    def stop(self) -> None:
        """End soon, after what was captured. May be called twice, and from any thread."""
        self._session.stop()

    @property
    def num_expected(self) -> int:
        """The next block's number."""
        return self._expected

    @property
    def num_durable(self) -> int:
        """Blocks from the first on whose sound is on the disk, where it survives the end of this process."""
        journal = self._session.journal
        if journal is not None:
            written = journal.audio.num_samples - round(journal.audio.waiting * SAMPLE_RATE)
            while self._on_their_way and self._on_their_way[0][1] <= written:
                self._num_durable_blocks = self._on_their_way.popleft()[0] + 1
        return self._num_durable_blocks

    @property
    def status(self) -> SessionStatus:
        """How loud it is, how much waits."""
        return self._session.status

    # --- the session's side, on its thread -------------------------------------------------------------------

    def _run(self) -> None:
        problem: str | None = None
        try:
            with self._session as session:
                assert session.journal is not None, "sessions of the page keep a journal"
                self.id = session.journal.id
                self._enter_library()
                self._on_loop(_settle, self.opened, None)
                for event in session:
                    self._hear(event)
        except EarshotError as error:
            problem = str(error)
            self._on_loop(_settle, self.opened, error)
        except Exception as error:  # a thread that dies silently would leave the page recording for ever
            failure = EngineError(f"recording has failed: {type(error).__name__}: {error}")
            problem = str(failure)
            self._on_loop(_settle, self.opened, failure)
        finally:
            self._finish(problem)

    def _enter_library(self) -> None:
        self._state.library.add(
            LibrarySession(
                self.id,
                untitled(),
                self._state.now(),
                "live",
                "recording",
                engine=self._engine,
                language=self._language,
                audio_path=f"{self._state.sessions_folder.name}/{self.id}/audio.wav",
                diarize=self._is_diarized,
            )
        )
        self._state.tell_session(self.id)

    def _hear(self, event: SessionEvent) -> None:
        match event:
            case Partial(segment, num_stable):
                self._on_loop(self._say, _partial(segment, num_stable))
            case Final(segment):
                index = self._session.status.num_finals - 1
                self._on_loop(self._note, {"kind": "final", "index": index, "segment": segment_fields(segment)})
            case SpeechStarted(time):
                self._on_loop(self._note, {"kind": "speech_started", "time": time})
            case Notice(kind, text):
                self._on_loop(self._note, {"kind": "warning", "warning": kind, "text": text})

    def _timed(self, index: int, segment: Segment) -> None:
        self._on_loop(self._note, {"kind": "words", "index": index, "segment": segment_fields(segment)})

    def _finish(self, problem: str | None) -> None:
        if self.id:
            try:
                store_journal(self._state, self.id, problem)
            except (EarshotError, OSError) as error:  # the journal has it all; the next start tries again
                problem = problem or f"the library cannot take it now, its journal is kept: {error}"
            self._state.tell_session(self.id)
        self._on_loop(self._end, problem)

    def _on_loop(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(function, *arguments)

    def _note(self, fields: dict[str, Any]) -> None:
        event = {"type": "event", "number": len(self.events), **fields}
        self.events.append(event)
        self._say(event)

    def _say(self, message: dict[str, Any]) -> None:
        if self._tell is not None:
            self._tell(message)

    def _end(self, problem: str | None) -> None:
        self._note({"kind": "ended", "session": self.id, "problem": problem})
        self.ended.set()
        if self._farewell is not None:
            self._farewell.cancel()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came. Blocking."""
        self._thread.join(timeout)
        return not self._thread.is_alive()


class LiveRooms:
    """All rooms of a server, by session. On the event loop."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._rooms: dict[str, LiveRoom] = {}
        self._opening: set[LiveRoom] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, begin: Begin) -> LiveRoom:
        """A room that records. Raises EarshotError where that cannot be."""
        pool = self._state.pool
        if pool.num_streams + len(self._opening) >= pool.options.max_sessions:
            raise TooManyError(
                f"{pool.options.max_sessions} streams listen already", fix="try again when one has ended"
            )
        room = LiveRoom(self._state, begin)
        self._opening.add(room)
        room.start()
        try:
            await asyncio.shield(room.opened)
        except asyncio.CancelledError:
            room.stop()
            raise
        finally:
            self._opening.discard(room)
        self._rooms[room.id] = room
        task = asyncio.create_task(self._forget(room))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return room

    def find(self, session_id: str, key: str) -> LiveRoom | None:
        """The room, for whoever holds its key."""
        room = self._rooms.get(session_id)
        return room if room is not None and secrets.compare_digest(room.key, key) else None

    async def close(self, timeout: float) -> None:
        """Stop all, and wait until they are in the library."""
        rooms = [*self._rooms.values(), *self._opening]
        for room in rooms:
            room.stop()
        for room in rooms:
            await asyncio.to_thread(room.join, timeout)
        for task in self._tasks:
            task.cancel()

    async def _forget(self, room: LiveRoom) -> None:
        await room.ended.wait()
        await asyncio.sleep(_KEPT)
        self._rooms.pop(room.id, None)


def store_journal(
    state: PageState, session_id: str, problem: str | None = None, *, recovered: bool = False
) -> None:
    """Bring what a session's journal holds into the library. Raises SessionError, OutputError."""
    stored = open_session(state.sessions_folder / session_id)
    transcript = stored.transcript()
    session = state.library.get(session_id)
    state.library.put_transcript(
        session_id, transcript, "recovered" if recovered or problem else "ready", problem
    )
    if is_untitled(session.title) and (title := title_from_text(transcript.text)):
        state.library.rename(session_id, title)


def _partial(segment: Segment, num_stable: int) -> dict[str, Any]:
    return {"type": "partial", "text": segment.text, "start": segment.start, "num_stable": num_stable}


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        future.exception()  # whoever asked may be gone


class _TimedWords:
    """The session's sink: its segments are the finals in order, with the times of their words."""

    def __init__(self, tell: Callable[[int, Segment], None]) -> None:
        self._tell = tell
        self._count = 0

    def write(self, segment: Segment) -> None:
        self._tell(self._count, segment)
        self._count += 1

    def close(self) -> None:
        return
