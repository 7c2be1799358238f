"""FFmpeg's libraries through PyAV: m4a, mp4, webm, mkv, aac, wma and whatever else has a sound track.

FFmpeg only ever sees our own file object and the demuxers named here, so no file can make it open another
file or the network (playlists and the concat demuxer are not among them).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from earshot.audio.reader import AudioInfo, Frames, block_frames, gathered
from earshot.audio.resample import Resampler
from earshot.core.errors import AudioError

_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,m4a,matroska,mlp,mov,mp3,"
    "mp4,mpc,mpc8,mpeg,mpegts,nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,webm,wv,xwma"
)


class AvDecoder:
    """Reads from a binary file that stays the caller's. Raises AudioError for what FFmpeg cannot read."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        import av

        av.logging.set_level(None)
        self.warnings: list[str] = []
        self._name = name
        try:
            self._container: Any = av.open(
                file,
                mode="r",
                options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"},
                metadata_errors="replace",
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise AudioError(f"{name} is no recording that can be read", fix="convert it to WAV") from error
        if not self._container.streams.audio:
            self.close()
            raise AudioError(f"{name} has no sound track", fix="choose a file with sound")
        self._stream = self._container.streams.audio[0]
        context = self._stream.codec_context
        duration = None
        if self._stream.duration and self._stream.time_base:
            duration = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration:
            duration = self._container.duration / av.time_base
        self.info = AudioInfo(context.sample_rate, context.channels, duration, context.name)

    def blocks(self) -> Iterator[Frames]:
        """See Decoder."""
        size = block_frames(self.info.sample_rate, self.info.num_channels)
        return gathered(self._frames(), lambda: size)

    def _frames(self) -> Iterator[Frames]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                try:
                    for frame in packet.decode():
                        yield _as_float(frame)
                except av.FFmpegError:
                    continue
        except av.FFmpegError:
            self.warnings.append("the file ends early")

    def close(self) -> None:
        """See Decoder."""
        self._container.close()


def _as_float(frame: Any) -> Frames:
    """float32 (n, channels) from a frame of any of FFmpeg's sample formats."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float32) * np.float32(2.0 ** -(8 * values.dtype.itemsize - 1))
    with np.errstate(all="ignore"):
        return values.astype(np.float32)
