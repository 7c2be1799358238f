"""The types of what actions take: each reads a value, or tells what it expected.

What is said is text of strangers until one of these has read it.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from earshot.assistant.actions.filling import Phrase, filled
from earshot.assistant.actions.plain_text import disguised, unfit
from earshot.core.errors import ActionError, nearest

MAX_CHARACTERS = 1000
MAX_NAME = 80
_MAX_PART = 255
"""Bytes in the name of a file or folder, on the usual disks."""


class ValueType(Protocol):
    """A type of values."""

    @property
    def expected(self) -> str:
        """What is expected, as in "a number from 0 to 100"."""
        ...

    def read(self, value: object, home: Path) -> Any:
        """The value as the action wants it. home: the user's folder, for ``~``. Raises ActionError."""
        ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of an action.

    is_required: it must be in the file or be said. is_spoken: where the file is silent, the slot of the same
    name gives it.
    """

    type: ValueType
    help: str = ""
    is_required: bool = False
    is_spoken: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One line of any words. is_multiline: line ends may be in it; never in what is said."""

    max_length: int = MAX_CHARACTERS
    is_multiline: bool = False

    @property
    def expected(self) -> str:
        """For messages."""
        return f"a text of up to {self.max_length} characters"

    def read(self, value: object, home: Path) -> str:  # noqa: ARG002 - the signature of all types
        """NFC, no blanks at the ends."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _not(value, self)
        text = unicodedata.normalize("NFC", str(value)).strip()
        if not text:
            raise ActionError(f"{self.expected} is expected, and there is none", fix="say it")
        if len(text) > self.max_length:
            raise ActionError(f"the text has {len(text)} characters, {self.max_length} are allowed")
        lines = text.splitlines() if self.is_multiline else [text]
        for line in lines:
            if why := unfit(line.replace("\t", " ") if self.is_multiline else line):
                raise ActionError(f"the text {_shown(text)} is refused: {why}")
        return text


@dataclass(frozen=True, slots=True)
class Name:
    """What a file, folder or project may be called: letters of one alphabet a word, digits, and `` _.,'-``."""

    max_length: int = MAX_NAME

    @property
    def expected(self) -> str:
        """For messages."""
        return f"a name of up to {self.max_length} letters, digits and spaces"

    def read(self, value: object, home: Path) -> str:
        """NFC, no blanks at the ends."""
        name = Text(self.max_length).read(value, home)
        if why := disguised(name):
            raise ActionError(f"the name {_shown(name)} is refused: {why}")
        odd = [c for c in name if not (unicodedata.category(c)[0] in "LMN" or c in " _.,'’-")]
        if odd or name[0] in ".-," or ".." in name or name.endswith("."):
            why = f"{odd[0]!r} is in it" if odd else "of its dots or its beginning"
            raise ActionError(f"the name {_shown(name)} is refused because {why}", fix=f"use {self.expected}")
        return name


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both included."""

    minimum: float | None = None
    maximum: float | None = None
    is_whole: bool = True

    @property
    def expected(self) -> str:
        """For messages."""
        kind = "a whole number" if self.is_whole else "a number"
        if self.minimum is None and self.maximum is None:
            return kind
        low = f" from {self.minimum:g}" if self.minimum is not None else ""
        return f"{kind}{low}" + (f" to {self.maximum:g}" if self.maximum is not None else "")

    def read(self, value: object, home: Path) -> float:  # noqa: ARG002 - the signature of all types
        """An int where it is whole, else a float."""
        if isinstance(value, str):
            text = value.strip()
            is_plain = text.isascii() and text.lstrip("-").replace(".", "", 1).isdigit() and len(text) < 20
            value = float(text) if is_plain else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _not(value, self)
        too_low = self.minimum is not None and value < self.minimum
        too_high = self.maximum is not None and value > self.maximum
        if too_low or too_high or (self.is_whole and value != int(value)):
            raise _not(value, self)
        return int(value) if self.is_whole else float(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    @property
    def expected(self) -> str:
        """For messages."""
        return "true or false"

    def read(self, value: object, home: Path) -> bool:  # noqa: ARG002 - the signature of all types
        """A bool."""
        if not isinstance(value, bool):
            raise _not(value, self)
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; capitals do not matter."""

    values: tuple[str, ...]

    @property
    def expected(self) -> str:
        """For messages."""
        return f"one of {', '.join(self.values)}"

    def read(self, value: object, home: Path) -> str:
        """As it stands in the file."""
        said = Text().read(value, home)
        for known in self.values:
            if known.casefold() == said.casefold():
                return known
        raise ActionError(f"{_shown(said)} is not to be chosen", fix=nearest(said, self.values))


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path below one of some folders, links followed.

    below: folders, ``~`` is the user's; empty: anywhere, for paths that stand in the file and are not said.
    """

    below: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """For messages."""
        return "a path" + (f" below {' or '.join(self.below)}" if self.below else "")

    def check(self, written: object, slots: Mapping[str, ValueType]) -> None:
        """Whether a value of the file will do: a slot that is a path by itself says below what.

        Raises ActionError.
        """
        if not isinstance(written, Phrase):
            self.read(written, Path("/"))
        elif (slot := written.only_slot) is not None and not isinstance(slots.get(slot.name), FilePath):
            raise ActionError(
                f"the slot {slot.name} could be any path",
                fix=f'write slots.{slot.name} = {{ type = "path", below = ["~/…"] }}',
            )

    def fill(self, written: Any, slots: Mapping[str, Any], home: Path) -> Path:
        """The path; a slot that is a part of it is a name, and leads neither up nor down."""
        if not isinstance(written, Phrase):
            return self.read(written, home)
        if written.only_slot is not None:
            return self.read(slots[written.only_slot.name], home)
        return self.read(filled(written, slots, lambda value: Name().read(value, home)), home)

    def read(self, value: object, home: Path) -> Path:
        """Absolute, without links and ``..``."""
        text = Text(4096).read(str(value) if isinstance(value, Path) else value, home)
        if self.below and (why := disguised(text)):
            raise ActionError(f"the path {_shown(text)} is refused: {why}")
        if any(len(part.encode()) > _MAX_PART for part in text.split("/")):
            raise ActionError(f"the path {_shown(text)} is too long")
        roots = [Path(os.path.realpath(expanded(root, home))) for root in self.below]
        start = roots[0] if roots else home
        if self.below and text.startswith("~") and not text.startswith("~/"):
            raise ActionError(f"the path {_shown(text)} is refused: it is another user's")
        path = Path(os.path.realpath(start / expanded(text, home)))
        if roots and not any(path.is_relative_to(root) for root in roots):
            raise ActionError(f"the path {_shown(text)} is not below {' or '.join(self.below)}")
        return path


@dataclass(frozen=True, slots=True)
class Address:
    """An address in the web, of one of some hosts. hosts: empty where it stands in the file and is not said."""

    hosts: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """For messages."""
        return "an address http(s)://" + (" or ".join(self.hosts) if self.hosts else "…")

    def read(self, value: object, home: Path) -> str:
        """The address as it was, when it is one."""
        text = Text(2000).read(value, home)
        if any(c.isspace() or c in '\\"<>^`{|}' for c in text) or not text.isascii():
            raise ActionError(f"the address {_shown(text)} is refused: a character in it must be written as %…")
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise _not(text, self) from None
        if parts.scheme not in ("http", "https") or not host:
            raise _not(text, self)
        if "@" in parts.netloc:
            raise ActionError(f"the address {_shown(text)} is refused: it holds a user's name")
        if self.hosts and host.lower() not in self.hosts:
            raise ActionError(f"the host {host} is not among {', '.join(self.hosts)}")
        return text


@dataclass(frozen=True, slots=True)
class ListOf:
    """Some values of one type."""

    item: ValueType
    min_length: int = 0

    @property
    def expected(self) -> str:
        """For messages."""
        return f"a list, each {self.item.expected}"

    def read(self, value: object, home: Path) -> tuple[Any, ...]:
        """All of them read."""
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) < self.min_length:
            raise _not(value, self)
        return tuple(self.item.read(item, home) for item in value)


@dataclass(frozen=True, slots=True)
class TableOf:
    """Names with values of one type."""

    item: ValueType

    @property
    def expected(self) -> str:
        """For messages."""
        return f"names, each with {self.item.expected}"

    def read(self, value: object, home: Path) -> dict[str, Any]:
        """All of them read."""
        if not isinstance(value, Mapping):
            raise _not(value, self)
        return {str(name): self.item.read(item, home) for name, item in value.items()}


@dataclass(frozen=True, slots=True)
class Data:
    """Anything that JSON can hold; texts in it are read as Text."""

    @property
    def expected(self) -> str:
        """For messages."""
        return "names with texts, numbers, lists or further names"

    def read(self, value: object, home: Path) -> Any:
        """The same, of dicts, lists and plain values."""
        match value:
            case str():
                return Text(is_multiline=True).read(value, home) if value else ""
            case bool() | int() | float() | None:
                return value
            case Mapping():
                return {str(name): self.read(item, home) for name, item in value.items()}
            case list() | tuple():
                return [self.read(item, home) for item in value]
        raise _not(value, self)


def expanded(text: str, home: Path) -> str:
    """``~`` and ``~/…`` for the user's folder."""
    if text == "~":
        return str(home)
    return str(home / text[2:]) if text.startswith("~/") else text


def choices(values: Collection[str]) -> Choice:
    """A choice of these, sorted."""
    return Choice(tuple(sorted(values)))


def _not(value: object, wanted: ValueType) -> ActionError:
    return ActionError(f"{wanted.expected} is expected, not {_shown(value)}")


def _shown(value: object) -> str:
    """A value within a message: short, and with nothing that a terminal would obey."""
    text = ascii(value) if isinstance(value, str) and unfit(value) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
