"""Sound that is no microphone of this machine: a file played in real time, a pipe, a socket."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast

import numpy as np

from earshot.audio.capture import Notice
from earshot.audio.decode import open_audio, open_pcm
from earshot.audio.reader import AudioReader
from earshot.audio.resample import resampled
from earshot.core.errors import AudioError, DeviceError
from earshot.core.types import SAMPLE_RATE, Samples

_PIECE = SAMPLE_RATE // 20
"""Samples that a paced file gives at once, 50 ms: about what a sound card does."""


class _Played:
    """What the sources here share."""

    is_microphone = False
    num_overruns = 0

    def __init__(self, name: str, *, is_live: bool) -> None:
        self.name = name
        self.is_live = is_live
        self.notices: deque[Notice] = deque(maxlen=100)
        self._is_stopping = threading.Event()
        self._resources = contextlib.ExitStack()

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._resources.close()

    def stop(self) -> None:
        """See ``Source``."""
        self._is_stopping.set()


class PacedSound(_Played):
    """Sound in memory given out as if it were made now.

    samples: float32 (n,), 16 kHz. speed: 1 for real time, 2 for twice as fast, inf for as fast as it is taken.
    """

    def __init__(self, samples: Samples, *, name: str = "sound in memory", speed: float = 1.0) -> None:
        if not speed > 0:
            raise AudioError(f"a speed is positive, not {speed:g}", fix="1 is real time")
        super().__init__(name, is_live=math.isfinite(speed))
        self._samples = samples
        self._speed = speed

    def __enter__(self) -> PacedSound:
        return self

    def __iter__(self) -> Iterator[Samples]:
        begun = monotonic()
        num_given = 0
        for piece in self._pieces():
            # Like a sound card: a piece is there when its last sample has been heard.
            due = begun + (num_given + len(piece)) / SAMPLE_RATE / self._speed
            if self._is_stopping.wait(max(0.0, due - monotonic())):
                return
            num_given += len(piece)
            yield piece

    def _pieces(self) -> Iterator[Samples]:
        yield from _cut(self._samples)


class PacedFile(PacedSound):
    """The same for a recording. Entering raises AudioError for a file that cannot be read.

    channel: counts from 1, None mixes all.
    """

    def __init__(self, path: Path, *, speed: float = 1.0, channel: int | None = None) -> None:
        super().__init__(np.empty(0, np.float32), name=path.name, speed=speed)
        self._path = path
        self._channel = channel
        self._reader: AudioReader | None = None

    def __enter__(self) -> PacedFile:
        self._reader = self._resources.enter_context(open_audio(self._path, channel=self._channel))
        return self

    def _pieces(self) -> Iterator[Samples]:
        assert self._reader is not None, "a source is entered before it is iterated"
        for block in resampled(self._reader, self._reader.info.sample_rate):
            yield from _cut(block)
        self.notices.extend(Notice("input", warning) for warning in self._reader.warnings)


def _cut(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), _PIECE):
        yield samples[start : start + _PIECE]


class PcmStream(_Played):
    """Raw PCM from a binary stream such as standard input, which stays the caller's.

    What the stream holds already is taken faster than real time, and a writer that is too fast has to wait.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        sample_rate: int = SAMPLE_RATE,
        num_channels: int = 1,
        sample_format: str = "s16le",
        channel: int | None = None,
        name: str = "standard input",
    ) -> None:
        super().__init__(name, is_live=False)
        self._reader = open_pcm(
            stream,
            sample_rate=sample_rate,
            num_channels=num_channels,
            sample_format=sample_format,
            channel=channel,
        )

    def __enter__(self) -> PcmStream:
        return self

    def __iter__(self) -> Iterator[Samples]:
        """Blocks as the pipe has them. A thread reads, as a read that waits for a pipe cannot be stopped."""
        blocks: deque[Samples | Exception | None] = deque()
        room = threading.Semaphore(8)

        def read() -> None:
            try:
                for block in resampled(self._reader, self._reader.info.sample_rate):
                    room.acquire()
                    blocks.append(block)
                blocks.append(None)
            except Exception as error:
                blocks.append(error)

        threading.Thread(target=read, name="earshot-pipe", daemon=True).start()
        while not self._is_stopping.is_set():
            if not blocks:
                self._is_stopping.wait(0.02)
                continue
            block = blocks.popleft()
            room.release()
            if isinstance(block, Exception):
                raise block
            if block is None:
                return
            yield block


class SocketListener(_Played):
    """Waits for one program to connect and takes 16-bit little-endian mono PCM from it until it disconnects.

    address: ``tcp://127.0.0.1:9000`` or ``unix:///run/user/1000/earshot.sock``. sample_rate: of what comes.
    Entering raises DeviceError when the address cannot be had.
    """

    def __init__(self, address: str, *, sample_rate: int = SAMPLE_RATE) -> None:
        super().__init__(address, is_live=False)
        self._address = address
        self._sample_rate = sample_rate
        self._listener: socket.socket | None = None

    def __enter__(self) -> SocketListener:
        try:
            self._listener = self._resources.enter_context(_listen(self._address, self._resources))
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DeviceError(
                f"cannot listen at {self._address}: {reason}",
                fix="give tcp://127.0.0.1:PORT or unix:///PATH that is free",
            ) from error
        return self

    @property
    def port(self) -> int | None:
        """Of TCP; the system's choice where port 0 was asked for."""
        address = self._listener.getsockname() if self._listener else None
        return address[1] if isinstance(address, tuple) else None

    def __iter__(self) -> Iterator[Samples]:
        assert self._listener is not None, "a source is entered before it is iterated"
        self._listener.settimeout(0.1)
        connection: socket.socket | None = None
        while connection is None and not self._is_stopping.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
        if connection is None:
            return
        with connection, connection.makefile("rb") as file:
            inner = PcmStream(cast(BinaryIO, file), sample_rate=self._sample_rate, name=self.name)
            inner._is_stopping = self._is_stopping
            yield from inner
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # lets the reading thread go


def _listen(address: str, resources: contextlib.ExitStack) -> socket.socket:
    kind, _, place = address.partition("://")
    if kind == "tcp":
        host, _, port = place.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise ValueError("it names no host and port")
        return socket.create_server((host.strip("[]"), int(port)), family=_family(host))
    if kind == "unix" and hasattr(socket, "AF_UNIX") and place:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.bind(place)
        except OSError:
            server.close()
            raise
        resources.callback(_remove, place)
        server.listen(1)
        return server
    raise ValueError("neither tcp:// nor unix://")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()
