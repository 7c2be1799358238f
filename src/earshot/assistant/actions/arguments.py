"""The argv of a program: which arguments a slot may be, and that none becomes an option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from earshot.assistant.actions.filling import Phrase, Slot, slots_in
from earshot.assistant.actions.values import Text, ValueType, expanded
from earshot.core.errors import ActionError

_LEADING = "-+@"
"""What begins an option (-x), a command of an editor (+x) or the name of a file of arguments (@x)."""

# fmt: off
_READERS = frozenset({
    "sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "csh", "tcsh", "busybox", "cmd", "powershell", "pwsh",
    "env", "sudo", "doas", "su", "ssh", "xargs", "parallel", "nohup", "timeout", "watch", "script", "at",
    "python", "perl", "ruby", "node", "nodejs", "deno", "php", "lua", "tclsh", "awk", "gawk", "mawk", "sed",
    "osascript", "expect", "gdb", "vim", "vi", "ex", "ed", "emacs", "make", "find", "xterm",
})
# fmt: on
"""Programs that take an argument for a program of theirs; no slot is given to them."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A program and its arguments. A slot is one whole argument, or ends one that begins ``--name=``."""

    @property
    def expected(self) -> str:
        """For messages."""
        return 'a list of texts, ["program", "argument", "{slot}"]'

    def check(self, written: object, slots: Mapping[str, ValueType]) -> None:  # noqa: ARG002
        """Whether a value of the file will do, before anything is said. Raises ActionError."""
        if not isinstance(written, list) or not written:
            raise ActionError(
                f"{self.expected} is expected", fix="write the program and each argument in quotation marks"
            )
        if not isinstance(written[0], str):
            raise ActionError("the program itself cannot be a slot", fix="write its name")
        name = PurePath(written[0]).name.lower().removesuffix(".exe")
        if any(slots_in(written)) and (_reads(name) or name.endswith((".bat", ".cmd"))):
            raise ActionError(
                f"{name} would run what is said to it",
                fix="write a small program of your own that takes the slot as an argument",
            )
        for part in written[1:]:
            if isinstance(part, Phrase) and not _is_whole(part):
                raise ActionError(
                    "a slot must be a whole argument, or end one that begins with --name=",
                    fix='write "{slot}", or "--title={slot}"',
                )

    def fill(self, written: Sequence[Any], slots: Mapping[str, Any], home: Path) -> tuple[str, ...]:
        """The argv. Raises ActionError for a slot that the program would take for an option."""
        argv: list[str] = []
        for part in written:
            if not isinstance(part, Phrase):
                argv.append(expanded(self._literal(part), home))
                continue
            slot = part.parts[-1]
            assert isinstance(slot, Slot)
            value = Text().read(str(slots[slot.name]), home)
            if part.only_slot is not None and value[0] in _LEADING and "--" not in argv:
                raise ActionError(f"{value[:40]!r} is refused: {argv[0]} could take it for an option")
            prefix = "" if part.only_slot is not None else str(part.parts[0])
            argv.append(prefix + value)
        return tuple(argv)

    def read(self, value: object, home: Path) -> tuple[str, ...]:
        """An argv that is filled already."""
        if not isinstance(value, list | tuple) or not value or not all(isinstance(part, str) for part in value):
            raise ActionError(f"{self.expected} is expected")
        return tuple(expanded(part, home) for part in value)

    def _literal(self, part: object) -> str:
        if isinstance(part, bool) or not isinstance(part, str | int | float) or "\0" in str(part):
            raise ActionError(f"{self.expected} is expected, not {part!r}")
        return str(part)


def _is_whole(phrase: Phrase) -> bool:
    if phrase.only_slot is not None:
        return True
    first, *rest = phrase.parts
    return isinstance(first, str) and first.startswith("-") and first.endswith("=") and len(rest) == 1


def _reads(name: str) -> bool:
    """Also python3.11 and the like."""
    return name in _READERS or name.rstrip("0123456789.-") in _READERS
