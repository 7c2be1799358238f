"""Addresses with slots: what is said becomes one piece of a path or query, never a host, never two pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from earshot.assistant.actions.filling import Phrase, filled
from earshot.assistant.actions.values import Address, Text, ValueType
from earshot.core.errors import ActionError


@dataclass(frozen=True, slots=True)
class AddressPhrase:
    """http(s)://host/… with ``{slot}`` after the host."""

    @property
    def expected(self) -> str:
        """For messages."""
        return 'an address such as "https://example.org/search?q={query}"'

    def check(self, written: object, slots: Mapping[str, ValueType]) -> None:  # noqa: ARG002
        """Whether a value of the file will do. Raises ActionError."""
        if isinstance(written, Phrase):
            first = written.parts[0]
            if not isinstance(first, str) or not urlsplit(first).netloc or first.count("/") < 3:
                raise ActionError("the host of an address cannot be said", fix=f"write {self.expected}")
            Address().read(filled(written, _Anything()), Path("/"))
            return
        Address().read(written, Path("/"))

    def fill(self, written: Any, slots: Mapping[str, Any], home: Path) -> str:
        """The address. Raises ActionError for a slot that would lead elsewhere."""

        def quoted(value: Any) -> str:
            text = Text().read(str(value), home)
            if text in (".", ".."):
                raise ActionError(f"{text!r} is refused in an address: it would lead elsewhere")
            return quote(text, safe="")

        # A slot is never the whole address, so each is written by ``quoted``.
        return Address().read(filled(written, slots, quoted), home)

    def read(self, value: object, home: Path) -> str:
        """An address without slots."""
        return Address().read(value, home)


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"
