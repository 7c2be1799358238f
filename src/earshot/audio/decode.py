"""Any recording to mono blocks, in constant memory: wav to libsndfile, the rest to FFmpeg's libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from earshot.audio._source import Source, open_source
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

_SUFFIXES = """
    3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi caf dts eac3 flac flv m2ts m4a m4b m4v mka mkv mov mp2 mp3
    mp4 mpeg mpg mts oga ogg ogv opus ra rm snd spx tta ts w64 wav weba webm wma wmv wv
"""
RECORDING_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())
"""Lower case. Only ``find_recordings`` goes by them; ``open_audio`` looks at what a file holds."""

_PCM_CONTAINERS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b".snd", b"dns.", b"riff", b"caff")
"""How files begin that libsndfile reads best: five times as fast as FFmpeg here, in any sample format."""

_MPEG = (b"ID3", b"\xff")
"""How files begin that libsndfile hands to a library which prints what it thinks of them."""


def open_audio(source: Path | str | BinaryIO, *, channel: int | None = None) -> AudioReader:
    """Open a recording in any format, by what it holds; its name does not matter. See AudioReader.

    source: a path, or a readable binary stream (which stays open, and the caller's) from its present position
    on; it need not be seekable. channel: counts from 1; None mixes all channels.
    A damaged recording is read as far as it can be, and ``AudioReader.warnings`` says what is missing.
    Raises AudioError, here or while reading, when nothing can be had from it.
    """
    opened = open_source(source)
    try:
        return AudioReader(_decoder(opened), opened.name, channel=channel)
    except BaseException:
        opened.close()
        raise


def _decoder(source: Source) -> Decoder:
    """The first decoder that accepts the recording; of two refusals the one of FFmpeg says more."""
    from earshot.audio._av import AvDecoder
    from earshot.audio._soundfile import SoundfileDecoder

    if not source.is_seekable:
        return AvDecoder(source)
    if source.head.startswith(_PCM_CONTAINERS):
        try:
            return SoundfileDecoder(source)
        except AudioError:
            source.rewind()
            return AvDecoder(source)
    try:
        return AvDecoder(source)
    except AudioError as refusal:
        if source.head.startswith(_MPEG):
            raise
        source.rewind()
        try:
            return SoundfileDecoder(source)
        except AudioError:
            raise refusal from None


def read_audio(
    source: Path | str | BinaryIO, *, sample_rate: int | None = SAMPLE_RATE, channel: int | None = None
) -> Audio:
    """The whole recording in memory, at ``sample_rate`` Hz, or at its own rate where that is None.

    A recording of no samples is no error. Raises AudioError as ``open_audio`` does.
    """
    with open_audio(source, channel=channel) as reader:
        rate = sample_rate or reader.info.sample_rate
        blocks = list(resampled(reader, reader.info.sample_rate, rate))
    return Audio(np.concatenate([np.empty(0, np.float32), *blocks]), rate)


def find_recordings(folder: Path) -> list[Path]:
    """All recordings in ``folder`` and the folders in it, by their suffixes, sorted.

    Hidden files and folders and unfinished downloads (``*.partial``) are left out, as is what may not be
    read; links to folders are not followed, so none leads in a circle.
    Raises AudioError when ``folder`` itself is no folder or may not be read.
    """
    folder = Path(folder)
    try:
        with os.scandir(folder):
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioError(f"cannot look into the folder {folder}: {reason}", fix="check the path") from error
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root) / name
            if not name.startswith(".") and path.suffix.lower() in RECORDING_SUFFIXES and path.is_file():
                yield path
