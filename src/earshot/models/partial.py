"""What has arrived of a download, and of which version of which address it is a part."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from earshot.core.files import atomic_text
from earshot.models.card import FileRecord

_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Expected:
    """What should arrive. size: exact bytes; max_size: bytes at most, whatever the server says."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    max_size: int = 32 * 2**30


@dataclass(frozen=True, slots=True)
class Advice:
    """What to tell the user when a download fails; the end of a sentence each.

    what: is downloaded, as in "model". by_hand: how to do without. moved: where its new address may be found.
    other_folder: how to keep it elsewhere.
    """

    what: str
    by_hand: str
    moved: str
    other_folder: str


ABOUT_MODELS = Advice(
    what="model",
    by_hand="download it with a browser, then: earshot models import FILE",
    moved="look at the page that `earshot models show` names, or give another server with --from",
    other_folder="set EARSHOT_HOME to a folder on another disk",
)


class Partial:
    """The bytes that have arrived so far, with their running checksums. A context manager.

    They lie in ``NAME.partial`` beside the target, and what is known of them in ``NAME.notes``. advice: for the
    messages of what goes wrong.
    """

    def __init__(self, url: str, target: Path, advice: Advice = ABOUT_MODELS) -> None:
        self.url, self.target, self.advice = url, target, advice
        self.validator: str | None = None  # what If-Range takes: a strong ETag, or a date
        self.total: int | None = None
        self.size = 0
        self._path = target.with_name(target.name + ".partial")
        self._notes = target.with_name(target.name + ".notes")
        self._reset_digests()

    def __enter__(self) -> Partial:
        if self.target.exists():  # arrived whole before, and was not used then
            self.target.replace(self._path)
        self._file = self._path.open("r+b" if self._path.exists() else "w+b", buffering=0)
        notes = self._read_notes()
        if notes.get("url") == self.url:
            self.validator, self.total = notes.get("validator"), notes.get("total")
            self._read_back()
        else:
            self.discard()
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        if not self.size and self._path.exists():  # nothing worth keeping
            self._path.unlink(missing_ok=True)
            self._notes.unlink(missing_ok=True)

    def write(self, block: bytes) -> None:
        """Append; on a full disk what fitted is kept."""
        view = memoryview(block)
        while view:
            num_bytes = self._file.write(view) or 0
            self._digest(view[:num_bytes])
            view = view[num_bytes:]

    def discard(self) -> None:
        """Begin again with nothing."""
        self._file.seek(0)
        self._file.truncate()
        self.validator = self.total = None
        self._reset_digests()

    def remember(self, headers: Message, total: int | None) -> None:
        """Note which version this is, so that another process can go on with it."""
        etag = headers.get("ETag", "")
        self.validator = etag if etag.startswith('"') else headers.get("Last-Modified")
        self.total = total
        self._write_notes()

    def is_complete(self, expected: Expected) -> bool:
        """Whether everything has arrived, as far as anybody said how much that is."""
        whole = expected.size if expected.size is not None else self.total
        return whole is not None and self.size == whole

    def differs_from(self, expected: Expected) -> str | None:
        """Why this is not what was expected, in words; None when it is."""
        if expected.size is not None and self.size != expected.size:
            return f"it has {self.size} bytes instead of {expected.size}"
        for name, wanted, got in (
            ("SHA-256", expected.sha256, self._sha256.hexdigest()),
            ("MD5", expected.md5, self._md5.hexdigest()),
        ):
            if wanted and wanted.lower() != got:
                return f"its {name} is {got} instead of {wanted}"
        return None

    def finish(self) -> FileRecord:
        """Give the file its name."""
        os.fsync(self._file.fileno())
        self._file.close()
        self.total = self.size
        self._write_notes()
        self._path.replace(self.target)
        return FileRecord(self.size, self._sha256.hexdigest())

    def _reset_digests(self) -> None:
        self._sha256, self._md5, self.size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0

    def _digest(self, block: bytes | memoryview) -> None:
        self._sha256.update(block)
        self._md5.update(block)
        self.size += len(block)

    def _read_back(self) -> None:
        self._reset_digests()
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            self._digest(block)

    def _write_notes(self) -> None:
        with atomic_text(self._notes) as file:
            json.dump({"url": self.url, "validator": self.validator, "total": self.total}, file)

    def _read_notes(self) -> dict[str, Any]:
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        keys_fit = isinstance(notes, dict) and isinstance(notes.get("validator"), str | None)
        return notes if keys_fit and isinstance(notes.get("total"), int | None) else {}
