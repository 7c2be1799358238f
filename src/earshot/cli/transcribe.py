"""``earshot transcribe``: recordings to text and subtitles."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.audio.decode import SAMPLE_FORMATS, AudioReader, open_audio, open_pcm
from earshot.cli import STATUS_FAILED, bug_report
from earshot.cli._jobs import Job, plan_jobs
from earshot.cli._options import (
    aligner_option,
    choose_formats,
    chosen_model,
    engine_options,
    language_model_option,
    read_grammar,
    split_list,
    text_options,
)
from earshot.cli._outputs import Destination, Files, OneDocument, RunningText
from earshot.cli._progress import BatchProgress, batch_progress
from earshot.cli._sample import sample_path
from earshot.cli._voices import speaker_options
from earshot.core.errors import AudioError, EarshotError, FormatError
from earshot.core.types import SAMPLE_RATE
from earshot.engines import Task, find_engine
from earshot.text.formats import FORMATS, FormatOptions
from earshot.text.subtitles import SubtitleOptions
from earshot.transcription import SpeakerOptions, Transcriber, TranscriptionOptions

if TYPE_CHECKING:
    from earshot.text.numbers import NumberForm


@dataclass(frozen=True, slots=True)
class Hearing:
    """How recordings are opened. channel: from 1, None mixes all. raw: what standard input is, if PCM."""

    channel: int | None
    raw: RawFormat | None


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Samples without a header on standard input."""

    sample_rate: int
    num_channels: int
    sample_format: str


_EXAMPLES = """\b
Examples:
  earshot transcribe talk.m4a
  earshot transcribe talk.m4a -f srt > talk.srt
  earshot transcribe interview.m4a --diarize
  earshot transcribe interviews/ -o texts -f txt,json --resume
  ffmpeg -i talk.mov -f s16le -ac 1 -ar 16000 - | earshot transcribe - --raw-rate 16000"""


@click.command(epilog=_EXAMPLES)
@click.argument("inputs", nargs=-1, metavar="FILE|FOLDER|- ...")
@click.option("--sample", is_flag=True, help="Transcribe a recording that came with Earshot.")
@engine_options
@click.option(
    "--task",
    type=click.Choice(["transcribe", "translate"]),
    default="transcribe",
    show_default=True,
    help="Translate writes English; whisper can.",
)
@click.option(
    "--output-dir", "-o", type=click.Path(path_type=Path), metavar="FOLDER", help="Write files there."
)
@click.option(
    "--output-format",
    "-f",
    "formats",
    multiple=True,
    metavar="NAMES",
    help=f"Any of {', '.join(FORMATS)}, or all; with commas, or given again. Without --output-dir one format"
    " goes to standard output.",
)
@click.option(
    "--word-timestamps/--no-word-timestamps",
    default=None,
    help="Find the time of each word. On for all formats but txt; given, it makes csv and audacity list words.",
)
@text_options
@speaker_options
@click.option("--hot-words", multiple=True, metavar="WORDS", help="Words to expect, with commas.")
@click.option(
    "--grammar",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only these phrases: one a line, or JSGF.",
)
@language_model_option
@aligner_option
@click.option("--channel", type=click.IntRange(min=1), metavar="N", help="Hear only channel N; else all mixed.")
@click.option(
    "--max-line-width",
    type=click.IntRange(8, 200),
    metavar="N",
    default=42,
    show_default=True,
    help="Columns in a line of srt and vtt.",
)
@click.option(
    "--max-line-count",
    type=click.IntRange(1, 4),
    metavar="N",
    default=2,
    show_default=True,
    help="Lines in one subtitle.",
)
@click.option("--resume", is_flag=True, help="Leave out recordings whose files are there and up to date.")
@click.option(
    "--raw-rate", type=click.IntRange(min=1), metavar="HZ", help="'-' is raw PCM of this rate [16000]."
)
@click.option(
    "--raw-channels", type=click.IntRange(min=1), metavar="N", help="'-' is raw PCM of N channels [1]."
)
@click.option(
    "--raw-format",
    type=click.Choice(SAMPLE_FORMATS),
    metavar="KIND",
    help="'-' is raw PCM of this kind, as FFmpeg names it [s16le].",
)
def transcribe(
    inputs: tuple[str, ...],
    sample: bool,
    engine: str,
    model: str | None,
    language: str | None,
    device: str,
    threads: int | None,
    task: Task,
    output_dir: Path | None,
    formats: tuple[str, ...],
    word_timestamps: bool | None,
    is_punctuated: bool,
    numbers: NumberForm | None,
    speakers: SpeakerOptions | None,
    hot_words: tuple[str, ...],
    grammar: Path | None,
    language_model: str | None,
    aligner: str | None,
    channel: int | None,
    max_line_width: int,
    max_line_count: int,
    resume: bool,
    raw_rate: int | None,
    raw_channels: int | None,
    raw_format: str | None,
) -> int:
    """Write down what is said in FILEs of audio or video, in all recordings of a FOLDER, or in standard
    input (-).

    Without further options the text goes to standard output as it is recognized.
    """
    chosen = choose_formats(formats, tuple(FORMATS)) or ("txt",)
    if not inputs and not sample:
        raise click.UsageError("no recording is given; --sample has one for a first try")
    if resume and output_dir is None:
        raise click.UsageError("--resume needs --output-dir")
    find_engine(engine)  # a mistyped name is told before anything is opened
    jobs, unusable = plan_jobs([*inputs, *([str(sample_path())] if sample else [])])
    options = TranscriptionOptions(
        engine=engine,
        model=chosen_model(engine, model, language),
        language=language,
        num_threads=threads,
        device=device,
        task=task,
        word_times=_has_word_times(word_timestamps, chosen, speakers),
        punctuation=is_punctuated,
        numbers=numbers,
        grammar=read_grammar(grammar) if grammar else None,
        hot_words=split_list(hot_words),
        speakers=speakers,
        language_model=language_model,
        aligner=aligner,
    )
    hearing = Hearing(channel, _raw_format(raw_rate, raw_channels, raw_format))
    style = FormatOptions(
        subtitles=SubtitleOptions(max_line_width=max_line_width, max_line_count=max_line_count),
        rows="word" if word_timestamps else "segment",
    )
    destination: Destination
    if output_dir is not None:
        destination = Files(output_dir, chosen, style, options, channel)
    elif chosen == ("txt",):
        destination = RunningText(has_headings=len(jobs) + len(unusable) > 1)
    elif len(jobs) == 1 and len(chosen) == 1:
        destination = OneDocument(chosen[0], style)
    else:
        raise click.UsageError("several files of this kind need a folder: add --output-dir")
    failures = [*unusable, *_transcribe_all(jobs, options, hearing, destination, resume=resume)]
    return _report(failures, num_inputs=len(jobs) + len(unusable))


