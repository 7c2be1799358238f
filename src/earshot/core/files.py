"""Files that are written whole or not at all, and texts that are read up to a limit."""

from __future__ import annotations

import contextlib
import errno
import gzip
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


def read_utf8(
    path: Path, *, most: int, raises: type[EarshotError], name: str = "", how: str | None = None, less: str
) -> str:
    """A text in UTF-8, without its byte order mark, of at most so many bytes.

    raises: the kind of error for a file that cannot be read (how: what to do then), is no UTF-8 text or holds
    more than that (less: what to do then). name: what to call it in errors; empty for the path.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise raises(f"{name} cannot be read: {error.strerror}", fix=how) from error
    except UnicodeDecodeError as error:
        raise raises(f"{name} is no UTF-8 text", fix="save it as UTF-8") from error
    if len(data) > most:
        raise raises(f"{name} is over {most} bytes", fix=less)
    return text


@contextlib.contextmanager
def open_packed(path: Path) -> Iterator[BinaryIO]:
    """A file to read, unpacked where its first bytes are gzip's.

    Raises OSError; what is read of a damaged one raises EOFError, zlib.error or OSError.
    """
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        yield io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_packed else file


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
