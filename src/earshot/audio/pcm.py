"""Raw PCM: samples without a header, as they come through a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from earshot.audio.reader import AudioInfo, AudioReader, Frames, block_frames
from earshot.core.errors import AudioError, nearest
from earshot.core.types import SAMPLE_RATE

_Array = npt.NDArray[np.float32]


def _integers(dtype: str, *, zero: int = 0) -> Callable[[bytes], _Array]:
    """Full scale of n bits is 2^(n-1), so that the most negative integer is exactly -1."""
    scale = np.float32(2.0 ** -(8 * np.dtype(dtype).itemsize - 1))

    def convert(data: bytes) -> _Array:
        return (np.frombuffer(data, dtype).astype(np.float32) - np.float32(zero)) * scale

    return convert


def _three_bytes(*, big_endian: bool) -> Callable[[bytes], _Array]:
    """24-bit samples, widened to 32 bits with a zero low byte."""

    def convert(data: bytes) -> _Array:
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(triples), 4), np.uint8)
        wide[:, 1:] = triples[:, ::-1] if big_endian else triples
        return wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2.0**-31)

    return convert


def _floats(dtype: str) -> Callable[[bytes], _Array]:
    def convert(data: bytes) -> _Array:
        with np.errstate(all="ignore"):  # a float64 beyond float32 becomes inf, which the reader mends
            return np.frombuffer(data, dtype).astype(np.float32)

    return convert


_FORMATS: dict[str, tuple[int, Callable[[bytes], _Array]]] = {
    "u8": (1, _integers("u1", zero=128)),
    "s8": (1, _integers("i1")),
    "s16le": (2, _integers("<i2")),
    "s16be": (2, _integers(">i2")),
    "s24le": (3, _three_bytes(big_endian=False)),
    "s24be": (3, _three_bytes(big_endian=True)),
    "s32le": (4, _integers("<i4")),
    "s32be": (4, _integers(">i4")),
    "f32le": (4, _floats("<f4")),
    "f32be": (4, _floats(">f4")),
    "f64le": (8, _floats("<f8")),
    "f64be": (8, _floats(">f8")),
}

SAMPLE_FORMATS = tuple(_FORMATS)
"""Names as FFmpeg has them: signed, unsigned or float, bits, little or big endian."""


class _PcmDecoder:
    def __init__(self, stream: BinaryIO, info: AudioInfo, sample_format: str) -> None:
        self.info = info
        self.warnings: list[str] = []
        self._stream = stream
        width, self._convert = _FORMATS[sample_format]
        self._frame_bytes = width * info.num_channels

    def blocks(self) -> Iterator[Frames]:
        size = self._frame_bytes * block_frames(self.info.sample_rate, self.info.num_channels)
        rest = b""
        while data := read_some(self._stream, size):
            data = rest + data
            whole = len(data) // self._frame_bytes * self._frame_bytes
            rest = data[whole:]
            if whole:
                yield self._convert(data[:whole]).reshape(-1, self.info.num_channels)
        if rest:
            self.warnings.append(f"the last {len(rest)} bytes are no whole sample and were left out")

    def close(self) -> None:
        """The stream is the caller's."""


def read_some(stream: BinaryIO, size: int) -> bytes:
    """Up to ``size`` bytes as soon as there are any; empty at the end only.

    Raises AudioError where the stream fails, is closed or is a text stream.
    """
    read = getattr(stream, "read1", None) or stream.read
    try:
        # A stream in non-blocking mode says None for "nothing yet".
        while (data := read(size)) is None:
            time.sleep(0.01)
    except (OSError, ValueError) as error:
        raise AudioError(f"the audio stream cannot be read: {error}") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise AudioError("the audio stream gives text, not bytes", fix="open it in binary mode ('rb')")
    return bytes(data)


def open_pcm(
    stream: BinaryIO,
    *,
    sample_rate: int = SAMPLE_RATE,
    num_channels: int = 1,
    sample_format: str = "s16le",
    channel: int | None = None,
) -> AudioReader:
    """Read raw PCM with interleaved channels from a binary stream, which stays open and the caller's.

    sample_format: one of SAMPLE_FORMATS. channel: counts from 1; None mixes all. Blocks are as long as what
    the pipe has ready, at most half a second. A part of a sample at the end is left out with a warning.
    Raises AudioError for a rate, channel or format that cannot be.
    """
    if sample_format not in _FORMATS:
        raise AudioError(
            f"unknown sample format {sample_format!r}", fix=nearest(str(sample_format), SAMPLE_FORMATS)
        )
    info = AudioInfo(sample_rate, num_channels, None, f"pcm_{sample_format}")
    return AudioReader(_PcmDecoder(stream, info, sample_format), "the audio stream", channel=channel)
