"""``earshot inspect``: what a recording is, how it was recorded, and a picture of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from earshot.audio.decode import open_audio
from earshot.audio.reader import AudioReader
from earshot.cli._options import engine_options
from earshot.cli._progress import batch_progress
from earshot.core.optional import require
from earshot.core.types import Transcript
from earshot.text.formats import read_transcript
from earshot.visual import (
    Image,
    Label,
    NetPicture,
    Report,
    decibels,
    draw,
    excerpt,
    save_figure,
    show_figure,
    survey,
)
from earshot.visual.figure import check_suffix, clock_text

QUIET_PEAK_DB = -35.0
"""dBFS; speech recorded that low drowns in the microphone's own noise."""

LARGE_OFFSET = 0.01
"""Of full scale: a DC offset from there on points to a faulty sound card."""

LOW_RATIO_DB = 10.0
TELEPHONE_BANDWIDTH = 4_300.0
"""Hz. Recordings of telephones end at 3,400 or 4,000."""


_CLOCK = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})", re.ASCII)


def seconds(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """A time given as ``90.5``, ``1:30`` or ``0:01:30``, in seconds."""
    if value is None:
        return None
    if not (match := _CLOCK.fullmatch(value.strip())):
        raise click.BadParameter(
            f"{value!r} is no time; write seconds (90.5) or a clock's (1:30)", context, option
        )
    hours, minutes, rest = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest)


