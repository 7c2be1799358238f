"""Texts of an actions file with ``{slot}`` in them, and what they become once the slots are known.

A value of the file is a plain value, a text with slots, or lists and tables of such. Slots are filled in as
values: where a text is a slot and nothing else, the value keeps its type; nothing that was said is read for
slots again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from earshot.core.errors import ActionError

_PIECES = re.compile(r"\{\{|\}\}|\{([^\W\d]\w*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a slot."""

    name: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text with slots in it. parts: texts and slots in their order; texts are never empty."""

    parts: tuple[str | Slot, ...]

    @property
    def only_slot(self) -> Slot | None:
        """The slot, where there is nothing else."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], Slot) else None

    @property
    def is_plain(self) -> bool:
        """Whether no slot is in it."""
        return not any(isinstance(part, Slot) for part in self.parts)


def parse(text: str) -> Phrase:
    """``{{`` and ``}}`` stand for the brackets themselves. Raises ActionError for a single bracket."""
    parts: list[str | Slot] = []
    plain, position = "", 0
    for piece in _PIECES.finditer(text):
        plain += text[position : piece.start()]
        position = piece.end()
        if piece[1]:
            parts += [plain, Slot(piece[1])] if plain else [Slot(piece[1])]
            plain = ""
        elif piece[0] in ("{{", "}}"):
            plain += piece[0][0]
        else:
            raise ActionError(
                f"in {text!r} the bracket {piece[0]!r} stands alone",
                fix="write a slot as {name}, and a bracket itself twice",
            )
    plain += text[position:]
    return Phrase((*parts, plain) if plain else tuple(parts))


def parsed(value: object) -> Any:
    """A value of the file, its texts as phrases; plain texts, numbers and the like as they are."""
    match value:
        case str():
            phrase = parse(value)
            return "".join(str(part) for part in phrase.parts) if phrase.is_plain else phrase
        case Mapping():
            return {str(name): parsed(item) for name, item in value.items()}
        case list() | tuple():
            return [parsed(item) for item in value]
        case _:
            return value


def slots_in(value: object) -> Iterator[str]:
    """The names of the slots in a parsed value, in their order, some perhaps twice."""
    match value:
        case Phrase(parts):
            yield from (part.name for part in parts if isinstance(part, Slot))
        case Mapping():
            for item in value.values():
                yield from slots_in(item)
        case list() | tuple():
            for item in value:
                yield from slots_in(item)


def filled(value: object, slots: Mapping[str, Any], written: Callable[[Any], str] = str) -> Any:
    """A parsed value with the slots filled in. written: how a slot is written within a longer text."""
    match value:
        case Phrase():
            if (slot := value.only_slot) is not None:
                return slots[slot.name]
            return "".join(part if isinstance(part, str) else written(slots[part.name]) for part in value.parts)
        case Mapping():
            return {name: filled(item, slots, written) for name, item in value.items()}
        case list() | tuple():
            return [filled(item, slots, written) for item in value]
        case _:
            return value
