"""The types that an actions file may give to slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.assistant.actions.values import (
    MAX_CHARACTERS,
    Address,
    Choice,
    FilePath,
    Name,
    Number,
    Text,
    ValueType,
)
from earshot.core.errors import ActionError, nearest


@dataclass(frozen=True, slots=True)
class Spoken:
    """What no type was given to: a number of the grammar stays one, all else is a text."""

    @property
    def expected(self) -> str:
        """For messages."""
        return "words or a number"

    def read(self, value: object, home: Path) -> str | float:
        """The number, or the text."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Number(is_whole=isinstance(value, int)).read(value, home)
        return Text().read(value, home)


@dataclass(frozen=True, slots=True)
class SlotType:
    """A slot. default: where nothing is said. is_secret: it is never written down."""

    type: ValueType
    default: object | None = None
    is_secret: bool = False


_COMMON = ("type", "default", "secret")


def slot_type(entry: Mapping[str, Any]) -> SlotType:
    """An entry such as ``{type = "number", from = 0, to = 100}``. Raises ActionError."""
    name = entry.get("type", "text")
    if name not in _TYPES:
        raise ActionError(f"there is no type {name!r}", fix=nearest(str(name), _TYPES))
    keys, make = _TYPES[name]
    for key in entry:
        if key not in (*_COMMON, *keys):
            raise ActionError(f"the type {name} has no {key!r}", fix=nearest(key, [*_COMMON, *keys]))
    if not isinstance(entry.get("secret", False), bool):
        raise ActionError("secret is true or false")
    return SlotType(make(entry), entry.get("default"), entry.get("secret", False))


def _text(entry: Mapping[str, Any]) -> ValueType:
    return Text(_length(entry))


def _name(entry: Mapping[str, Any]) -> ValueType:
    return Name(min(_length(entry), 200) if "max_length" in entry else Name().max_length)


def _length(entry: Mapping[str, Any]) -> int:
    return int(Number(1, 100_000).read(entry.get("max_length", MAX_CHARACTERS), Path("/")))


def _number(entry: Mapping[str, Any]) -> ValueType:
    low, high = entry.get("from"), entry.get("to")
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, int | float | None):
            raise ActionError("from and to are numbers", fix="write from = 0, to = 100")
    if low is not None and high is not None and low > high:
        raise ActionError("no number is allowed", fix="let from be below to")
    return Number(low, high, is_whole=not isinstance(low, float) and not isinstance(high, float))


def _choice(entry: Mapping[str, Any]) -> ValueType:
    return Choice(_texts(entry, "values"))


def _path(entry: Mapping[str, Any]) -> ValueType:
    return FilePath(_texts(entry, "below"))


def _url(entry: Mapping[str, Any]) -> ValueType:
    return Address(tuple(host.lower() for host in _texts(entry, "hosts")))


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """What is said may be one of these, so there must be some."""
    found = entry.get(key)
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
        raise ActionError(f"the type {entry['type']} needs {key}", fix=f'write {key} = ["…"]')
    return tuple(found)


_TYPES: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], ValueType]]] = {
    "text": (("max_length",), _text),
    "name": (("max_length",), _name),
    "number": (("from", "to"), _number),
    "choice": (("values",), _choice),
    "path": (("below",), _path),
    "url": (("hosts",), _url),
}