@click.command("inspect")
@click.argument("recording", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write a picture (png, pdf, svg).")
@click.option("--show", is_flag=True, help="Show the picture in a window.")
@click.option("--start", callback=seconds, default="0", metavar="TIME", help="Begin there: 90 or 1:30.")
@click.option("--duration", callback=seconds, metavar="TIME", help="Look at so much of it.")
@click.option("--channel", type=click.IntRange(min=1), help="One channel instead of their mix; counts from 1.")
@click.option("--words", is_flag=True, help="Transcribe, and write the words under the picture.")
@click.option(
    "--transcript",
    "transcript_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take the words from this transcript (json, srt, vtt, ctm, TextGrid …).",
)
@click.option(
    "--net",
    "net_name",
    metavar="FOLDER",
    help="Show what this net of commands saw and heard: a folder, or commands12, the one that ships.",
)
@engine_options
def inspect_command(
    recording: Path,
    output: Path | None,
    show: bool,
    start: float,
    duration: float | None,
    channel: int | None,
    words: bool,
    transcript_path: Path | None,
    net_name: str | None,
    engine: str,
    model: str | None,
    language: str | None,
    device: str,
    threads: int | None,
) -> None:
    """Look at a recording: its format, level, clipping, noise and speech, and a picture of it.

    The picture shows waveform, speech, spectrogram, log-mel, MFCC, what a net of commands saw, and words on one
    time axis; it needs matplotlib (pip install 'earshot[plot]').
    """
    if duration is not None and duration <= 0:
        raise click.BadParameter("a duration is positive", param_hint="--duration")
    if words and transcript_path is not None:
        raise click.UsageError("--words and --transcript both give the words; leave out one")
    has_picture = output is not None or show
    if output is not None:
        check_suffix(output)
    if has_picture:
        # Told before a long recording is read.
        require("matplotlib", extra="plot", purpose="drawing a recording")
    transcript = read_transcript(transcript_path) if transcript_path is not None else None

    def opened() -> AudioReader:
        reader = open_audio(recording, channel=channel)
        return excerpt(reader, start, duration, name=str(recording)) if start or duration else reader

    with opened() as reader, batch_progress([1]) as progress:
        progress.start(0, recording.name)
        seen = survey(reader, start=start, has_pictures=has_picture, progress=progress.update)
    for line in summary_lines(seen.report, recording.name, channel):
        click.echo(line)
    if words:
        with opened() as reader:
            transcript = _transcribe(reader, start, engine, model, language, device, threads)
        click.echo(f"words       {transcript.text or 'none'}")
    net = None
    if net_name is not None:
        with opened() as reader:
            net = _seen_by(net_name, reader, start)
        heard = ", ".join(f"{clock_text(label.middle, 0)} {label.text}" for label in net.labels)
        click.echo(f"commands    {heard or 'nothing of a length of a word stands between two pauses'}")
    if not has_picture:
        return
    figure = draw(
        seen,
        title=recording.name,
        subtitle=subtitle(seen.report, channel),
        transcript=transcript,
        net=net,
        on_screen=show,
    )
    if output is not None:
        save_figure(figure, output)
        click.echo(f"picture     {output}")
    if show:
        show_figure(figure)


def _seen_by(name: str, reader: AudioReader, start: float) -> NetPicture:
    """What a net of commands looks at, and what it takes it for."""
    from earshot.audio.resample import resampled
    from earshot.commands.loading import net_folder
    from earshot.commands.net import CommandNet
    from earshot.commands.net_sight import sights

    net = CommandNet.load(net_folder(name))
    seen = sights(net, resampled(reader, reader.info.sample_rate))
    return NetPicture(
        Path(name).name,
        [Image(sight.features, start + sight.start, start + sight.end) for sight in seen],
        [
            Label(f"{sight.label.strip('_')} {sight.probability:.2f}", start + sight.start, start + sight.end)
            for sight in seen
        ],
    )


def _transcribe(
    reader: AudioReader,
    start: float,
    engine: str,
    model: str | None,
    language: str | None,
    device: str,
    threads: int | None,
) -> Transcript:
    """What is said in it, with the time of every word from the recording's start."""
    from earshot.engines.offline import shifted
    from earshot.transcription import Transcriber, TranscriptionOptions

    options = TranscriptionOptions(
        engine=engine, model=model, language=language, num_threads=threads, device=device
    )
    with Transcriber(options) as transcriber:
        transcript = transcriber.transcribe(reader)
    return replace(transcript, segments=tuple(shifted(segment, start) for segment in transcript.segments))


# --- what the numbers say ----------------------------------------------------------------------------------


def summary_lines(report: Report, name: str, channel: int | None) -> list[str]:
    """The report as aligned lines, warnings last."""
    levels = report.levels
    rows = [
        ("file", name),
        ("format", format_text(report, channel)),
        ("duration", _duration_text(report)),
        (
            "level",
            f"peak {_level(levels.peak)}, RMS {_level(levels.rms)}, DC offset {100 * abs(levels.mean):.2f} %",
        ),
        (
            "clipping",
            f"{levels.num_clipped} samples in {levels.num_clips} peaks" if levels.num_clips else "none",
        ),
        ("speech", _speech_text(report)),
        ("noise", _noise_text(report.signal_to_noise)),
        ("bandwidth", f"up to {report.bandwidth / 1000:.1f} kHz" if report.bandwidth else "no sound"),
        *(("warning", warning) for warning in _warnings(report)),
    ]
    return [f"{label:<11} {value}" for label, value in rows]


def subtitle(report: Report, channel: int | None) -> str:
    """The report in a line, for the picture."""
    parts = [_duration_text(report), format_text(report, channel), f"peak {_level(report.levels.peak)}"]
    if report.levels.num_clips:
        parts.append(f"{report.levels.num_clips} clipped peaks")
    if report.signal_to_noise is not None and math.isfinite(report.signal_to_noise):
        parts.append(f"SNR {report.signal_to_noise:.0f} dB")
    if report.speech_share is not None:
        parts.append(f"speech {100 * report.speech_share:.0f} %")
    return "  ·  ".join(parts).replace("-", "−")


def format_text(report: Report, channel: int | None) -> str:
    """Codec, rate and channels."""
    info = report.info
    channels = {1: "mono", 2: "stereo"}.get(info.num_channels, f"{info.num_channels} channels")
    if info.num_channels > 1:
        channels += f", channel {channel}" if channel else ", mixed"
    return f"{info.codec}, {info.sample_rate / 1000:g} kHz, {channels}"


def _duration_text(report: Report) -> str:
    seconds = f"{report.duration:.2f} s"
    text = f"{clock_text(report.duration, report.duration)} ({seconds})" if report.duration >= 60 else seconds
    return f"{text} from {clock_text(report.start, max(report.start, 60))} on" if report.start else text


def _level(amplitude: float) -> str:
    return f"{decibels(amplitude):.1f} dBFS" if amplitude else "digital silence"


def _speech_text(report: Report) -> str:
    if not report.regions or report.speech_share is None:
        return "none"
    count = len(report.regions)
    stretches = "1 stretch" if count == 1 else f"{count} stretches"
    return f"{100 * report.speech_share:.0f} %, {report.speech:.1f} s in {stretches}"


def _noise_text(signal_to_noise: float | None) -> str:
    if signal_to_noise is None:
        return "unknown: a signal-to-noise ratio needs speech and pauses"
    if math.isinf(signal_to_noise):
        return "none: the pauses are digital silence"
    return f"signal-to-noise ratio about {signal_to_noise:.0f} dB"


def _warnings(report: Report) -> Iterator[str]:
    """What is wrong with the recording and what would help, a line each."""
    levels = report.levels
    yield from report.warnings
    if not levels.num_samples:
        return
    if not levels.peak:
        yield "the recording is digital silence: check the microphone's mute switch"
        return
    if levels.num_clips:
        yield f"{levels.num_clips} peaks are clipped: record at a lower level"
    if decibels(levels.peak) < QUIET_PEAK_DB:
        yield "the recording is very quiet: raise the level, or come closer to the microphone"
    if levels.silence:
        yield (
            f"{levels.silence:.2f} s are digital silence, {levels.longest_silence:.2f} s at once: "
            "a noise gate, an editor or lost samples"
        )
    if abs(levels.mean) >= LARGE_OFFSET:
        yield "the samples lie off centre (DC offset): check the sound card"
    if not report.regions:
        yield "no speech was found"
    if report.signal_to_noise is not None and report.signal_to_noise < LOW_RATIO_DB:
        yield "the background is loud: come closer to the microphone, or find a quieter place"
    if report.bandwidth is not None and report.bandwidth <= TELEPHONE_BANDWIDTH:
        yield f"there is hardly any sound above {report.bandwidth / 1000:.1f} kHz, as on a telephone"
    claimed = report.info.duration
    if claimed is not None and abs(claimed - report.duration) > max(0.5, 0.02 * claimed):
        yield f"its header says {claimed:.2f} s, but {report.duration:.2f} s are there"
