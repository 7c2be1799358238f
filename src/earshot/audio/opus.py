"""Sound that travels within a page: Opus, small enough to be embedded."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import numpy as np

from earshot.core.errors import OutputError
from earshot.core.types import SAMPLE_RATE, Samples

BIT_RATE: Final = 24_000
"""Bits a second: speech as on a good telephone line, 10.8 MB an hour."""

MEDIA_TYPE: Final = "audio/ogg"

_FRAME: Final = SAMPLE_RATE // 50
_CODEC: Final = "libopus"


def write_opus(blocks: Iterable[Samples], file: BinaryIO, *, bit_rate: int = BIT_RATE) -> None:
    """Ogg Opus, mono. blocks: float32 at 16 kHz, any sizes. Raises OutputError where this PyAV has no Opus."""
    import av

    try:
        container = av.open(file, "w", format="ogg")
        stream = container.add_stream(_CODEC, rate=SAMPLE_RATE, layout="mono")
    except (av.error.FFmpegError, ValueError) as error:
        raise OutputError(
            f"this FFmpeg cannot write Opus: {error}", fix="leave the sound out, or install another PyAV"
        ) from error
    stream.bit_rate = bit_rate
    with container:
        position = 0
        for block in rechunked(blocks, 50 * _FRAME):
            values = np.clip(np.rint(block * 32_767), -32_768, 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(values[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = position
            position += len(block)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def data_url(data: bytes) -> str:
    """What an ``<audio src>`` takes instead of an address. data: as ``write_opus`` wrote it."""
    return f"data:{MEDIA_TYPE};base64,{base64.b64encode(data).decode('ascii')}"


def rechunked(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    """The same samples in blocks of ``size``; the last one may be shorter."""
    rest = np.empty(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if len(rest):
        yield rest
