"""A meeting's sound for its page: Opus, small enough to travel within it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled
from earshot.core.errors import OutputError
from earshot.core.types import SAMPLE_RATE, Samples

BIT_RATE = 24_000
"""Bits a second: speech as on a good telephone line, 10.8 MB an hour."""

MAX_EMBEDDED = 32_000_000
"""Bytes of sound within a page; three hours of speech. Browsers open larger pages slowly."""

MEDIA_TYPE = "audio/ogg"

_FRAME = SAMPLE_RATE // 50
_CODEC = "libopus"


def mixed_blocks(readers: Sequence[Iterable[Samples]]) -> Iterator[Samples]:
    """The sum of several recordings that begin together, in blocks of a second, as long as the longest.

    Clipped at full scale, never scaled: people rarely speak at once, and a level that changed with the number
    of microphones would be heard.
    """
    pieces = [_rechunked(reader, SAMPLE_RATE) for reader in readers]
    while blocks := [block for block in (next(piece, None) for piece in pieces) if block is not None]:
        mixed = np.zeros(max(map(len, blocks)), np.float32)
        for block in blocks:
            mixed[: len(block)] += block
        yield np.clip(mixed, -1, 1)


def _rechunked(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    rest = np.empty(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if len(rest):
        yield rest


@contextlib.contextmanager
def opened_mix(sources: Sequence[tuple[Path, int | None]]) -> Iterator[Iterator[Samples]]:
    """The sound of files (and channels, from 1) that begin together, mixed, at 16 kHz. Raises AudioError."""
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path, channel=channel)) for path, channel in sources]
        yield mixed_blocks([resampled(reader, reader.info.sample_rate) for reader in readers])


def write_opus(blocks: Iterable[Samples], file: BinaryIO, *, bit_rate: int = BIT_RATE) -> None:
    """Ogg Opus, mono. blocks: float32 at 16 kHz, any sizes. Raises OutputError where this PyAV has no Opus."""
    import av

    try:
        container = av.open(file, "w", format="ogg")
        stream = container.add_stream(_CODEC, rate=SAMPLE_RATE, layout="mono")
    except (av.error.FFmpegError, ValueError) as error:
        raise OutputError(
            f"this FFmpeg cannot write Opus: {error}", fix="say --no-audio, or install another PyAV"
        ) from error
    stream.bit_rate = bit_rate
    with container:
        position = 0
        for block in _rechunked(blocks, 50 * _FRAME):
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
    """What an ``<audio src>`` takes instead of an address."""
    return f"data:{MEDIA_TYPE};base64,{base64.b64encode(data).decode('ascii')}"
