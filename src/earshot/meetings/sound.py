"""A meeting's sound for its page: what was recorded side by side, mixed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from earshot.audio.decode import open_audio
from earshot.audio.opus import rechunked
from earshot.audio.resample import resampled
from earshot.core.types import SAMPLE_RATE, Samples

MAX_EMBEDDED = 32_000_000
"""Bytes of sound within a page; three hours of speech. Browsers open larger pages slowly."""


def mixed_blocks(readers: Sequence[Iterable[Samples]]) -> Iterator[Samples]:
    """The sum of several recordings that begin together, in blocks of a second, as long as the longest.

    Clipped at full scale, never scaled: people rarely speak at once, and a level that changed with the number
    of microphones would be heard.
    """
    pieces = [rechunked(reader, SAMPLE_RATE) for reader in readers]
    while blocks := [block for block in (next(piece, None) for piece in pieces) if block is not None]:
        mixed = np.zeros(max(map(len, blocks)), np.float32)
        for block in blocks:
            mixed[: len(block)] += block
        yield np.clip(mixed, -1, 1)


@contextlib.contextmanager
def opened_mix(sources: Sequence[tuple[Path, int | None]]) -> Iterator[Iterator[Samples]]:
    """The sound of files (and channels, from 1) that begin together, mixed, at 16 kHz. Raises AudioError."""
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path, channel=channel)) for path, channel in sources]
        yield mixed_blocks([resampled(reader, reader.info.sample_rate) for reader in readers])
