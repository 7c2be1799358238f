"""Where recordings wait while they are worked on: files with names of ours that never outlive their request."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from earshot.core.errors import OutputError
from earshot.models.lock import is_held, locked

_LOCK = "lock"


class UploadFolder:
    """A folder of this process inside ``root``. A context manager: leaving it removes the folder.

    Entering removes what servers have left there that were killed; those that run hold a lock on theirs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / f"{secrets.token_hex(6)}"
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> UploadFolder:
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self._root / _LOCK):  # another server may start at this moment
                self._remove_left_behind()
                self._folder.mkdir(mode=0o700)
                self._resources.callback(shutil.rmtree, self._folder, ignore_errors=True)
                self._resources.enter_context(locked(self._folder / _LOCK))
        except OSError as error:
            raise OutputError(
                f"uploads cannot be kept in {self._root}: {error.strerror}", fix="set EARSHOT_HOME elsewhere"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @contextlib.contextmanager
    def file(self) -> Iterator[Path]:
        """The path of a new file, which is gone when the block is left."""
        path = self._folder / secrets.token_hex(12)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _remove_left_behind(self) -> None:
        for folder in self._root.iterdir():
            if folder.is_dir() and not folder.is_symlink() and not is_held(folder / _LOCK):
                shutil.rmtree(folder, ignore_errors=True)
