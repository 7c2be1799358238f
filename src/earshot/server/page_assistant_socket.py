"""The page's remote of the assistant: ``/api/assistant``, a WebSocket of JSON.

Page to server, by ``do``:

    toggle, push, release, cancel      as the keys of ``earshot assistant``
    confirm  {yes, question}           an answer to that question, and to no other
    say      {text}                    a typed order
    ping     {}                        I am still here; while ``push`` is held, every few seconds

Server to page, by ``type``:

    state    {running, phase, question, dictating}, or {running: false, problem, fix}
    event    {kind, text}              what the assistant shows: heard, question, done, …
    missed   {}                        the page read too slowly: connect again
    error    {message, fix}            the request was not met; for what is none, the end follows
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from fastapi import APIRouter, WebSocket

from earshot.core.errors import ActionError, EarshotError
from earshot.server.page_assistant import Remote
from earshot.server.page_messages import MAX_TEXT, MessageError
from earshot.server.sockets import (
    INVALID_DATA,
    POLICY,
    TRY_LATER,
    Conversation,
    ConversationOverError,
    conversation,
)

_HOLD = 10.0
"""Seconds without a sign of life after which a key that a page holds down is let go of."""

_END: dict[str, Any] = {}
"""The last message of a queue; it is not sent."""

_PLAIN = ("toggle", "push", "release", "cancel", "ping")


def assistant_router() -> APIRouter:
    """The socket."""
    router = APIRouter()

    @router.websocket("/api/assistant")
    async def assistant(socket: WebSocket) -> None:
        remote: Remote | None = socket.app.state.remote
        async with conversation(socket) as talk:
            if remote is None:
                off = ActionError("the remote is off", fix="start the server with: earshot serve --assistant")
                await _refuse(talk, off, POLICY)
                return
            try:
                with remote.watched() as queue:
                    await _serve(talk, remote, queue)
            except MessageError as error:
                await _refuse(talk, error, INVALID_DATA)
            except EarshotError as error:
                await _refuse(talk, error, TRY_LATER)

    return router


async def _serve(talk: Conversation, remote: Remote, queue: asyncio.Queue[dict[str, Any]]) -> None:
    speaking = asyncio.create_task(_speak(talk, queue))
    key = _Key(remote)
    try:
        async for message in talk.messages():
            request = read_request(message)
            if not key.is_wanted(request):
                continue
            try:
                await remote.ask(request)
            except ActionError as error:
                key.answered(request, is_done=False)
                await talk.send(_told(error))
            else:
                key.answered(request, is_done=True)
    finally:
        key.let_go()
        queue.put_nowait(_END)  # before Python 3.12 a cancellation may be lost in the waiting for what is sent
        with contextlib.suppress(ConversationOverError):
            await speaking


async def _speak(talk: Conversation, queue: asyncio.Queue[dict[str, Any]]) -> None:
    while message := await queue.get():
        await talk.send(message)


async def _refuse(talk: Conversation, error: EarshotError, code: int) -> None:
    await talk.send(_told(error))
    await talk.close(code, error.message)


def _told(error: EarshotError) -> dict[str, Any]:
    return {"type": "error", "message": error.message, "fix": error.fix}


class _Key:
    """Push-to-talk of one page: nobody who has gone away keeps the microphone open."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._is_down = False
        self._patience: asyncio.TimerHandle | None = None

    def is_wanted(self, request: dict[str, Any]) -> bool:
        """Whether the assistant has to be asked; a key that is up cannot be let go of."""
        self._stop_waiting()
        if request["do"] == "release":
            return self._is_down
        if request["do"] == "push":
            self._is_down = True  # also when the answer is never seen
        elif self._is_down:
            self._wait()
        return bool(request["do"] != "ping")

    def answered(self, request: dict[str, Any], *, is_done: bool) -> None:
        """By the assistant. What it was too busy to let go of is let go of later."""
        self._stop_waiting()
        if is_done and request["do"] == "release":
            self._is_down = False
        elif self._is_down:
            self._wait()

    def let_go(self) -> None:
        """The page is gone, or silent."""
        self._stop_waiting()
        if self._is_down:
            self._is_down = False
            self._remote.let_go()

    def _wait(self) -> None:
        self._patience = asyncio.get_running_loop().call_later(_HOLD, self.let_go)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def read_request(message: str | bytes) -> dict[str, Any]:
    """A request, checked, without fields that are not its own. Raises MessageError."""
    if not isinstance(message, str) or len(message) > MAX_TEXT:
        raise MessageError("a message is too long, or no text")
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise MessageError("a message is no JSON") from error
    match fields:
        case {"do": str() as name} if name in _PLAIN:
            return {"do": name}
        case {"do": "confirm", "yes": bool() as is_yes, "question": str() as question}:
            return {"do": "confirm", "yes": is_yes, "question": question}
        case {"do": "say", "text": str() as text} if text.strip():
            return {"do": "say", "text": text}
    raise MessageError("a message is no request", fix='as in {"do": "say", "text": "start music"}')
