"""The assistant that runs on this computer, as the page's remote sees it: a client of its control socket.

The socket blocks, so one thread follows what the assistant shows, and a few others ask; the event loop never
waits.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from earshot.assistant.control import events, send
from earshot.core.errors import ActionError, ServerError
from earshot.server.errors import TooManyError
from earshot.server.page_state import Feed

MAX_PAGES = 32
"""That show the assistant at once."""

_NUM_ASKING = 4
"""Threads, and so requests that the assistant is asked at once: it has room for 16 connections."""

_AGAIN = 1.0
"""Seconds between looks for an assistant that was started meanwhile; only while a page shows it."""

_MAX_TEXT = 2_000
"""Characters shown of what was heard or answered."""


class Remote:
    """What all pages share that show the assistant. Made on the event loop.

    It tells ``state`` when that changes and ``event`` for each reply, as ``page_assistant_socket`` describes
    them. Raises ServerError where the system has no Unix sockets.
    """

    def __init__(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise ServerError(
                "this system has no Unix sockets, so the page cannot reach the assistant",
                fix="leave --assistant out",
            )
        self._feed = Feed(asyncio.get_running_loop())
        self._asking = ThreadPoolExecutor(_NUM_ASKING, thread_name_prefix="earshot-remote")
        self._lock = threading.Lock()
        self._status_lock = threading.Lock()
        self._closing = threading.Event()
        self._num_pages = 0
        self._follower: threading.Thread | None = None
        self._state: dict[str, Any] | None = None

    async def close(self) -> None:
        """Requests on their way are brought to an end; a key that is held is let go of."""
        self._closing.set()
        await asyncio.to_thread(self._asking.shutdown)

    @contextmanager
    def watched(self) -> Iterator[asyncio.Queue[dict[str, Any]]]:
        """What a page is told while it shows the assistant, its state first. Raises TooManyError."""
        with self._lock:
            if self._num_pages >= MAX_PAGES:
                raise TooManyError("too many pages show the assistant", fix="close one of them")
            self._num_pages += 1
            queue = self._feed.join()
            if self._follower is None:
                self._state = None
                self._follower = threading.Thread(target=self._follow, name="earshot-remote", daemon=True)
                self._follower.start()
            elif self._state is not None:
                queue.put_nowait(self._state)
        try:
            yield queue
        finally:
            self._feed.leave(queue)
            with self._lock:
                self._num_pages -= 1

    async def ask(self, request: Mapping[str, Any]) -> None:
        """Have the assistant do it; what becomes of it comes as events. Raises ActionError."""
        await asyncio.get_running_loop().run_in_executor(self._asking, self._ask, request)

    def let_go(self) -> None:
        """Of the key that is held down; returns at once."""
        with suppress(RuntimeError):  # closed
            self._asking.submit(self._ask, {"do": "release"})

    # --- on threads ---

    def _ask(self, request: Mapping[str, Any]) -> None:
        if request["do"] == "confirm":
            # Another page, or a voice, may have begun another order since the question was read.
            if send({"do": "status"}).get("question") != request["question"]:
                raise ActionError("that is not what is asked any more", fix="read the question again")
            request = {"do": "confirm", "yes": request["yes"]}
        send(request)
        self._refresh()

    def _follow(self) -> None:
        """As long as a page shows it, through its ends and new beginnings."""
        while self._is_watched():
            problem = ActionError("the assistant has ended", fix="start it again: earshot assistant run")
            try:
                for number, event in enumerate(events()):
                    if number:  # the first line only says that events will come
                        self._feed.tell(_shown(event))
                    self._refresh()
                    if number and not self._is_watched():
                        return
            except ActionError as error:
                problem = error
            except (ValueError, RecursionError):
                problem = ActionError("what the assistant says is no JSON", fix="start it again")
            self._set({"type": "state", "running": False, "problem": problem.message, "fix": problem.fix})
            self._closing.wait(_AGAIN)

    def _is_watched(self) -> bool:
        """Whether the thread that asks shall go on; if not, it is forgotten, and has to end."""
        with self._lock:
            if self._num_pages and not self._closing.is_set():
                return True
            self._follower = None
            return False

    def _refresh(self) -> None:
        """One at a time, so that what is told last is the newest. Raises ActionError where none runs."""
        with self._status_lock:
            status = send({"do": "status"})
            self._set(
                {
                    "type": "state",
                    "running": True,
                    "phase": _text(status.get("phase")),
                    "question": _text(status.get("question")),
                    "dictating": bool(status.get("dictating")),
                }
            )

    def _set(self, state: dict[str, Any]) -> None:
        with self._lock:
            if state != self._state:
                self._state = state
                self._feed.tell(state)


def _shown(event: object) -> dict[str, Any]:
    row = event if isinstance(event, dict) else {}
    return {"type": "event", "kind": _text(row.get("type")), "text": _text(row.get("text"))}


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""
