"""libsndfile: wav, flac, ogg, opus, mp3, aiff and their relatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile

from earshot.audio.reader import AudioInfo, Frames, block_frames

_UNKNOWN_LENGTH = 2**62
"""libsndfile says about 2^63 frames where a header does not know."""


class SoundfileDecoder:
    """Reads from a seekable binary file that stays the caller's.

    Raises soundfile.SoundFileError, in the constructor and on the way, for what it cannot read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.warnings: list[str] = []
        self._file = soundfile.SoundFile(file)
        frames = self._file.frames
        self._expected = frames if 0 < frames < _UNKNOWN_LENGTH else None
        rate = self._file.samplerate
        self.info = AudioInfo(
            rate,
            self._file.channels,
            self._expected / rate if self._expected and rate > 0 else None,
            f"{self._file.format}/{self._file.subtype}",
        )

    def blocks(self) -> Iterator[Frames]:
        """See Decoder."""
        size = block_frames(self.info.sample_rate, self.info.num_channels)
        num_read = 0
        while True:
            frames = self._file.read(size, dtype="float32", always_2d=True)
            num_read += len(frames)
            if not len(frames):
                break
            yield np.asarray(frames, np.float32)
        if self._expected and self._expected - num_read > self.info.sample_rate // 10:
            told, got = self._expected / self.info.sample_rate, num_read / self.info.sample_rate
            self.warnings.append(f"the file ends early: {got:.1f} s of the {told:.1f} s that it promises")

    def close(self) -> None:
        """See Decoder."""
        self._file.close()
