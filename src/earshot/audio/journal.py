"""Files that survive a crash: appended to, synced twice a second, patient with a full disk.

The sound lies in an ordinary WAV file (16 kHz, 16 bits, mono) whose header is brought up to date with each
sync, so any player opens it at any moment, also after ``kill -9``; what was written after the last update of
the header is found by the length of the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from earshot.audio.decode import open_pcm
from earshot.audio.reader import AudioReader
from earshot.core.errors import SessionError
from earshot.core.files import output_error
from earshot.core.types import SAMPLE_RATE, Samples

SYNC_INTERVAL = 0.25
"""Seconds between syncs: with the sound system's own delay, less than half a second is lost in a crash."""

MEMORY_LIMIT = 600.0
"""Seconds of sound kept in memory while the disk takes nothing: 19 MB."""

HEADER_BYTES = 44
_BYTES_PER_SAMPLE = 2
_LARGEST = 0xFFFFFFFF  # in a header of 32 bits: 37 hours; longer files are read by their own length


class AppendedFile:
    """A new file that only grows. Appending never touches the disk; ``sync`` does, on a thread of its own.

    limit: bytes that may wait in memory while the disk takes none; what comes beyond them is lost and leaves
    a hole of zeros, so that all that follows is in its right place. num_lost: bytes.
    """

    def __init__(self, path: Path, *, header: bytes = b"", limit: int) -> None:
        self.path = path
        self.num_lost = 0
        self._limit = limit
        self._lock = threading.Lock()  # of the three below; never held while the disk is busy
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._num_waiting = 0
        self._end = len(header)
        self._is_dirty = False
        try:
            self._file = path.open("x+b", buffering=0)
            self._file.write(header)
        except OSError as error:
            raise output_error(path, error) from error

    @property
    def num_waiting(self) -> int:
        """Bytes that are not written yet."""
        return self._num_waiting

    def append(self, data: bytes) -> None:
        """Put ``data`` at the end; it is on the disk after the next successful ``sync``."""
        with self._lock:
            if self._num_waiting + len(data) <= self._limit:
                self._waiting.append((self._end, data))
                self._num_waiting += len(data)
            else:
                self.num_lost += len(data)
            self._end += len(data)

    def sync(self) -> None:
        """Bring all that waits to the disk. Raises OSError when it takes no more; nothing is lost by that."""
        self.write()
        self.flush()

    def write(self) -> None:
        """Give all that waits to the system, where it survives the end of this process."""
        while True:
            with self._lock:
                if not self._waiting:
                    break
                position, data = self._waiting[0]
            self._file.seek(position)
            written = self._file.write(data) or 0
            self._is_dirty = True
            with self._lock:
                self._num_waiting -= written
                if written == len(data):
                    self._waiting.popleft()
                else:  # a nearly full disk takes a part
                    self._waiting[0] = (position + written, data[written:])

    def flush(self) -> None:
        """Have the system bring it to the disk, where it survives the end of the system."""
        if self._is_dirty:
            os.fsync(self._file.fileno())
            self._is_dirty = False

    def read(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``position`` on, written or not; lost ones are zeros. From any thread."""
        with self._lock:
            waiting = [
                (at, data) for at, data in self._waiting if at < position + count and at + len(data) > position
            ]
            first = self._waiting[0][0] if self._waiting else self._end
            count = min(count, self._end - position)
        data = bytearray(max(0, count))
        if position < first:
            with self.path.open("rb") as file:
                file.seek(position)
                written = file.read(min(count, first - position))
            data[: len(written)] = written
        for at, piece in waiting:
            begin, end = max(at, position), min(at + len(piece), position + count)
            data[begin - position : end - position] = piece[begin - at : end - at]
        return bytes(data)

    def overwrite(self, position: int, data: bytes) -> None:
        """Change bytes that are written already; for ``sync``'s thread alone."""
        self._file.seek(position)
        self._file.write(data)
        self._is_dirty = True

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file; what still waits is lost. Calling it twice is harmless."""
        self._file.close()


class AudioJournal:
    """A growing WAV file. num_samples: appended so far, written or not."""

    def __init__(self, path: Path) -> None:
        limit = int(MEMORY_LIMIT * SAMPLE_RATE) * _BYTES_PER_SAMPLE
        self._file = AppendedFile(path, header=_header(0), limit=limit)
        self.path = path
        self.num_samples = 0

    def append(self, samples: Samples) -> None:
        """Add float32 (n,), 16 kHz; beyond full scale is clipped."""
        self._file.append(to_pcm(samples))
        self.num_samples += len(samples)

    def sync(self) -> None:
        """See ``AppendedFile.sync``."""
        before = self._file.size
        try:
            self._file.write()
        finally:
            if self._file.size != before:
                self._file.overwrite(0, _header(self._file.size - HEADER_BYTES))
        self._file.flush()

    @property
    def waiting(self) -> float:
        """Seconds that are not on the disk yet."""
        return self._file.num_waiting / _BYTES_PER_SAMPLE / SAMPLE_RATE

    @property
    def lost(self) -> float:
        """Seconds that a full disk has cost."""
        return self._file.num_lost / _BYTES_PER_SAMPLE / SAMPLE_RATE

    def read(self, start: int, count: int) -> Samples:
        """``count`` samples from ``start`` on, fewer at the end; from any thread."""
        position = HEADER_BYTES + start * _BYTES_PER_SAMPLE
        return from_pcm(self._file.read(position, count * _BYTES_PER_SAMPLE))

    def close(self) -> None:
        """Close the file; what still waits is lost."""
        self._file.close()


class Synced(Protocol):
    """What the writer thread serves."""

    def sync(self) -> None:
        """Bring all that waits to the disk. Raises OSError when it takes no more."""
        ...


class JournalWriter:
    """The thread that syncs files at least twice a second, and tries again while the disk is full.

    on_failure: called once when a file cannot be written, and with None when all can be again.
    """

    def __init__(self, files: Sequence[Synced], on_failure: Callable[[OSError | None], None]) -> None:
        self._files = files
        self._on_failure = on_failure
        self._is_failing = False
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="earshot-journal", daemon=True)
        self._thread.start()

    def close(self, patience: float = 2.0) -> bool:
        """Write what is left, trying for ``patience`` seconds. Whether all is on the disk."""
        self._is_ending.set()
        self._thread.join()
        is_whole = self._sync()
        waited = 0.0
        while not is_whole and waited < patience:
            threading.Event().wait(SYNC_INTERVAL)
            waited += SYNC_INTERVAL
            is_whole = self._sync()
        return is_whole

    def _run(self) -> None:
        while not self._is_ending.wait(SYNC_INTERVAL):
            self._sync()

    def _sync(self) -> bool:
        failure: OSError | None = None
        for file in self._files:
            try:
                file.sync()
            except (OSError, ValueError) as error:  # ValueError: closed meanwhile
                failure = error if isinstance(error, OSError) else OSError(errno.EBADF, str(error))
        if (failure is not None) != self._is_failing:
            self._is_failing = failure is not None
            self._on_failure(failure)
        return failure is None


def repair_audio(path: Path) -> int:
    """Bring the header of a journal's WAV file into line with its length. Returns its samples.

    Half a sample at the end, as a crash may leave it, is cut off. Raises SessionError when the file is absent
    or cannot be written.
    """
    try:
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            num_samples = max(0, size - HEADER_BYTES) // _BYTES_PER_SAMPLE
            whole = _header(num_samples * _BYTES_PER_SAMPLE)
            file.seek(0)
            if file.read(HEADER_BYTES) != whole or size != HEADER_BYTES + num_samples * _BYTES_PER_SAMPLE:
                # The journal writes one kind of file only, so even a header of garbage can be made again.
                file.seek(0)
                file.write(whole)
                file.truncate(HEADER_BYTES + num_samples * _BYTES_PER_SAMPLE)
        return num_samples
    except OSError as error:
        raise SessionError(
            f"the sound {path} cannot be repaired: {error.strerror or error}", fix="check the folder"
        ) from error


def count_samples(path: Path) -> int:
    """Samples in a journal's WAV file by its length, 0 where there is none; changes nothing."""
    with contextlib.suppress(OSError):
        return max(0, path.stat().st_size - HEADER_BYTES) // _BYTES_PER_SAMPLE
    return 0


@contextlib.contextmanager
def open_journal_audio(path: Path, start: int = 0) -> Iterator[AudioReader]:
    """Read a journal's sound from sample ``start`` on, whatever its header says; also while it grows.

    Raises SessionError when there is none.
    """
    try:
        stream: BinaryIO = path.open("rb")
    except OSError as error:
        raise SessionError(
            f"the sound {path} cannot be read: {error.strerror}", fix="check the folder"
        ) from error
    with stream:
        stream.seek(HEADER_BYTES + start * _BYTES_PER_SAMPLE)
        with open_pcm(stream, sample_rate=SAMPLE_RATE) as reader:
            yield reader


def to_pcm(samples: Samples) -> bytes:
    """Float to 16 bits, little endian; full scale of ±1 is 32768."""
    scaled = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767)
    return bytes(scaled.astype("<i2").tobytes())


def from_pcm(data: bytes) -> Samples:
    """The way back; half a sample at the end is left out."""
    whole = len(data) // _BYTES_PER_SAMPLE * _BYTES_PER_SAMPLE
    return np.frombuffer(data[:whole], "<i2").astype(np.float32) / np.float32(32768)


def _header(num_bytes: int) -> bytes:
    """The 44 bytes of a WAV file of 16-bit mono PCM (RIFF; Multimedia Programming Interface 1.0, 1991)."""
    byte_rate = SAMPLE_RATE * _BYTES_PER_SAMPLE
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", min(num_bytes + HEADER_BYTES - 8, _LARGEST), b"WAVE"),
        *(b"fmt ", 16, 1, 1, SAMPLE_RATE, byte_rate, _BYTES_PER_SAMPLE, 8 * _BYTES_PER_SAMPLE),
        *(b"data", min(num_bytes, _LARGEST)),
    )
