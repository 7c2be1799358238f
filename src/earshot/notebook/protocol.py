"""What the page and the kernel say to each other, checked: a page is outside, whoever wrote its script.

Page to kernel, by ``type``:

    hello    {client}                                         a page is there; answered by a snapshot
    begin    {client, source: "browser", recording, label}    sound of that recording follows
             {client, source: "kernel:" + number}             record with the kernel's own sound card
    audio    {recording, sequence, is_last} + [16 kHz mono s16le]    batch number ``sequence``, from 0
    stop     {}                                               end what the sound card records
    choose   {engine, language}        pane {pane, is_open, language}        clear {}        devices {}
    export   {client, format}          bye {client}           the last view of that page is gone

Kernel to page: ``snapshot`` (all that is to be shown), ``status``, ``final``, ``partial``, ``level``, ``pane``,
``devices``, ``document``, ``start`` and ``stop`` (asked for in Python), and ``ack {recording, expected,
is_behind}``: all batches before ``expected`` have arrived; with ``is_behind`` the page shall go back to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from earshot.audio.journal import from_pcm
from earshot.core.errors import EarshotError
from earshot.core.types import SAMPLE_RATE, Samples

MAX_BATCH_SECONDS = 60
"""The page sends a fifth of a second at a time."""

PANES = ("summary", "translation")

_MAX_NAME = 200
_IDENTITY = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_CHOICE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,3}", re.ASCII)


class MessageError(EarshotError, ValueError):
    """The page sent something that is no message of ours."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A page is there and wants to know how things are."""

    client: str


@dataclass(frozen=True, slots=True)
class BeginBrowser:
    """Sound of that recording follows. label: the microphone's name, for people."""

    client: str
    recording: str
    label: str


@dataclass(frozen=True, slots=True)
class BeginKernel:
    """Record with the kernel's sound card; device: PortAudio's number."""

    client: str
    device: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The next samples: float32 (n,), 16 kHz, n may be 0."""

    recording: str
    sequence: int
    samples: Samples
    is_last: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """End what the sound card records."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget what was written down."""


@dataclass(frozen=True, slots=True)
class AskDevices:
    """List the kernel's sound cards again."""


@dataclass(frozen=True, slots=True)
class Choose:
    """The engine, and its language or None for its own choice."""

    engine: str
    language: str | None


@dataclass(frozen=True, slots=True)
class OpenPane:
    """Show or hide the summary or the translation; language: to translate into."""

    pane: str
    is_open: bool
    language: str | None


@dataclass(frozen=True, slots=True)
class Export:
    """Send the transcript as a file of that format."""

    client: str
    format: str


@dataclass(frozen=True, slots=True)
class Bye:
    """Nobody sees the widget on that page any more."""

    client: str


Message: TypeAlias = (
    Hello | BeginBrowser | BeginKernel | Batch | Stop | Clear | AskDevices | Choose | OpenPane | Export | Bye
)


def parse(content: object, buffers: Sequence[object] | None = ()) -> Message:
    """The message of a page. Raises MessageError for anything else."""
    if not isinstance(content, Mapping):
        raise MessageError("it is no object")
    match content.get("type"):
        case "hello":
            return Hello(_identity(content, "client"))
        case "begin":
            return _begin(content)
        case "audio":
            return _batch(content, buffers or ())
        case "stop":
            return Stop()
        case "clear":
            return Clear()
        case "devices":
            return AskDevices()
        case "choose":
            return Choose(_text(content, "engine", _CHOICE), _language(content))
        case "pane":
            if content.get("pane") not in PANES:
                raise MessageError(f"there is no pane {content.get('pane')!r:.50}")
            return OpenPane(content["pane"], _flag(content, "is_open"), _language(content))
        case "export":
            return Export(_identity(content, "client"), _text(content, "format", _IDENTITY))
        case "bye":
            return Bye(_identity(content, "client"))
        case other:
            raise MessageError(f"there is no message {other!r:.50}")


def _begin(content: Mapping[Any, Any]) -> BeginBrowser | BeginKernel:
    client = _identity(content, "client")
    source = content.get("source")
    if source == "browser":
        label = content.get("label")
        shown = "".join(char for char in label if char.isprintable()) if isinstance(label, str) else ""
        return BeginBrowser(client, _identity(content, "recording"), shown[:_MAX_NAME] or "microphone")
    kind, _, number = source.partition(":") if isinstance(source, str) else ("", "", "")
    if kind != "kernel" or not re.fullmatch(r"[0-9]{1,4}", number, re.ASCII):
        raise MessageError(f"there is no source {source!r:.50}")
    return BeginKernel(client, int(number))


def _batch(content: Mapping[Any, Any], buffers: Sequence[object]) -> Batch:
    sequence = content.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence < 2**53:
        raise MessageError("a batch has no number")
    if len(buffers) != 1:
        raise MessageError(f"a batch has one piece of sound, not {len(buffers)}")
    return Batch(_identity(content, "recording"), sequence, _samples(buffers[0]), _flag(content, "is_last"))


def _samples(buffer: object) -> Samples:
    try:
        view = memoryview(buffer)  # type: ignore[arg-type]
    except TypeError:
        raise MessageError("the sound is not binary") from None
    if view.nbytes > MAX_BATCH_SECONDS * SAMPLE_RATE * 2:
        raise MessageError(f"a batch is at most {MAX_BATCH_SECONDS} s long")
    if view.nbytes % 2:
        raise MessageError("the sound ends within a sample")
    return from_pcm(view.tobytes())


def _identity(content: Mapping[Any, Any], key: str) -> str:
    return _text(content, key, _IDENTITY)


def _text(content: Mapping[Any, Any], key: str, allowed: re.Pattern[str]) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not allowed.fullmatch(value):
        raise MessageError(f"{key!r} is not as it should be")
    return value


def _flag(content: Mapping[Any, Any], key: str) -> bool:
    value = content.get(key)
    if not isinstance(value, bool):
        raise MessageError(f"{key!r} is neither true nor false")
    return value


def _language(content: Mapping[Any, Any]) -> str | None:
    return None if content.get("language") is None else _text(content, "language", _LANGUAGE)


class BatchOrder:
    """Puts the batches of one recording in order: each once, none left out.

    A batch that comes again is dropped. One that comes too early is dropped too, and ``is_behind`` asks the
    page, which keeps all that was not acknowledged, to go back to ``expected``.
    """

    def __init__(self) -> None:
        self.expected = 0
        self.is_behind = False
        self.is_complete = False

    def accept(self, batch: Batch) -> Samples | None:
        """Its samples when it is the next one, else None."""
        self.is_behind = not self.is_complete and batch.sequence > self.expected
        if self.is_complete or batch.sequence != self.expected:
            return None
        self.expected += 1
        self.is_complete = batch.is_last
        return batch.samples
