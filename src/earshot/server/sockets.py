"""WebSockets as the protocols want them: bounded waiting, an end in good order, nobody left hanging."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

_log = logging.getLogger("earshot.server")

_SEND_TIMEOUT = 30.0
"""Seconds that a client may take to read what it is sent."""

NORMAL, GOING_AWAY, UNSUPPORTED_DATA, INVALID_DATA, POLICY, TOO_BIG, INTERNAL, TRY_LATER = (
    1000,
    1001,
    1003,
    1007,
    1008,
    1009,
    1011,
    1013,
)
"""Close codes of RFC 6455 and its registry."""


class ConversationOverError(Exception):
    """The client is gone, or does not read any more."""


class Conversation:
    """An accepted WebSocket. Iterating gives messages, until the client leaves or the server has to stop.

    is_stopping: whether the server's stop ended the iteration; what is open shall be finished then.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._idle_timeout: float = websocket.app.state.options.idle_timeout
        self._stopping: asyncio.Event = websocket.app.state.stopping
        self.is_stopping = False
        self.is_gone = False

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Text and binary messages in order. Ends when the client closes, is silent too long, or we stop."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            while True:
                received = asyncio.ensure_future(self._websocket.receive())
                done, _ = await asyncio.wait(
                    {received, stopped}, timeout=self._idle_timeout, return_when=asyncio.FIRST_COMPLETED
                )
                if received not in done:
                    received.cancel()
                    self.is_stopping = stopped in done
                    if not done:
                        await self.close(GOING_AWAY, "nothing came for too long")
                    return
                message = received.result()
                if message["type"] != "websocket.receive":
                    self.is_gone = True
                    return
                text = message.get("text")
                yield text if text is not None else message.get("bytes") or b""
        finally:
            stopped.cancel()

    async def send(self, document: dict[str, Any]) -> None:
        """A JSON message. Raises ConversationOverError when the client is gone or does not read."""
        await self.send_text(json.dumps(document))  # ASCII: what clients sent may hold halves of characters

    async def send_text(self, text: str) -> None:
        """A text message. See ``send``."""
        try:
            await asyncio.wait_for(self._websocket.send_text(text), _SEND_TIMEOUT)
        except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError) as error:
            self.is_gone = True
            raise ConversationOverError from error

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, unless that was said already. reason: at most 123 bytes count."""
        if self.is_gone or self._websocket.application_state is not WebSocketState.CONNECTED:
            return
        self.is_gone = True
        reason = reason.encode()[:120].decode(errors="ignore")
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            await asyncio.wait_for(self._websocket.close(code, reason), _SEND_TIMEOUT)


@asynccontextmanager
async def conversation(websocket: WebSocket, subprotocol: str | None = None) -> AsyncIterator[Conversation]:
    """Accept a WebSocket for the block, and close it after it; the server waits for the block when it stops.

    A client that goes away ends the block quietly.
    """
    talk = Conversation(websocket)
    try:
        await websocket.accept(subprotocol)
        yield talk
    except (ConversationOverError, WebSocketDisconnect):
        talk.is_gone = True
    except Exception as error:  # a fault of ours, or of an engine's library: told, and nobody else disturbed
        _log.exception("a WebSocket met a fault: %s", type(error).__name__)
        await talk.close(INTERNAL, "internal error")
    finally:
        await talk.close(GOING_AWAY if talk.is_stopping else NORMAL)
