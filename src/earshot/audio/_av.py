"""FFmpeg's libraries through PyAV: m4a, mp4, webm, mkv, mp3, opus and whatever else has a sound track.

FFmpeg only ever sees our own file object and the demuxers named here, so no file can make it open another
file or the network: playlists and the concat demuxer are not among them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from earshot.audio._source import OneWay, Source, TwoWay
from earshot.audio.reader import AudioInfo, Frames, block_frames, gathered
from earshot.audio.resample import Resampler
from earshot.core.errors import AudioError

_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,m4a,matroska,mlp,mov,mp3,"
    "mp4,mpc,mpc8,mpeg,mpegts,nut,ogg,oma,rm,shn,tak,truehd,tta,voc,w64,wav,webm,wv,xwma"
)

_SMALLEST_GAP = 0.1
"""Seconds. Smaller holes between packets are rounding of time stamps, mostly to whole milliseconds."""

_LARGEST_GAP = 3_600.0
"""Seconds. A jump beyond an hour is taken for a broken time stamp, not for a pause."""

_MOST_SILENCE = 12 * 3_600.0
"""Seconds that are filled in one recording, so that a small crafted file cannot last for ever."""

_MANY_CHANNELS = 8

_EXACT = ("mov", "matroska", "flac", "wav", "aiff")
"""Demuxers whose durations are written down by the recorder rather than guessed from the bit rate."""

_LONGEST = 10_000 * 3_600.0
"""Seconds. No recording lasts longer, so a header that says so is not believed."""


class AvDecoder:
    """The first sound track. Raises AudioError, in the constructor and on the way, for what FFmpeg cannot read.

    Where packets are missing or damaged, and before a track that starts late, silence keeps the times true.
    """

    def __init__(self, source: Source) -> None:
        import av

        av.logging.set_level(None)
        self.warnings: list[str] = []
        self._source = source
        self._interleaver: Any = None
        self._interleaver_key: tuple[str, str, int] | None = None
        self._container: Any = self._open()
        try:
            self._stream = self._choose_stream()
            self.info = self._describe()
        except AudioError:
            self._container.close()
            raise

    def blocks(self) -> Iterator[Frames]:
        """See Decoder."""
        size = block_frames(self.info.sample_rate, self.info.num_channels)
        return gathered(_at_one_rate(self._timed(), self.info.sample_rate), size)

    def close(self) -> None:
        """See Decoder."""
        self._container.close()
        self._source.close()

    def _open(self) -> Any:
        import av

        try:
            return av.open(
                (TwoWay if self._source.is_seekable else OneWay)(self._source),
                options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"},
                metadata_errors="replace",
            )
        except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
            if self._source.failure:
                raise self._source.failure from error
            if self._source.head[4:8] == b"ftyp":
                raise AudioError(
                    f"{self._source.name} lacks its index: the recording or download was cut off",
                    fix="get the whole file, or repair it with a tool such as untrunc",
                ) from error
            raise AudioError(
                f"{self._source.name} is no recording that can be read",
                fix="check that it is sound; if it plays elsewhere, convert it there to WAV",
            ) from error

    def _choose_stream(self) -> Any:
        streams = self._container.streams.audio
        if not streams:
            raise AudioError(f"{self._source.name} has no sound track", fix="choose a file with sound")
        stream = streams[0]
        context = stream.codec_context
        if context is not None and context.codec_tag in ("drms", "enca", "aavd"):
            raise AudioError(f"{self._source.name} is encrypted", fix="export it without copy protection")
        if context is None:
            raise AudioError(
                f"the sound of {self._source.name} is in a format that nobody here can decode",
                fix="convert it to WAV",
            )
        if len(streams) > 1:
            self.warnings.append(f"the first of {len(streams)} sound tracks is read")
        return stream

    def _describe(self) -> AudioInfo:
        import av

        context = self._stream.codec_context
        duration = None
        if self._stream.duration and self._stream.time_base:
            duration = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration:
            duration = self._container.duration / av.time_base
        if duration is not None and not 0 < duration < _LONGEST:
            duration = None
        return AudioInfo(context.sample_rate, context.channels, duration, context.name)

    def _timed(self) -> Iterator[tuple[Frames, int]]:
        """Blocks and their rates, with silence for what is missing."""
        start = (self._container.start_time or 0) / 1e6
        passed = filled = 0.0
        for values, rate, time in self._decoded():
            gap = time - start - passed if time is not None and math.isfinite(time) else 0.0
            if abs(gap) > _LARGEST_GAP or filled + gap > _MOST_SILENCE:
                start += gap
            elif gap > _SMALLEST_GAP:
                filled += gap
                for silence in _silence(round(gap * rate), rate, values.shape[1]):
                    passed += len(silence) / rate
                    yield silence, rate
            passed += len(values) / rate
            yield values, rate
        self._compare(passed)

    def _compare(self, passed: float) -> None:
        """Warn where less was found than the header promises; other headers only guess."""
        promised = self.info.duration
        if self._container.format.name.startswith(_EXACT) and promised and passed < 0.99 * promised - 0.5:
            self.warnings.append(f"the file ends early: {passed:.1f} s of the {promised:.1f} s it promises")

    def _decoded(self) -> Iterator[tuple[Frames, int, float | None]]:
        """Samples, their rate, and their time stamp in seconds."""
        num_frames = num_broken = num_at_end = 0
        for packet in self._packets():
            for frame in self._frames(packet):
                if frame is None:
                    num_broken += 1
                    num_at_end += 1
                    continue
                num_frames += 1
                num_at_end = 0
                self._source.progress()
                yield frame
        if self._source.failure:
            if not num_frames:
                raise self._source.failure
            self.warnings.append(f"the file ends early: {self._source.failure.message}")
        if num_broken and not num_frames:
            raise AudioError(
                f"nothing in {self._source.name} can be decoded: it is damaged or encrypted",
                fix="export it again without copy protection",
            )
        if num_at_end == 1:
            num_broken -= 1  # where a file was cut off; that it ends early is told by its length
        if num_broken:
            many = "1 damaged packet was" if num_broken == 1 else f"{num_broken} damaged packets were"
            self.warnings.append(f"{many} taken as silence")

    def _packets(self) -> Iterator[Any]:
        import av

        while True:
            try:
                yield from self._container.demux(self._stream)
                return
            except IndexError:
                continue  # a packet of a track that was not there at first; PyAV read it, and goes on after it
            except (av.FFmpegError, OSError, ValueError):
                self.warnings.append("the rest of the file cannot be read")
                return

    def _frames(self, packet: Any) -> list[tuple[Frames, int, float | None] | None]:
        """What the packet holds; [None] where it is damaged."""
        import av

        try:
            frames = [frame for frame in packet.decode() if frame.samples > 0 and frame.sample_rate > 0]
            return [(self._values(frame), frame.sample_rate, frame.time) for frame in frames]
        except av.EOFError:
            return []
        except (av.FFmpegError, ValueError, OverflowError):
            return [None]

    def _values(self, frame: Any) -> Frames:
        """float32 (n, channels).

        PyAV looks for the end of a frame's planes beyond the eighth pointer, and crashes the process there
        (18.1): so many channels are interleaved into one plane before PyAV touches them.
        """
        if not frame.format.is_planar or frame.layout.nb_channels < _MANY_CHANNELS:
            return _as_float(frame)
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if key != self._interleaver_key:
            import av

            self._interleaver = av.AudioResampler(
                format="flt", layout=frame.layout.name, rate=frame.sample_rate
            )
            self._interleaver_key = key
        return np.concatenate([_as_float(part) for part in self._interleaver.resample(frame)])


def _as_float(frame: Any) -> Frames:
    """float32 (n, channels) from a frame of any of FFmpeg's sample formats."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    floats: Frames
    if values.dtype == np.uint8:
        floats = (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    elif np.issubdtype(values.dtype, np.integer):
        floats = values.astype(np.float32) * np.float32(2.0 ** -(8 * values.dtype.itemsize - 1))
    else:
        with np.errstate(all="ignore"):
            floats = values.astype(np.float32)
    return floats


def _silence(num_frames: int, rate: int, num_channels: int) -> Iterator[Frames]:
    """In pieces, so that a long gap takes no memory."""
    size = block_frames(rate, num_channels)
    for start in range(0, num_frames, size):
        yield np.zeros((min(size, num_frames - start), num_channels), np.float32)


def _at_one_rate(timed: Iterator[tuple[Frames, int]], rate: int) -> Iterator[Frames]:
    """Broadcasts and chained files may change their rate on the way: such a stretch is resampled."""
    for (own_rate, num_channels), run in itertools.groupby(timed, key=lambda item: (item[1], item[0].shape[1])):
        if own_rate == rate:
            yield from (frames for frames, _ in run)
            continue
        resamplers = [Resampler(own_rate, rate) for _ in range(num_channels)]
        for frames, _ in run:
            columns = [
                resampler.accept(np.ascontiguousarray(column))
                for resampler, column in zip(resamplers, frames.T, strict=True)
            ]
            yield np.stack(columns, axis=1)
        yield np.stack([resampler.finish() for resampler in resamplers], axis=1)
