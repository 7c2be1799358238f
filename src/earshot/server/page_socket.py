"""The page's WebSockets: ``/api/live`` for a recording, ``/api/feed`` for what changes in the library."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from earshot.core.errors import EarshotError
from earshot.server.errors import TooManyError
from earshot.server.page_live import LiveRoom, LiveRooms
from earshot.server.page_messages import (
    Begin,
    Block,
    Message,
    MessageError,
    Ping,
    Resume,
    Stop,
    read_block,
    read_text,
)
from earshot.server.page_state import PageState

_FIRST_MESSAGE = 10.0
"""Seconds that a page may take to say what it wants."""

_TICK = 0.1
"""Seconds between acknowledgements."""

_TICKS_PER_STATUS = 2

_OK, _BAD_DATA, _POLICY, _LATER = 1000, 1007, 1008, 1013


def socket_router() -> APIRouter:
    """Both sockets."""
    router = APIRouter()

    @router.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        connection = _Connection(socket, socket.app.state.page, socket.app.state.rooms)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: sent to a closed socket
            await connection.run()

    @router.websocket("/api/feed")
    async def feed(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await _follow(socket, socket.app.state.page)

    return router


async def _follow(socket: WebSocket, state: PageState) -> None:
    queue = state.feed.join()

    async def send() -> None:
        while True:
            await socket.send_json(await queue.get())

    async def receive() -> None:
        while True:  # whatever comes is only a sign of life
            await asyncio.wait_for(socket.receive_text(), state.options.idle_timeout)

    try:
        await _first_of(send(), receive(), socket.app.state.stopping.wait())
        await socket.close(_OK)
    except TimeoutError:
        await socket.close(_POLICY)
    finally:
        state.feed.leave(queue)


class _Connection:
    """One page on one socket."""

    def __init__(self, socket: WebSocket, state: PageState, rooms: LiveRooms) -> None:
        self._socket = socket
        self._state = state
        self._rooms = rooms
        self._outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._acknowledged = -1

    async def run(self) -> None:
        try:
            room = await self._room()
            if room is None:
                await self._socket.send_json({"type": "gone"})
                await self._socket.close(_OK)
                return
            await self._serve(room)
        except TooManyError as error:
            await self._refuse(error, _LATER)
        except MessageError as error:
            await self._refuse(error, _BAD_DATA)
        except EarshotError as error:
            await self._refuse(error, _POLICY)
        except TimeoutError:
            await self._refuse(MessageError("nothing came for too long"), _POLICY)

    async def _refuse(self, error: EarshotError, code: int) -> None:
        await self._socket.send_json({"type": "error", "message": error.message, "fix": error.fix})
        await self._socket.close(code)

    async def _room(self) -> LiveRoom | None:
        """What the page wants; None where it wants to go on with what is no more."""
        match await asyncio.wait_for(self._receive(), _FIRST_MESSAGE):
            case Begin() as begin:
                room = await self._rooms.open(begin)
                heard = 0
            case Resume(session, key, heard):
                found = self._rooms.find(session, key)
                if found is None:
                    return None
                room = found
            case _:
                raise MessageError("a page says first what it wants", fix="send 'begin' or 'resume'")
        self._outgoing.put_nowait(
            {
                "type": "ready",
                "session": room.id,
                "key": room.key,
                "expected": room.num_expected,
                "grace": self._state.grace,
            }
        )
        for event in room.events[heard:]:
            self._outgoing.put_nowait(event)
        return room

    async def _serve(self, room: LiveRoom) -> None:
        tell = self._outgoing.put_nowait
        room.attach(tell)
        try:
            await _first_of(self._listen(room), self._speak(), self._tick(room), self._watch(room))
        finally:
            room.detach(tell)

    async def _listen(self, room: LiveRoom) -> None:
        while True:
            match await asyncio.wait_for(self._receive(), self._state.options.idle_timeout):
                case Block(number, samples):
                    if room.take(number, samples):
                        self._acknowledge(room, is_behind=True)
                case Stop(num_blocks):
                    room.stop_after(num_blocks)
                case Ping():
                    pass
                case _:
                    raise MessageError("the recording has begun already")

    async def _receive(self) -> Message:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        if (data := message.get("bytes")) is not None:
            return read_block(data)
        return read_text(message.get("text") or "")

    async def _speak(self) -> None:
        """Until the end was told."""
        while True:
            message = await self._outgoing.get()
            await self._socket.send_json(message)
            if message["type"] == "taken" or message.get("kind") == "ended":
                await self._socket.close(_OK)
                return

    async def _tick(self, room: LiveRoom) -> None:
        count = 0
        while True:
            await asyncio.sleep(_TICK)
            self._acknowledge(room)
            count += 1
            if count % _TICKS_PER_STATUS == 0 and not room.ended.is_set():
                self._outgoing.put_nowait(_status(room))

    async def _watch(self, room: LiveRoom) -> None:
        """A server that is told to stop ends the recording; the page is told when all is written down."""
        await self._socket.app.state.stopping.wait()
        room.stop()
        await asyncio.sleep(self._state.options.stop_timeout)

    def _acknowledge(self, room: LiveRoom, *, is_behind: bool = False) -> None:
        durable = room.num_durable
        if durable > self._acknowledged or is_behind:
            self._acknowledged = durable
            expected = room.num_expected if is_behind else durable
            self._outgoing.put_nowait({"type": "ack", "expected": expected, "is_behind": is_behind})


def _status(room: LiveRoom) -> dict[str, Any]:
    status = room.status
    level = status.level.peak_dbfs
    return {
        "type": "status",
        "level": round(level, 1) if math.isfinite(level) else None,
        "recorded": round(status.recorded, 2),
        "backlog": round(status.backlog, 2),
        "delay": None if status.delay is None else round(status.delay, 2),
    }


async def _first_of(*tasks: Coroutine[Any, Any, Any]) -> None:
    """Run them until one ends; the others are cancelled. Raises what that one raised."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for task in done:
        await task
