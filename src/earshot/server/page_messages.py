"""What the page and the server say to each other over ``/api/live``, checked: a page is outside.

Page to server, as text (JSON) by ``type``, and as binary:

    begin    {source: "browser", label, engine?, language?, diarize?}   the sound of the browser follows
             {source: "device", device, engine?, language?, diarize?}   record with a sound card of the server
    resume   {session, key, heard}     go on after the connection broke; ``heard``: events that had arrived
    stop     {blocks}                  that many blocks are all (of a device: stop it)
    ping     {}                        I am still here
    binary   4 bytes number of the block from 0, little endian, then 16 kHz mono s16le

Server to page:

    ready    {session, key, expected, grace}    ``expected``: the block that is waited for
    ack      {expected, is_behind}     all blocks before it are on the disk; with ``is_behind`` go back to it
    status   {level, recorded, backlog, delay}  now and then; level in dBFS, the others in seconds
    partial  {text, start, num_stable}          what is being said; it changes
    event    {number, kind, …}         what stays and is told again after a resume; from 0
             kinds: speech_started {time}, final {index, segment}, words {index, segment},
             warning {kind, text}, ended {session, problem}
    gone     {}                        no such session any more: begin a new one with the blocks that are left
    taken    {}                        another page has taken it over
    error    {message, fix}            then the connection is closed
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

from earshot.audio.journal import from_pcm
from earshot.core.errors import EarshotError
from earshot.core.types import SAMPLE_RATE, Samples

MAX_BLOCK_SECONDS = 10.0
"""The page sends a tenth of a second at a time."""

MAX_TEXT = 10_000
"""Characters of a message."""

_MAX_NUMBER = 2**31
_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}", re.ASCII)
_CHOICE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class MessageError(EarshotError, ValueError):
    """What came is no message of ours."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Record. device: PortAudio's number of the server's sound card, None for the browser's microphone.

    diarize: tell speakers apart.
    """

    label: str
    device: int | None = None
    engine: str | None = None
    language: str | None = None
    diarize: bool = False


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on. heard: the number of events that had arrived."""

    session: str
    key: str
    heard: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End after ``num_blocks`` blocks."""

    num_blocks: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Nothing but a sign of life."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Sound: float32 (n,), 16 kHz."""

    number: int
    samples: Samples


Message: TypeAlias = Begin | Resume | Stop | Ping | Block


def read_block(data: bytes) -> Block:
    """Raises MessageError for odd bytes, nothing at all, or more than a block may hold."""
    if len(data) < 6 or len(data) % 2:
        raise MessageError(f"{len(data)} bytes are no block", fix="send 4 bytes of number, then whole samples")
    if len(data) > 4 + 2 * MAX_BLOCK_SECONDS * SAMPLE_RATE:
        raise MessageError("a block is too large", fix=f"send at most {MAX_BLOCK_SECONDS:g} s at once")
    (number,) = struct.unpack_from("<I", data)
    return Block(number, from_pcm(data[4:]))


def read_text(text: str) -> Message:
    """Raises MessageError for anything that is none of the messages above."""
    if len(text) > MAX_TEXT:
        raise MessageError("a message is too long")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("a message is no JSON") from error
    if not isinstance(fields, dict):
        raise MessageError("a message is no JSON object")
    match fields.get("type"):
        case "begin":
            return _begin(fields)
        case "resume":
            heard = _number(fields, "heard")
            return Resume(_matching(fields, "session", _IDENTITY), _matching(fields, "key", _IDENTITY), heard)
        case "stop":
            return Stop(_number(fields, "blocks"))
        case "ping":
            return Ping()
    raise MessageError("a message is of no known type", fix="see the types in the documentation of /api/live")


def _begin(fields: dict[str, Any]) -> Begin:
    engine = _matching(fields, "engine", _CHOICE) if fields.get("engine") is not None else None
    language = _matching(fields, "language", _LANGUAGE) if fields.get("language") is not None else None
    diarize = fields.get("diarize") if fields.get("diarize") is not None else False
    if not isinstance(diarize, bool):
        raise MessageError("the field 'diarize' is true or false")
    if fields.get("source") == "device":
        return Begin("", _number(fields, "device"), engine, language, diarize)
    if fields.get("source") != "browser":
        raise MessageError("a recording has the source 'browser' or 'device'")
    return Begin(_matching(fields, "label", _CHOICE), None, engine, language, diarize)


def _matching(fields: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MessageError(f"the field {name!r} is missing or wrong")
    return value


def _number(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_NUMBER:
        raise MessageError(f"the field {name!r} is no whole number")
    return value
