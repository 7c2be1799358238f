"""A recording in a notebook: player, sampling rate and length, text, and a picture of it."""

from __future__ import annotations

import base64
import html
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from earshot.audio.decode import open_audio, open_pcm
from earshot.audio.reader import AudioReader
from earshot.core.errors import MissingExtraError
from earshot.core.optional import require
from earshot.core.types import Audio, Samples, Transcript
from earshot.transcription import Transcriber, TranscriptionOptions
from earshot.visual import Survey, draw, excerpt, survey
from earshot.visual.figure import clock_text

MAX_PLAYER_SECONDS = 300.0
"""The player's sound lies inside the notebook: about 3 MB a minute at 44.1 kHz. Longer ones are cut there."""

_DOTS_PER_INCH = 80
"""About 1040 px wide: what a notebook's column shows. As WebP that is a seventh of the PNG's bytes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What ``show`` shows; the last line of a cell shows it too.

    sample_rate: Hz, the recording's own. duration: seconds. player: FLAC of its (first) sound, mono. picture:
    WebP, None where matplotlib is missing. transcript: None where none was asked for. remarks: one line each.
    """

    name: str
    sample_rate: int
    num_channels: int
    duration: float
    codec: str
    player: bytes
    transcript: Transcript | None
    picture: bytes | None
    remarks: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """As in ``44,100 Hz · 2 channels · 12.5 s · mp3float``."""
        unit = " s" if self.duration < 60 else ""
        channels = "1 channel" if self.num_channels == 1 else f"{self.num_channels} channels"
        length = f"{clock_text(self.duration, self.duration)}{unit}"
        return f"{self.sample_rate:,} Hz · {channels} · {length} · {self.codec}"

    def __repr__(self) -> str:
        text = f"\n{self.transcript.text}" if self.transcript is not None else ""
        return f"{self.name}: {self.summary}{text}"

    def _repr_html_(self) -> str:
        """For Jupyter."""
        parts = [f"<p><strong>{html.escape(self.name)}</strong><br>{html.escape(self.summary)}</p>"]
        if self.player:
            label = html.escape(self.name, quote=True)
            parts.append(
                f'<audio controls preload="metadata" aria-label="{label}" style="width:100%;max-width:40rem"'
                f' src="{_data_url(self.player, "audio/flac")}"></audio>'
            )
        if self.transcript is not None:
            parts.append(
                f"<blockquote>{html.escape(self.transcript.text) or '<em>no speech</em>'}</blockquote>"
            )
        if self.picture:
            what = "waveform, speech, spectrogram, log-mel and MFCC on one time axis"
            parts.append(
                f'<img alt="{what}" style="width:100%;max-width:65rem"'
                f' src="{_data_url(self.picture, "image/webp")}">'
            )
        parts += [f"<p><small>{html.escape(remark)}</small></p>" for remark in self.remarks]
        return f"<div>{''.join(parts)}</div>"


def show(
    source: Path | str | BinaryIO | Audio,
    *,
    text: bool | Transcript = True,
    picture: bool = True,
    options: TranscriptionOptions | None = None,
    transcriber: Transcriber | None = None,
    channel: int | None = None,
    name: str | None = None,
) -> Shown:
    """Show a recording: player, sampling rate and length, its text, waveform, spectrogram, log-mel and MFCC.

    Returns what the last line of a cell shows; elsewhere ``display(show(…))``.
    source: a file in any format, a binary stream, or sound in memory. text: False for none, or a transcript
    that is there already. options: to transcribe with; transcriber: one that is loaded already. channel: counts
    from 1, None mixes all. name: the title. Raises AudioError when the recording cannot be read.
    """
    if isinstance(source, str):
        source = Path(source)
    if not isinstance(source, Path | Audio):
        source = io.BytesIO(source.read())  # it is read more than once
    name = name or (source.name if isinstance(source, Path) else "sound in memory")
    remarks: list[str] = []
    with _opened(source, channel) as reader:
        seen = survey(reader, has_pictures=picture)
    transcript = text if isinstance(text, Transcript) else None
    if text is True:
        transcript = _transcribed(source, channel, options, transcriber)
    duration = seen.report.duration
    if duration > MAX_PLAYER_SECONDS:
        remarks.append(f"The player holds the first {MAX_PLAYER_SECONDS / 60:.0f} minutes.")
    info = seen.report.info
    return Shown(
        name,
        info.sample_rate,
        info.num_channels,
        duration,
        info.codec,
        _player(source, channel) if duration else b"",
        transcript,
        _picture(seen, name, transcript, remarks) if picture and duration else None,
        (*remarks, *seen.report.warnings),
    )


def _opened(source: Path | BinaryIO | Audio, channel: int | None) -> AudioReader:
    if isinstance(source, Audio):
        data = source.samples.astype("<f4").tobytes()
        return open_pcm(io.BytesIO(data), sample_rate=source.sample_rate, sample_format="f32le")
    if not isinstance(source, Path):
        source.seek(0)
    return open_audio(source, channel=channel)


def _transcribed(
    source: Path | BinaryIO | Audio,
    channel: int | None,
    options: TranscriptionOptions | None,
    transcriber: Transcriber | None,
) -> Transcript:
    with _opened(source, channel) as reader:
        if transcriber is not None:
            return transcriber.transcribe(reader)
        with Transcriber(options) as own:
            return own.transcribe(reader)


def _player(source: Path | BinaryIO | Audio, channel: int | None) -> bytes:
    """The sound as FLAC, which all browsers play; half as long as WAV, and lossless at 16 bits."""
    with excerpt(_opened(source, channel), 0.0, MAX_PLAYER_SECONDS, name="the recording") as reader:
        rate = reader.info.sample_rate
        blocks: list[Samples] = [np.empty(0, np.float32), *reader]
    audio = Audio(np.concatenate(blocks), rate)
    if rate > 48_000:  # sound cards of browsers end there
        from earshot.audio.resample import resample

        audio = resample(audio, 48_000)
    stream = io.BytesIO()
    soundfile.write(stream, audio.samples, audio.sample_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _picture(seen: Survey, name: str, transcript: Transcript | None, remarks: list[str]) -> bytes | None:
    try:
        require("matplotlib", extra="plot", purpose="the picture")
    except MissingExtraError as error:
        remarks.append(str(error))
        return None
    figure = draw(seen, title=name, transcript=transcript)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that no font has is drawn as a box
        figure.savefig(stream, format="webp", dpi=_DOTS_PER_INCH, pil_kwargs={"quality": 85})
    return stream.getvalue()


def _data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
