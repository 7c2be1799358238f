"""Any recording to mono blocks, in constant memory: wav to libsndfile, the rest to FFmpeg's libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from earshot.audio.pcm import SAMPLE_FORMATS, open_pcm
from earshot.audio.reader import AudioInfo, AudioReader, Decoder
from earshot.audio.resample import resampled
from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Audio

__all__ = [
    "RECORDING_SUFFIXES",
    "SAMPLE_FORMATS",
    "AudioInfo",
    "AudioReader",
    "find_recordings",
    "open_audio",
    "open_pcm",
    "read_audio",
]

RECORDING_SUFFIXES = frozenset(
    """
    .3g2 .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .caf .dts .eac3 .flac .flv .m2ts .m4a .m4b .m4v
    .mka .mkv .mov .mp2 .mp3 .mp4 .mpeg .mpg .mts .oga .ogg .ogv .opus .ra .rm .snd .spx .tta .ts .w64 .wav
    .weba .webm .wma .wmv .wv
    """.split()
)


def open_audio(source: Path | str | BinaryIO, *, channel: int | None = None) -> AudioReader:
    """Open a recording in any format."""
    from earshot.audio._av import AvDecoder
    from earshot.audio._soundfile import SoundfileDecoder, soundfile

    name = str(source) if isinstance(source, Path | str) else "the audio stream"
    try:
        file = Path(source).open("rb") if isinstance(source, Path | str) else source
    except OSError as error:
        raise AudioError(f"cannot open {name}: {error.strerror}") from error
    decoder: Decoder
    try:
        decoder = SoundfileDecoder(file)
    except soundfile.SoundFileError:
        file.seek(0)
        decoder = AvDecoder(file, name)
    return AudioReader(decoder, name, channel=channel)


def read_audio(
    source: Path | str | BinaryIO, *, sample_rate: int | None = SAMPLE_RATE, channel: int | None = None
) -> Audio:
    """The whole recording in memory, at ``sample_rate`` Hz, or at its own rate where that is None."""
    with open_audio(source, channel=channel) as reader:
        rate = sample_rate or reader.info.sample_rate
        blocks = list(resampled(reader, reader.info.sample_rate, rate))
    return Audio(np.concatenate([np.empty(0, np.float32), *blocks]), rate)


def find_recordings(folder: Path) -> list[Path]:
    """All recordings under ``folder``, by their suffixes, sorted."""
    return sorted(_walk(Path(folder)))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in RECORDING_SUFFIXES:
                yield Path(root) / name
