"""``earshot record``: sound alone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from earshot.cli._outputs import check_folder
from earshot.cli._screen import clock, level_bar
from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.live.export import audio_format, export_audio
from earshot.live.recording import Recording
from earshot.live.stored import open_session, remove_session

_EXAMPLES = """\b
Examples:
  earshot record -o talk.flac
  earshot record --device usb --duration 60 -o minute.wav
  earshot record          (kept as a session: earshot sessions export last -o talk.wav)"""


@click.command(epilog=_EXAMPLES)
@sound_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .wav or .flac file; else a session is kept.",
)
@click.option("--duration", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Stop after so long.")
def record(sound: SoundOptions, output: Path | None, duration: float | None) -> int:
    """Record the microphone until Ctrl-C: 16 kHz, 16 bits, mono, as recognizers want it.

    The sound is on the disk within half a second; after a crash 'earshot sessions' has it.
    """
    if output is not None:
        audio_format(output)
        check_folder(output.absolute().parent)
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        recording = Recording(open_source(sound, complain), duration=duration)
        signals = stack.enter_context(StopSignals(recording.stop))
        try:
            _record(recording)
        finally:
            _keep(recording, output)
    return signals.status


def _record(recording: Recording) -> None:
    with recording, _meter(recording):
        for notice in recording:
            complain(notice.text)


@contextlib.contextmanager
def _meter(recording: Recording) -> Iterator[None]:
    """A moving level on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def line() -> Text:
        status = recording.status
        text = Text("● ", style="red", no_wrap=True, overflow="ellipsis")
        text.append(f"{clock(status.recorded)} ", style="default")
        text.append_text(level_bar(status.level))
        if status.num_overruns:
            text.append(f" · {status.num_overruns} overruns", style="red")
        text.append(f" · {status.source}", style="dim")
        return text

    console = Console(stderr=True, highlight=False)
    with Live(get_renderable=line, console=console, refresh_per_second=8, transient=True):
        yield


def _keep(recording: Recording, output: Path | None) -> None:
    """Tell where the sound is; also after the microphone was lost."""
    if recording.journal is None:
        return
    if recording.lost:
        complain(f"a full disk has cost {recording.lost:.1f} s of sound")
    session = open_session(recording.journal.folder)
    if output is None:
        click.echo(session.audio_path)
        return
    export_audio(session, output)
    remove_session(session)
    click.echo(f"{output}: {clock(recording.status.recorded)}")
