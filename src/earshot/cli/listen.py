"""``earshot listen``: what is said now, in text."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from earshot.audio.capture import Source
from earshot.cli._options import (
    chosen_model,
    language_model_option,
    live_engine_options,
    read_grammar,
    split_list,
    text_options,
)
from earshot.cli._outputs import check_folder
from earshot.cli._screen import choose_screen
from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.cli._voices import speaker_options
from earshot.core.types import Transcript
from earshot.engines import find_engine
from earshot.live.following import summary, translation
from earshot.live.session import Session
from earshot.live.spool import SegmentSpool
from earshot.live.stored import open_session, remove_session, unfinished_sessions
from earshot.text.formats import FORMATS, find_format, write_transcript
from earshot.text.numbers import NumberForm
from earshot.transcription import SpeakerOptions, TranscriptionOptions

_NOTHING_YET = 10.0
"""Seconds of sound that nobody misses when the engine could not be loaded."""

_EXAMPLES = """\b
Examples:
  earshot listen
  earshot listen --wake computer
  earshot listen --device usb --diarize -o meeting.txt -o meeting.srt
  earshot listen --engine vosk --language de --json > events.jsonl
  arecord -q -f S16_LE -r 16000 | earshot listen -"""


@click.command(epilog=_EXAMPLES)
@sound_options
@live_engine_options
@click.option("--grammar", type=click.Path(path_type=Path), metavar="FILE", help="Only these phrases, or JSGF.")
@click.option("--hot-words", multiple=True, metavar="WORDS", help="Words to expect, with commas.")
@language_model_option
@click.option(
    "--save",
    "-o",
    "saves",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the transcript there at the end; may be given again.",
)
@click.option(
    "--format",
    "-f",
    "format_name",
    metavar="NAME",
    help=f"Of --save, where its suffix is none of {', '.join(FORMATS)}.",
)
@click.option(
    "--pause",
    type=click.FloatRange(0.2, 5.0),
    metavar="SECONDS",
    help="Silence that ends a sentence which sounds unfinished: longer waits more and cuts less.",
)
@text_options
@speaker_options
@click.option("--translate", "target", metavar="CODE", help="Also into this language, offline.")
@click.option("--translation-model", metavar="FOLDER", help="A CTranslate2 model [Apertium].")
@click.option("--summary", "is_summarized", is_flag=True, help="Also what was said in a few sentences.")
@click.option("--duration", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Stop after so long.")
@click.option("--json", "is_json", is_flag=True, help="Print every event as a line of JSON.")
@click.option(
    "--wake",
    "wake_words",
    multiple=True,
    metavar="WORD|FOLDER",
    help="Write only what follows this word: taught, of a trained net, or computer or jarvis, which ship.",
)
@click.option("--journal/--no-journal", default=True, help="Keep sound and text for 'earshot sessions' [yes].")
def listen(
    sound: SoundOptions,
    engine: str,
    model: str | None,
    language: str | None,
    compute: str,
    threads: int | None,
    grammar: Path | None,
    hot_words: tuple[str, ...],
    language_model: str | None,
    saves: tuple[Path, ...],
    format_name: str | None,
    pause: float | None,
    is_punctuated: bool,
    numbers: NumberForm | None,
    speakers: SpeakerOptions | None,
    target: str | None,
    translation_model: str | None,
    is_summarized: bool,
    duration: float | None,
    is_json: bool,
    wake_words: tuple[str, ...],
    journal: bool,
) -> int:
    """Write down what is said into the microphone, or in PCM on standard input (-), until Ctrl-C.

    Sound and text are kept as they come: after a crash 'earshot sessions recover' has all but the last moment.
    """
    find_engine(engine)  # a mistyped name is told before anything is opened
    for path in saves:
        find_format(format_name, path)
        check_folder(path.absolute().parent)
    options = TranscriptionOptions(
        engine=engine,
        model=chosen_model(engine, model, language),
        language=language,
        num_threads=threads,
        device=compute,
        grammar=read_grammar(grammar) if grammar else None,
        hot_words=split_list(hot_words),
        punctuation=is_punctuated,
        numbers=numbers,
        max_pause=pause,
        speakers=speakers,
        language_model=language_model,
    )
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        if journal:
            offer_recovery()
        followers = []
        if target is not None:
            from earshot.text.translation import find_translator

            translator = find_translator(language or "en", target, model=translation_model)
            followers.append(translation(stack.enter_context(translator)))
        if is_summarized:
            followers.append(summary(language or "en"))
        spool = SegmentSpool()
        stack.callback(spool.release)
        session = Session(
            _gated(open_source(sound, complain), wake_words),
            options,
            sinks=[spool] if saves else [],
            followers=followers,
            has_journal=journal,
            duration=duration,
        )
        signals = stack.enter_context(StopSignals(session.stop))
        try:
            _listen(session, is_json=is_json)
        finally:
            if session.status.is_ready:
                transcript = Transcript(tuple(spool.segments()), language, session.status.recorded, engine)
                for path in saves:
                    write_transcript(transcript, path, format_name)
            else:
                _forget(session)
    return signals.status


def _gated(source: Source, wake_words: tuple[str, ...]) -> Source:
    """The source, or what follows a wake word in it where such are named."""
    if not wake_words:
        return source
    from earshot.commands import CommandStore
    from earshot.commands.gate import WakeGate
    from earshot.live.waking import GatedSource

    return GatedSource(source, WakeGate(CommandStore(), wake_words))


def _listen(session: Session, *, is_json: bool) -> None:
    closed: OSError | None = None
    with session, choose_screen(session, is_json=is_json) as screen:
        for event in session:
            if closed is not None:
                continue  # nobody reads any more, but the session comes to its end in good order
            try:
                screen.show(event)
            except OSError as error:  # a pipe or a terminal
                closed = error
                session.stop()
    if session.lost:
        complain(f"a full disk has cost {session.lost:.1f} s of sound")
    if closed is not None:
        raise closed


def _forget(session: Session) -> None:
    """Leave no session behind where a mistake, such as a model that does not exist, ended it at once."""
    if session.journal is not None and session.status.recorded < _NOTHING_YET:
        remove_session(open_session(session.journal.folder))


def offer_recovery() -> None:
    """One line where a session was left unfinished by a crash."""
    if unfinished := unfinished_sessions():
        many = (
            f"{len(unfinished)} sessions were"
            if len(unfinished) > 1
            else f"the session {unfinished[-1].id} was"
        )
        complain(f"{many} cut off: 'earshot sessions recover' recognizes what is left")
