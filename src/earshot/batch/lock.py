"""One batch at a time on one OUTPUT, unless a second one is told to join.

Beside a local OUTPUT the system keeps the locks, so a batch that was killed holds none. Far away an owner
writes a beat again and again; whether it is alive is told by whether the beat moves, not by anybody's clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from earshot.batch.storage import Storage
from earshot.core.errors import EarshotError, OutputError
from earshot.core.files import output_error

HIDDEN = ".earshot"
BEAT_SECONDS = 5.0
PATIENCE_BEATS = 4
"""A beat that does not move for so many of its periods is that of nobody."""


def new_owner() -> str:
    """A name for this batch, as good as unique."""
    return secrets.token_hex(4)


@contextlib.contextmanager
def local_lock(folder: Path, owner: str, *, joins: bool) -> Iterator[Callable[[], list[str]]]:
    """Hold the lock of an OUTPUT folder; gives a function that names the owners that are alive now.

    Raises OutputError when another batch holds it and this one does not join, or the folder cannot be written.
    """
    place = folder / HIDDEN
    try:
        place.mkdir(parents=True, exist_ok=True)
        gate = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _output_error(place, error) from error
    own: int | None = None
    path = place / f"owner-{owner}.lock"
    try:
        if not joins and not _try(gate, is_shared=False):
            raise _refusal(folder, *_others(place))
        if not _try(gate, is_shared=True):  # from here on others may join, and none may take it alone
            raise _refusal(folder, *_others(place))
        own = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        _try(own, is_shared=False)
        os.write(own, json.dumps(_about(owner)).encode())
        yield lambda: [owner, *(name for name, _ in _others(place, but=owner))]
    except OSError as error:
        if isinstance(error, EarshotError):
            raise
        raise _output_error(place, error) from error
    finally:
        if own is not None:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(own)
        os.close(gate)


def local_owners(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The batches that are at work on a folder now, and what they say of themselves."""
    return _others(folder / HIDDEN)


def _others(place: Path, *, but: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Owners whose lock somebody holds. The files of the others are tidied away."""
    found = []
    for path in sorted(place.glob("owner-*.lock")):
        name = path.stem.removeprefix("owner-")
        if name == but:
            continue
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            if _try(descriptor, is_shared=False):
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            about: dict[str, Any] = {}
            with contextlib.suppress(ValueError, OSError):
                about = json.loads(os.read(descriptor, 4096))
            found.append((name, about))
        finally:
            os.close(descriptor)
    return found


def _about(owner: str) -> dict[str, Any]:
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"owner": owner, "host": socket.gethostname(), "pid": os.getpid(), "started": started}


def _refusal(output: Path | str, *owners: tuple[str, dict[str, Any]]) -> OutputError:
    who = "another batch"
    if owners and (about := owners[0][1]):
        who = f"a batch on {about.get('host')} (process {about.get('pid')}, since {about.get('started')})"
    return OutputError(f"{who} is at work on {output}", fix="wait for it, stop it, or join it with --join")


def _output_error(place: Path, error: OSError) -> OutputError:
    mended = output_error(place, error)
    return OutputError(mended.message, fix=mended.fix.replace("--output-dir", "--out") if mended.fix else None)


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int, *, is_shared: bool) -> bool:  # noqa: ARG001 - there are no shared locks
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int, *, is_shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: better unlocked than unusable
        return True


class RemoteLock:
    """The lock of an OUTPUT far away. A context manager; ``check`` raises when it was lost.

    Raises OutputError, on entering, when another batch's beat moves. A beat that stands still is waited for
    ``PATIENCE_BEATS`` periods and then taken over.
    """

    NAME = f"{HIDDEN}/lock.json"

    def __init__(self, storage: Storage, owner: str, *, period: float = BEAT_SECONDS) -> None:
        self._storage = storage
        self._owner = owner
        self._period = period
        self._beat = 0
        self._stop = threading.Event()
        self._failure: OutputError | None = None
        self._thread = threading.Thread(target=self._keep_beating, name="lock", daemon=True)

    def __enter__(self) -> RemoteLock:
        before = self._read()
        deadline = time.monotonic() + PATIENCE_BEATS * self._period
        while before is not None and before.get("owner") != self._owner and time.monotonic() < deadline:
            time.sleep(self._period / 4)
            now = self._read()
            if now is None:
                break
            if now != before:
                raise _refusal(self._storage.root, (str(now.get("owner")), now))
        self._write()
        time.sleep(min(1.0, self._period / 4))
        now = self._read()
        if now is None or now.get("owner") != self._owner:  # two came at the same moment: the later one has it
            raise _refusal(self._storage.root, ("", now or {}))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(30.0)
        with contextlib.suppress(EarshotError):
            if (now := self._read()) and now.get("owner") == self._owner:
                self._storage.remove(self.NAME)

    @property
    def is_lost(self) -> bool:
        """Whether another batch has taken it over."""
        return self._failure is not None

    def check(self) -> None:
        """Raises OutputError when another batch has taken the lock over."""
        if self._failure is not None:
            raise self._failure

    def _read(self) -> dict[str, Any] | None:
        if not self._storage.exists(self.NAME):
            return None
        try:
            found = json.loads(self._storage.read(self.NAME))
        except (ValueError, OutputError):
            return None
        return found if isinstance(found, dict) else None

    def _write(self) -> None:
        self._beat += 1
        self._storage.write(self.NAME, json.dumps({**_about(self._owner), "beat": self._beat}).encode())

    def _keep_beating(self) -> None:
        while not self._stop.wait(self._period):
            with contextlib.suppress(EarshotError):  # a network that fails for a moment
                now = self._read()
                if now is not None and now.get("owner") != self._owner:
                    self._failure = OutputError(
                        f"another batch has taken {self._storage.root} over, as this one was not heard of",
                        fix="run the command again when the other is done",
                    )
                    return
                self._write()
