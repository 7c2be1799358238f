"""The log of all that the assistant was told and did: a line of JSON each, on disk before the next order."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from earshot.core.errors import ActionError

MAX_BYTES = 5_000_000
"""Size from which on a new file is begun."""

NUM_OLD_FILES = 3
_MAX_TEXT = 2000
_HIDDEN = "•••"
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""What some readers take for the end of a line, as JSON may write it instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One order and what became of it.

    time: ISO 8601 with zone. words: what was understood. audio: where the sound is kept. confidence: in [0, 1].
    decision: do, ask or refuse. status: done, failed, dry-run, asked or refused. secrets: what is not to be
    written; the words are not either, then.
    """

    time: str
    words: str
    intent: str
    slots: Mapping[str, Any]
    confidence: float
    decision: str
    reason: str
    status: str
    message: str = ""
    argv: tuple[str, ...] = ()
    audio: str | None = None
    speaker: str | None = None
    is_typed: bool = False
    is_confirmed: bool = False
    secrets: frozenset[str] = field(default_factory=frozenset)


class AuditLog:
    """A file of entries that grows to MAX_BYTES; then it becomes ``.1``, and the oldest of three is dropped.

    Only its owner may read it. Safe to use from several threads; of several processes each line stays whole.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Whether it can be written, before anything is done. Raises ActionError."""
        with self._lock:
            os.close(self._opened())

    def write(self, entry: Entry) -> None:
        """Append it, and wait until it is on disk. Raises ActionError."""
        line = json.dumps(_without_secrets(entry), ensure_ascii=False, default=str) + "\n"
        data = line.translate(_LINE_ENDS).encode("utf-8", errors="backslashreplace")
        with self._lock:
            self._rotate(len(data))
            descriptor = self._opened()
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            except OSError as error:
                raise self._failed(error) from error
            finally:
                os.close(descriptor)

    def read(self) -> Iterator[dict[str, Any]]:
        """The entries, oldest first; a line that was torn by a crash is left out."""
        numbered = [self._old(number) for number in range(NUM_OLD_FILES, 0, -1)]
        for path in [*numbered, self.path]:
            if not path.is_file():
                continue
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry

    def _opened(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._failed(error) from error

    def _rotate(self, coming: int) -> None:
        try:
            if not self.path.exists() or self.path.stat().st_size + coming <= self._max_bytes:
                return
            for number in range(NUM_OLD_FILES, 0, -1):
                newer = self._old(number - 1) if number > 1 else self.path
                if newer.exists():
                    newer.replace(self._old(number))
        except OSError as error:
            raise self._failed(error) from error

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _failed(self, error: OSError) -> ActionError:
        return ActionError(
            f"the log {self.path} cannot be written: {error.strerror}",
            fix="free some space, or let it be yours; nothing is done without a log",
        )


def _without_secrets(entry: Entry) -> dict[str, Any]:
    row = asdict(entry)
    secrets = sorted(row.pop("secrets"), key=len, reverse=True)
    if secrets:
        row["words"] = _HIDDEN  # a number may be in them as it was spoken
    shown: dict[str, Any] = _cleaned(row, secrets)
    return shown


def _cleaned(value: Any, secrets: list[str]) -> Any:
    """Texts without secrets, and not longer than a page."""
    if str(value) in secrets:
        return _HIDDEN
    match value:
        case str():
            for secret in secrets:
                value = _HIDDEN if value.casefold() == secret.casefold() else value.replace(secret, _HIDDEN)
            return value if len(value) <= _MAX_TEXT else f"{value[:_MAX_TEXT]}… ({len(value)} characters)"
        case Mapping():
            return {str(name)[:200]: _cleaned(item, secrets) for name, item in value.items()}
        case list() | tuple():
            return [_cleaned(item, secrets) for item in value]
        case _:
            return value
