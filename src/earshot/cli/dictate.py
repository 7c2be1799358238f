"""``earshot dictate``: what is said, typed into the window that has the focus."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from types import FrameType
from typing import Literal, TypeAlias

import click

from earshot.assistant.desktop import find_desktop
from earshot.assistant.dictation import Dictation
from earshot.audio.capture import Notice
from earshot.cli._options import chosen_model, language_model_option, live_engine_options, text_options
from earshot.cli._papers import Copied, Printed, Told, Typed
from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.core.types import Final
from earshot.engines import find_engine
from earshot.live.session import Session
from earshot.text.numbers import NumberForm
from earshot.transcription import TranscriptionOptions

Paper: TypeAlias = Typed | Copied | Printed | Told

_EXAMPLES = """\b
Examples:
  earshot dictate
  earshot dictate --engine vosk --model vosk-model-small-ru-0.22 --language ru
  earshot dictate --from-file memo.wav --speed 0 --into stdout
  pkill -USR1 -f 'earshot dictate'        pauses and goes on; bind it to a key"""


@click.command(epilog=_EXAMPLES)
@sound_options
@live_engine_options
@click.option(
    "--pause",
    type=click.FloatRange(0.2, 5.0),
    metavar="SECONDS",
    help="Silence that ends a sentence which sounds unfinished.",
)
@language_model_option
@text_options
@click.option(
    "--into",
    type=click.Choice(["window", "clipboard", "stdout"]),
    default="window",
    show_default=True,
    help="Where the text goes.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be typed; needs no display.")
def dictate(
    sound: SoundOptions,
    engine: str,
    model: str | None,
    language: str | None,
    compute: str,
    threads: int | None,
    pause: float | None,
    language_model: str | None,
    is_punctuated: bool,
    numbers: NumberForm | None,
    into: Literal["window", "clipboard", "stdout"],
    dry_run: bool,
) -> int:
    """Type what is said into the window that has the focus, until Ctrl-C or "stop dictation".

    "new line", "scratch that", "comma" and others are obeyed, in English and Russian (docs/dictation.md).
    The signal USR1 pauses and goes on. Nothing is kept.
    """
    find_engine(engine)  # a mistyped name is told before anything is opened
    paper = _paper(into, is_dry=dry_run)
    options = TranscriptionOptions(
        engine=engine,
        model=chosen_model(engine, model, language),
        language=language,
        num_threads=threads,
        device=compute,
        punctuation=is_punctuated,
        numbers=numbers,
        max_pause=pause,
        word_times=False,
        language_model=language_model,
    )
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        session = Session(open_source(sound, complain), options, has_journal=False)
        signals = stack.enter_context(StopSignals(session.stop))
        switch = stack.enter_context(_pause_switch())
        stack.callback(paper.finish)
        _dictate(session, Dictation(paper, language), paper, switch)
    return signals.status


def _paper(into: str, *, is_dry: bool) -> Paper:
    if is_dry:
        return Told(_write)
    if into == "stdout":
        return Printed(_write)
    if into == "clipboard":
        return Copied(find_desktop(types=False))
    return Typed(find_desktop())


def _write(text: str) -> None:
    click.echo(text, nl=False)


class _Switch:
    """Whether dictation is paused."""

    def __init__(self) -> None:
        self.is_paused = False

    def turn(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        """On a signal."""
        self.is_paused = not self.is_paused
        line = "earshot: dictation is paused\n" if self.is_paused else "earshot: dictation goes on\n"
        # Past the buffer: the signal may have come while it is being written.
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), line.encode())


@contextlib.contextmanager
def _pause_switch() -> Iterator[_Switch]:
    switch = _Switch()
    number = getattr(signal, "SIGUSR1", None)
    if number is None:  # Windows
        yield switch
        return
    before = signal.signal(number, switch.turn)
    try:
        yield switch
    finally:
        signal.signal(number, before)


def _dictate(session: Session, dictation: Dictation, paper: Paper, switch: _Switch) -> None:
    with session:
        for event in session:
            if isinstance(event, Notice):
                complain(event.text)
            if not isinstance(event, Final) or switch.is_paused or dictation.is_over:
                continue
            for edit in dictation.accept(event.segment.text):
                if edit.kind == "refused":
                    complain(edit.text)
            paper.settle()
            if dictation.is_over:
                session.stop()
