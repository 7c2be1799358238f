"""Stretches from the middle of a recording, without decoding what lies before where its format allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from earshot.audio._source import open_source
from earshot.audio.decode import open_audio
from earshot.audio.reader import AudioReader
from earshot.audio.resample import resampled
from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Samples


def read_pieces(
    path: Path | str, spans: Sequence[tuple[int, int]], *, channel: int | None = None
) -> list[Samples]:
    """The stretches of a file that ``spans`` name: first sample and length, at 16 kHz, in order.

    They are the very samples that reading the whole recording gives. Linear samples (wav, aiff, caf …) and FLAC
    at 16 kHz are read from the first span on; the rest is decoded from its beginning, as a decoder or resampler
    that begins in the middle gives samples that differ in their last bits.
    Raises AudioError when the file cannot be read or is shorter than the spans say.
    """
    if not spans:
        return []
    start, reader = _opened_at(path, spans[0][0], channel)
    with reader:
        pieces = list(_pieces(resampled(reader, reader.info.sample_rate), start, spans))
    if len(pieces) < len(spans):
        raise AudioError(f"{path} is shorter than it was", fix="leave recordings alone while they are read")
    return pieces


def _opened_at(path: Path | str, sample: int, channel: int | None) -> tuple[int, AudioReader]:
    """A reader, and the sample at which it begins."""
    from earshot.audio._soundfile import SoundfileDecoder

    source = open_source(path)
    try:
        decoder = SoundfileDecoder(source)
        if decoder.is_seekable and decoder.info.sample_rate == SAMPLE_RATE:
            decoder.seek(sample)
            return sample, AudioReader(decoder, source.name, channel=channel)
        decoder.close()
    except AudioError:
        source.close()
    return 0, open_audio(path, channel=channel)


def _pieces(blocks: Iterator[Samples], position: int, spans: Sequence[tuple[int, int]]) -> Iterator[Samples]:
    """The spans, from blocks of which the first begins at sample ``position``."""
    held = np.empty(0, np.float32)
    for start, length in spans:
        parts = []
        missing = length
        while missing:
            if not len(held):
                block = next(blocks, None)
                if block is None:
                    return
                held = block
            skipped = min(max(0, start - position), len(held))
            taken = held[skipped : skipped + missing]
            position += skipped + len(taken)
            held = held[skipped + len(taken) :]
            missing -= len(taken)
            parts.append(taken)
        yield np.concatenate([np.empty(0, np.float32), *parts])