def _has_word_times(asked: bool | None, formats: tuple[str, ...], speakers: SpeakerOptions | None) -> bool:
    """Who said a word is known by its time."""
    if speakers is not None:
        return True
    return formats != ("txt",) if asked is None else asked


def _raw_format(rate: int | None, channels: int | None, sample_format: str | None) -> RawFormat | None:
    """None when no --raw-… was given: then standard input is a file of some format."""
    if rate is None and channels is None and sample_format is None:
        return None
    return RawFormat(rate or SAMPLE_RATE, channels or 1, sample_format or "s16le")


def _transcribe_all(
    jobs: Sequence[Job],
    options: TranscriptionOptions,
    hearing: Hearing,
    destination: Destination,
    *,
    resume: bool,
) -> list[EarshotError]:
    """One recording after the other. A bad recording is no reason to leave out the next; returns what failed.

    Raises what concerns them all: an engine or model that does not work, an output that cannot be written.
    """
    todo = [job for job in jobs if not (resume and destination.is_done(job))]
    if not todo:
        return []
    failures: list[EarshotError] = []
    num_done = len(jobs) - len(todo)
    is_text_on_screen = sys.stdout.isatty() and not isinstance(destination, Files)
    with (
        Transcriber(options) as transcriber,
        batch_progress([job.size for job in todo], is_wanted=not is_text_on_screen) as progress,
    ):
        for index, job in enumerate(todo):
            try:
                _transcribe_one(index, job, transcriber, hearing, destination, progress)
                num_done += 1
            except KeyboardInterrupt as error:
                raise KeyboardInterrupt(_how_far(num_done, len(jobs), destination)) from error
            except (AudioError, FormatError) as error:
                failures.append(error)
            except (EarshotError, OSError):
                raise
            except Exception as error:
                if len(jobs) == 1:
                    raise
                failures.append(EarshotError(f"{job.label}: {bug_report(error)}"))
    return failures


def _how_far(num_done: int, num_jobs: int, destination: Destination) -> str:
    if num_jobs == 1 or not isinstance(destination, Files):
        return ""
    return f"{num_done} of {num_jobs} recordings are done; --resume does the rest"


def _transcribe_one(
    index: int,
    job: Job,
    transcriber: Transcriber,
    hearing: Hearing,
    destination: Destination,
    progress: BatchProgress,
) -> None:
    progress.start(index, job.label)
    with _open(job, hearing) as reader:
        note = destination.write(job, reader, transcriber, progress.update)
        warnings = reader.warnings
    progress.finish(note)
    for warning in warnings:
        click.echo(f"earshot: warning: {job.label}: {warning}", err=True)


def _open(job: Job, hearing: Hearing) -> AudioReader:
    if job.source is not None:
        return open_audio(job.source, channel=hearing.channel)
    if sys.stdin is None:
        raise AudioError("standard input is closed", fix="pipe a recording into this command")
    stream = sys.stdin.buffer
    if stream.isatty():
        raise AudioError("standard input is the keyboard", fix="pipe a recording into this command")
    if hearing.raw is not None:
        raw = hearing.raw
        return open_pcm(
            stream,
            sample_rate=raw.sample_rate,
            num_channels=raw.num_channels,
            sample_format=raw.sample_format,
            channel=hearing.channel,
        )
    try:
        return open_audio(stream, channel=hearing.channel)
    except AudioError as error:
        message = error.message.replace("the audio stream", "standard input")
        raise AudioError(message, fix="pipe a recording into it, or say --raw-rate for raw PCM") from error


def _report(errors: Sequence[EarshotError], num_inputs: int) -> int:
    """A line for each input that failed, at the end, where it is seen. Returns the exit status."""
    for error in errors:
        click.echo(f"earshot: error: {error}", err=True)
    if errors and num_inputs > 1:
        click.echo(f"earshot: {len(errors)} of {num_inputs} inputs failed", err=True)
    return STATUS_FAILED if errors else 0
