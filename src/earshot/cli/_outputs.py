"""Where transcripts go: files that are whole or absent, running text, or one document on standard output."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import click

from earshot.audio.decode import AudioReader
from earshot.cli._jobs import Job, Ledger
from earshot.core.errors import OutputError
from earshot.core.files import output_error
from earshot.core.progress import ProgressCallback
from earshot.text.clean import clean_text
from earshot.text.formats import FORMATS, FormatOptions, write_transcript
from earshot.transcription import Transcriber, TranscriptionOptions


class Destination(Protocol):
    """Takes each recording in turn."""

    def is_done(self, job: Job) -> bool:
        """Whether its results are here already and up to date."""
        ...

    def write(self, job: Job, reader: AudioReader, transcriber: Transcriber, progress: ProgressCallback) -> str:
        """Transcribe it and put the result where it belongs. Returns a line for the screen."""
        ...


class Files:
    """``FOLDER/NAME.SUFFIX`` for each format.

    Raises OutputError at once when the folder cannot be written, not after an hour of recognition.
    """

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        style: FormatOptions,
        options: TranscriptionOptions,
        channel: int | None,
    ) -> None:
        self._folder = folder
        self._formats = formats
        self._style = style
        check_folder(folder)
        settings: list[object] = [dataclasses.asdict(options), dataclasses.asdict(style), channel]
        if options.speakers is not None and options.speakers.has_names:
            settings.append(_known_voices())
        self._ledger = Ledger(folder, settings)

    def _path(self, job: Job, name: str) -> Path:
        return self._folder / job.name.with_name(job.name.name + FORMATS[name].suffix)

    def _paths(self, job: Job) -> list[Path]:
        return [self._path(job, name) for name in self._formats]

    def is_done(self, job: Job) -> bool:
        """By the ledger."""
        return self._ledger.is_done(job, self._paths(job))

    def write(self, job: Job, reader: AudioReader, transcriber: Transcriber, progress: ProgressCallback) -> str:
        """Each file takes its name when it is complete."""
        made_from = self._ledger.fingerprint(job)
        transcript = transcriber.transcribe(reader, progress=progress)
        style = dataclasses.replace(self._style, recording=job.label)
        paths = self._paths(job)
        for name, path in zip(self._formats, paths, strict=True):
            write_transcript(transcript, path, name, style)
        self._ledger.record(paths, made_from)
        return f"{job.label} → {', '.join(str(path) for path in paths)}"


class RunningText:
    """Text on standard output, segment by segment as it is recognized, under headings if there are several."""

    def __init__(self, *, has_headings: bool) -> None:
        self._has_headings = has_headings
        self._is_first = True

    def is_done(self, job: Job) -> bool:  # noqa: ARG002 - nothing is kept
        """Never."""
        return False

    def write(self, job: Job, reader: AudioReader, transcriber: Transcriber, progress: ProgressCallback) -> str:
        """A line a segment."""
        segments = transcriber.segments(reader, progress=progress)
        if self._has_headings:
            click.echo(f"{'' if self._is_first else chr(10)}==> {job.label} <==")
        self._is_first = False
        for segment in segments:
            speaker = f"{clean_text(segment.speaker)}: " if segment.speaker else ""
            click.echo(speaker + clean_text(segment.text))  # which flushes
        return job.label


class OneDocument:
    """One transcript in one format on standard output."""

    def __init__(self, name: str, style: FormatOptions) -> None:
        self._name = name
        self._style = style

    def is_done(self, job: Job) -> bool:  # noqa: ARG002 - nothing is kept
        """Never."""
        return False

    def write(self, job: Job, reader: AudioReader, transcriber: Transcriber, progress: ProgressCallback) -> str:
        """The whole of it once all is recognized."""
        transcript = transcriber.transcribe(reader, progress=progress)
        style = dataclasses.replace(self._style, recording=job.label)
        write_transcript(transcript, sys.stdout, self._name, style)
        return job.label


def _known_voices() -> list[tuple[str, int]]:
    """On which names in results depend."""
    from earshot.speakers.memory import SpeakerMemory

    return [(speaker.name, speaker.num_recordings) for speaker in SpeakerMemory().list()]


def check_folder(folder: Path) -> None:
    """Make the folder and try to write there. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".earshot-"):
            return
    except FileExistsError as error:
        raise OutputError(
            f"cannot write into {folder}: it is a file", fix="choose another --output-dir"
        ) from error
    except OSError as error:
        raise output_error(folder, error) from error
