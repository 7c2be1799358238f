"""Wyoming's events off a socket, with limits that the package's own reader does not have."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wyoming.event import Event

from earshot.server.errors import RequestError

_MAX_LINE = 16_384
_MAX_DATA = 1024**2
_MAX_PAYLOAD = 4 * 1024**2
"""Bytes; a chunk of sound is a few thousand."""


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event; None at the end of the stream.

    Raises RequestError for what is none, and for more than our limits.
    """
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise RequestError("the stream ends inside an event") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise RequestError("the header of an event is too long") from error
    header = _object(line, "the header of an event")
    data = header.get("data") or {}
    if not isinstance(data, dict) or not isinstance(header.get("type"), str):
        raise RequestError("an event has a type, and data that is an object")
    try:
        if length := _length(header, "data_length", _MAX_DATA):
            data = {**data, **_object(await reader.readexactly(length), "the data of an event")}
        length = _length(header, "payload_length", _MAX_PAYLOAD)
        payload = await reader.readexactly(length) if length else None
    except asyncio.IncompleteReadError as error:
        raise RequestError("the stream ends inside an event") from error
    return Event(header["type"], data, payload)


def text_of(event: Event, name: str) -> str | None:
    """A text of an event; JSON may hold halves of characters, which cannot be sent back."""
    value = event.data.get(name)
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else None


def line_limit() -> int:
    """Of a stream reader whose headers are read here."""
    return _MAX_LINE


def _length(header: dict[str, Any], name: str, most: int) -> int:
    value = header.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise RequestError(f"{name} is a whole number up to {most}")
    return value


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{what} is no JSON") from error
    if not isinstance(value, dict):
        raise RequestError(f"{what} is no object")
    return value
