"""What the page's routes share while the server runs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earshot.core.errors import EarshotError
from earshot.server.library import Library, timestamp
from earshot.server.library_types import LibrarySession
from earshot.server.pool import RecognizerPool
from earshot.server.settings import ServerOptions

_MOST_WAITING = 1_000
"""Messages that a page which does not read may have waiting; then it is told to ask again for all."""


class Feed:
    """Tells all open pages what changes. ``tell`` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: set[asyncio.Queue[dict[str, Any]]] = set()

    def join(self) -> asyncio.Queue[dict[str, Any]]:
        """What a page is told from now on."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._queues.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        """It is gone."""
        self._queues.discard(queue)

    def tell(self, message: dict[str, Any]) -> None:
        """Pass it to all."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._pass_on, message)

    def _pass_on(self, message: dict[str, Any]) -> None:
        for queue in self._queues:
            if queue.qsize() < _MOST_WAITING:
                queue.put_nowait(message)
            elif queue.qsize() == _MOST_WAITING:
                queue.put_nowait({"type": "missed"})


class PageState:
    """Made on the event loop.

    grace: seconds for which a live session waits for a page whose connection broke. now: tells the time.
    """

    def __init__(
        self,
        options: ServerOptions,
        pool: RecognizerPool,
        library: Library,
        *,
        grace: float = 30.0,
        now: Callable[[], str] = timestamp,
    ) -> None:
        self.options = options
        self.pool = pool
        self.library = library
        self.grace = grace
        self.now = now
        self.feed = Feed(asyncio.get_running_loop())

    @property
    def sessions_folder(self) -> Path:
        """The journals of live sessions."""
        return self.options.data_folder / "sessions"

    @property
    def recordings_folder(self) -> Path:
        """Uploaded recordings, a folder each."""
        return self.options.data_folder / "recordings"

    def cache_folder(self, session_id: str) -> Path:
        """What can be made again: peaks, a copy to listen to."""
        return self.options.data_folder / "server" / "cache" / session_id

    def audio_path(self, session: LibrarySession) -> Path | None:
        """Where its sound lies, None where there is none (any more)."""
        if session.audio_path is None:
            return None
        path = self.options.data_folder / session.audio_path
        return path if path.is_file() else None

    def tell_session(self, session_id: str) -> None:
        """All pages: this session is new, has changed, or is gone."""
        try:
            session = self.library.get(session_id)
        except EarshotError:
            self.feed.tell({"type": "deleted", "id": session_id})
        else:
            self.feed.tell({"type": "session", "session": asdict(session)})

    def remove_files(self, session: LibrarySession) -> None:
        """All that lies on disk of a session that is no longer in the library."""
        for folder in (
            self.sessions_folder / session.id,
            self.recordings_folder / session.id,
            self.cache_folder(session.id),
        ):
            shutil.rmtree(folder, ignore_errors=True)
