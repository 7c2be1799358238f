"""Small recordings in every format, made on the spot."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

Frames = npt.NDArray[np.float32]


def tone(seconds: float = 1.5, rate: int = 48_000, num_channels: int = 1, frequency: float = 440.0) -> Frames:
    """A tone of amplitude 0.5 / (channel number): float32 (n, num_channels)."""
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return (wave[:, None] / np.arange(1, num_channels + 1)).astype(np.float32)


def write_sndfile(path: Path, frames: Frames, rate: int, *, subtype: str | None = None) -> Path:
    soundfile.write(path, frames, rate, subtype=subtype)
    return path


def write_av(
    path: Path,
    frames: Frames,
    rate: int,
    codec: str,
    *,
    layout: str = "mono",
    video: bool = False,
    delay: float = 0.0,
    drop: range = range(0),
    options: dict[str, str] | None = None,
) -> Path:
    """Encode with FFmpeg's libraries. delay: seconds before the sound track starts; drop: packets left out."""
    with av.open(str(path), "w", options=options or {}) as container:
        picture = container.add_stream("mpeg4", rate=10) if video else None
        if picture is not None:
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        track = container.add_stream(codec, rate=rate, layout=layout)
        source = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(frames).reshape(1, -1), format="flt", layout=layout
        )
        source.sample_rate = rate
        source.pts = 0
        size = track.codec_context.frame_size or 1024
        resampler = av.AudioResampler(track.format.name, layout, rate, frame_size=size)
        if picture is not None:
            for index in range(round(10 * len(frames) / rate)):
                image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                image.pts = index
                container.mux(picture.encode(image))
            container.mux(picture.encode(None))
        packets = [
            packet
            for frame in [*resampler.resample(source), *resampler.resample(None), None]
            for packet in track.encode(frame)
        ]
        for index, packet in enumerate(packets):
            if packet.pts is not None and packet.time_base:
                shift = round(delay / packet.time_base)
                packet.pts += shift
                packet.dts = packet.pts
            if index not in drop:
                container.mux(packet)
    return path
