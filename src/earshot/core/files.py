"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from earshot.core.errors import EarshotError, OutputError

_WHAT_NEXT = {
    errno.ENOSPC: ("the disk is full", "free some space, or choose another folder with --output-dir"),
    errno.EDQUOT: (
        "the disk quota is used up",
        "free some space, or choose another folder with --output-dir",
    ),
    errno.EROFS: ("the file system is read-only", "choose another folder with --output-dir"),
    errno.EACCES: ("permission denied", "choose a folder that you may write with --output-dir"),
    errno.EPERM: ("permission denied", "choose a folder that you may write with --output-dir"),
    errno.ENOTDIR: ("a part of the path is a file", "choose another folder with --output-dir"),
    errno.EISDIR: ("it is a folder", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
}


def output_error(path: Path | str, error: OSError) -> OutputError:
    """The one-line error for a failed write of ``path``."""
    what, fix = _WHAT_NEXT.get(error.errno or 0, (error.strerror or str(error), "choose another folder"))
    return OutputError(f"cannot write {path}: {what}", fix=fix)


@contextlib.contextmanager
def atomic_binary(path: Path | str) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its name when the block ends without an error.

    A reader sees the old file or the new one, never a part; of two writers the last one wins whole. An
    interruption leaves ``path`` as it was and no temporary file (``kill -9`` leaves ``.name.xxxx.partial``).
    Raises OutputError when the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        # The prefix is cut so that a name near the limit of 255 bytes still fits.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".partial")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; a result is an ordinary file
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, EarshotError):
            raise
        raise output_error(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_text(path: Path | str) -> Iterator[TextIO]:
    """The same for text: UTF-8, newlines as given."""
    with atomic_binary(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()
