"""Where bytes come from: a path or a stream, checked before any decoder sees it."""

from __future__ import annotations

import errno
import io
import os
import select
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from earshot.audio.pcm import read_some
from earshot.core.errors import AudioError

_HEAD = 4_096
"""Bytes looked at to tell formats apart."""

_PATIENCE = 5.0
"""Seconds that a named pipe may take until its writer comes."""

_SPARE_BYTES = 64 * 2**20
_SEEK_COST = 16 * 2**10


class Source:
    """The bytes of one recording, as decoders read them: ``read``, and where possible ``seek`` and ``tell``.

    name: for messages. descriptor: of a regular file, else None. head: its first bytes.

    A decoder that reads twice the file and 64 MB more without bringing forth anything (see ``progress``) gets
    the end of the file to see, so that no crafted file keeps it reading in circles.
    """

    def __init__(self, file: BinaryIO, name: str, *, is_owned: bool, descriptor: int | None = None) -> None:
        self.name = name
        self.descriptor = descriptor
        self.failure: AudioError | None = None
        self._file = file
        self._is_owned = is_owned
        self._is_seekable = descriptor is not None or _is_seekable(file)
        self._origin = file.tell() if self._is_seekable else 0
        self._size = self._measure() if self._is_seekable else None
        self._budget = 0
        self.progress()
        self.head = self._peek()

    @property
    def is_seekable(self) -> bool:
        """Whether a decoder may go back."""
        return self._is_seekable

    def progress(self) -> None:
        """Something was decoded: reading may go on."""
        self._budget = 2 * (self._size or 0) + _SPARE_BYTES

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; empty at the end, and after a failure, which is kept in ``failure``."""
        if self._is_seekable and self._budget <= 0:
            return b""
        try:
            data = self._read(size if size >= 0 else 2**20)
        except AudioError as error:
            self.failure = error
            return b""
        self._budget -= len(data)
        return data

    def tell(self) -> int:
        """Bytes from the start of the recording."""
        return self._file.tell() - self._origin

    def rewind(self) -> None:
        """Back to the start, for the next decoder."""
        self.seek(0)
        self.progress()

    def close(self) -> None:
        """Close what was opened here; a stream stays its owner's."""
        if self._is_owned:
            self._file.close()

    def _measure(self) -> int:
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(self._origin)
        return end - self._origin

    def _peek(self) -> bytes:
        head = b""
        while len(head) < _HEAD and (more := read_some(self._file, _HEAD - len(head))):
            head += more
        if not head:
            raise AudioError(f"{self.name} is empty", fix="record or download it again")
        if self._is_seekable:
            self._file.seek(self._origin)
        else:
            self._unread = head
        return head

    _unread = b""

    def _read(self, size: int) -> bytes:
        if self._unread:
            data, self._unread = self._unread[:size], self._unread[size:]
            return data
        return read_some(self._file, size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As in files; offsets from the start count from where the recording began."""
        self._budget -= _SEEK_COST
        if whence == os.SEEK_SET:
            offset += self._origin
        try:
            return self._file.seek(max(0, offset) if whence == os.SEEK_SET else offset, whence) - self._origin
        except (OSError, ValueError, OverflowError):
            return self.tell()


class OneWay:
    """What a source that cannot go back shows to FFmpeg, which takes ``seek`` for a promise."""

    def __init__(self, source: Source) -> None:
        self.read = source.read


class TwoWay(OneWay):
    """The same for a source that can. It has no name, from which FFmpeg would draw conclusions."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.seek = source.seek
        self.tell = source.tell


def open_source(source: Path | str | BinaryIO) -> Source:
    """Open a path or take a readable binary stream, from its present position on.

    A stream that cannot seek is read as it comes; an MP4 in it, whose index may lie at its end, is first
    copied to a temporary file. Raises AudioError for whatever holds no bytes of a recording.
    """
    if isinstance(source, Path | str):
        return _open_path(source)
    if not callable(getattr(source, "read", None)):
        raise AudioError(f"{type(source).__name__} is neither a path nor a binary stream")
    return _seekable_if_needed(Source(source, "the audio stream", is_owned=False))


def _open_path(path: Path | str) -> Source:
    file: BinaryIO | None = None
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a str may hold what Path refuses late
        _check_kind(path, mode)
        is_pipe = stat.S_ISFIFO(mode)
        # Without O_NONBLOCK, opening a named pipe waits for a writer for ever.
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | (os.O_NONBLOCK if is_pipe else 0)
        descriptor = os.open(path, flags)
        file = cast(BinaryIO, io.FileIO(descriptor, "rb"))
        if is_pipe:
            _await_writer(path, descriptor)
        source = Source(file, str(path), is_owned=True, descriptor=None if is_pipe else descriptor)
        return _seekable_if_needed(source)
    except (OSError, ValueError) as error:
        if file is not None:
            file.close()
        if isinstance(error, AudioError):
            raise
        raise _open_error(path, error) from error


def _open_error(path: Path | str, error: OSError | ValueError) -> AudioError:
    number = error.errno if isinstance(error, OSError) else None
    if "://" in str(path):
        return AudioError(
            f"{path} is an address, not a file", fix="download it first: nothing here uses a network"
        )
    if number in (errno.ENOENT, errno.ENOTDIR):
        return AudioError(f"there is no file {path}", fix="check the path")
    if number in (errno.EACCES, errno.EPERM):
        return AudioError(
            f"{path} may not be read: permission denied", fix="change its permissions or its owner"
        )
    reason = error.strerror if isinstance(error, OSError) else None
    return AudioError(f"{str(path)!r} cannot be opened: {reason or error}", fix="check the path")


def _check_kind(path: Path | str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path} is a folder", fix="give the recordings in it")
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise AudioError(f"{path} is a device, not a recording", fix="give a file, or a pipe")


def _await_writer(path: Path | str, descriptor: int) -> None:
    """A pipe that nobody writes to never becomes readable."""
    if not select.select([descriptor], [], [], _PATIENCE)[0]:
        raise AudioError(
            f"nothing comes out of the pipe {path}", fix="start the program that writes to it first"
        )
    os.set_blocking(descriptor, True)


def _is_seekable(file: BinaryIO) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):
        return False


def _seekable_if_needed(source: Source) -> Source:
    if source.is_seekable or source.head[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return source
    copy = tempfile.TemporaryFile(prefix="earshot-")  # noqa: SIM115 - it lives as long as the source does
    try:
        shutil.copyfileobj(source, copy, 2**20)
        if source.failure:
            raise source.failure
        copy.seek(0)
        return Source(cast(BinaryIO, copy), source.name, is_owned=True)
    except OSError as error:
        copy.close()
        raise AudioError(
            f"{source.name} cannot be copied to a temporary file: {error.strerror}", fix="free some space"
        ) from error
    except AudioError:
        copy.close()
        raise
    finally:
        source.close()
