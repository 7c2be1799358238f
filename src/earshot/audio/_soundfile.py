"""libsndfile: wav in all its kinds, aiff, au and their relatives, and whatever FFmpeg refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import soundfile

from earshot.audio._source import Source
from earshot.audio.reader import AudioInfo, Frames, block_frames
from earshot.core.errors import AudioError

_UNKNOWN_LENGTH = 2**40
"""Frames; libsndfile says about 2^63 where a header does not know."""

_STREAMED = 2**31 - 2**16
"""Bytes; recorders that cannot go back write about this, or more, for a length that they do not know."""


class SoundfileDecoder:
    """Raises AudioError, in the constructor and on the way, for what libsndfile cannot read."""

    def __init__(self, source: Source) -> None:
        self.warnings: list[str] = []
        self._source = source
        try:
            # A descriptor spares a call into Python for each buffer.
            self._file = soundfile.SoundFile(
                source if source.descriptor is None else source.descriptor, closefd=False
            )
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            raise AudioError(
                f"{source.name} is no recording that can be read",
                fix="check that it is sound; if it plays elsewhere, convert it there to WAV",
            ) from error
        rate, frames = self._file.samplerate, self._file.frames
        self._expected = self._promised(frames if 0 < frames < _UNKNOWN_LENGTH else None)
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
            try:
                frames = self._file.read(size, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                if not num_read:
                    raise AudioError(
                        f"{self._source.name} is damaged: nothing in it can be decoded", fix="export it again"
                    ) from error
                break
            if self._source.failure and not len(frames):
                raise self._source.failure
            if not len(frames):
                break
            num_read += len(frames)
            self._source.progress()
            yield np.asarray(frames, np.float32)
        self._compare(num_read)

    @property
    def is_seekable(self) -> bool:
        """Whether ``seek`` is exact and costs nothing: linear samples and FLAC, whose frames stand alone."""
        return bool(self._file.seekable()) and (
            self._file.format == "FLAC"
            or self._file.subtype.startswith(("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW"))
        )

    def seek(self, frame: int) -> None:
        """The blocks begin at this frame; one beyond the end gives none."""
        try:
            self._file.seek(min(frame, self._file.frames))
        except (soundfile.SoundFileError, ValueError) as error:
            raise AudioError(f"{self._source.name} is damaged: it ends early", fix="export it again") from error

    def close(self) -> None:
        """See Decoder."""
        self._file.close()
        self._source.close()

    def _promised(self, frames: int | None) -> int | None:
        """Frames by the header, which libsndfile has cut to what the file holds: its log says so."""
        cut = re.search(r"^\s*data\s*: (\d+) \(should be (\d+)\)", self._file.extra_info, re.MULTILINE)
        if frames is None or cut is None:
            return frames
        told, held = int(cut[1]), int(cut[2])
        return frames * told // held if 0 < held < told < _STREAMED else frames

    def _compare(self, num_read: int) -> None:
        rate = self.info.sample_rate
        if self._expected and self._expected - num_read > rate // 10:
            self.warnings.append(
                f"the file ends early: {num_read / rate:.1f} s of the {self._expected / rate:.1f} s it promises"
            )
