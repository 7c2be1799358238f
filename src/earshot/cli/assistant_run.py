"""``earshot assistant run``: the assistant listens, acts, asks and answers, until Ctrl-C."""

from __future__ import annotations

import json
import os
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earshot.cli._options import live_engine_options
from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.core.errors import ActionError, EngineError, MissingExtraError, ModelError
from earshot.text.clean import clean_text

if TYPE_CHECKING:
    from earshot.assistant.action_book import ActionBook
    from earshot.assistant.actions.base import Surroundings
    from earshot.assistant.control import ControlServer
    from earshot.assistant.desktop.announcing import Announcer
    from earshot.assistant.dictation import Dictation
    from earshot.assistant.listening import Ears, Listener
    from earshot.assistant.replies import Reply
    from earshot.assistant.speaking import Mouth
    from earshot.assistant.understanding import Understanding
    from earshot.audio.capture import Notice
    from earshot.engines import Recognizer

_EXAMPLES = """\b
Examples:
  earshot assistant run
  earshot assistant run --wake computer          (or a phrase of yours: earshot teach NAME)
  earshot assistant run --push-to-talk           (and a key bound to: earshot assistant toggle)
  earshot assistant run --from-file order.wav --dry-run"""


_ANNOUNCED = ("question", "done", "failed", "refused", "not-understood", "timer", "said")
"""Kinds of replies that one wants to know of while looking elsewhere."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the verb was asked for, besides sound and engine."""

    grammar: Path | None
    actions: Path | None
    wake: tuple[str, ...]
    push_to_talk: bool
    is_dry_run: bool
    is_quiet: bool
    voice: Path | None
    only_voice: tuple[str, ...]
    keep_audio: bool
    is_notifying: bool
    is_json: bool


@click.command(epilog=_EXAMPLES)
@sound_options
@live_engine_options
@click.option(
    "--grammar",
    "-g",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="What can be said, in place of what is shipped and your own.",
)
@click.option("--actions", type=click.Path(path_type=Path), metavar="FILE", help="What is done for it.")
@click.option(
    "--wake",
    multiple=True,
    metavar="NAME|FOLDER",
    help="Listen only after this phrase: taught (earshot teach NAME), of a trained net, computer or jarvis.",
)
@click.option("--push-to-talk", is_flag=True, help="Listen only while a key says so: earshot assistant toggle.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Do nothing; tell what would be done.")
@click.option("--quiet", "is_quiet", is_flag=True, help="No voice and no tones.")
@click.option(
    "--voice", type=click.Path(path_type=Path), metavar="FILE", help="A Piper voice (.onnx) for replies."
)
@click.option("--only-voice", multiple=True, metavar="NAME", help="Obey only this enrolled voice.")
@click.option("--keep-audio", is_flag=True, help="Keep the sound of orders beside the log.")
@click.option("--notify", "is_notifying", is_flag=True, help="Replies as notifications of the desktop, too.")
@click.option("--json", "is_json", is_flag=True, help="Print everything that happens as lines of JSON.")
def run(
    sound: SoundOptions,
    engine: str,
    model: str | None,
    language: str | None,
    compute: str,
    threads: int | None,
    **values: Any,
) -> int:
    """Listen for orders and carry them out, until Ctrl-C.

    Without --wake and --push-to-talk everything that is said is listened to.
    """
    from earshot.assistant.action_book import ActionBook
    from earshot.assistant.starter_set import examples_of, load_grammar
    from earshot.assistant.understanding import Understanding
    from earshot.engines import EngineOptions

    options = RunOptions(**values)
    if options.only_voice:
        options = replace(options, only_voice=_known_voices(options.only_voice))
    if options.wake and options.push_to_talk:
        raise click.UsageError("--wake or --push-to-talk, not both: a key wakes it in either case")
    grammar = load_grammar(options.grammar, language or "en")
    book = ActionBook.load(options.actions, examples=examples_of(grammar))
    engine_options = EngineOptions(model=model, language=grammar.language, device=compute, num_threads=threads)
    recognizer = _engine(engine, engine_options)
    understanding = Understanding(grammar, recognizer)
    with ExitStack() as stack:
        return _run(sound, options, stack, _Parts(book, understanding))


@dataclass(frozen=True, slots=True)
class _Parts:
    book: ActionBook
    understanding: Understanding


def _run(sound: SoundOptions, options: RunOptions, stack: ExitStack, parts: _Parts) -> int:
    from earshot.assistant.desktop.announcing import Announcer
    from earshot.assistant.desktop.common import Notifier
    from earshot.assistant.dialogue import Dialogue
    from earshot.assistant.here import logged_performer, surroundings_here
    from earshot.assistant.listening import Listener
    from earshot.assistant.replies import DialogueOptions
    from earshot.assistant.timers import Timers, timers_path

    language = parts.understanding.grammar.language or "en"
    texts: deque[str] = deque(maxlen=20)
    timers = Timers(timers_path())
    mouth = _mouth(language, options)
    stack.callback(mouth.close)
    face = _Face(is_json=options.is_json)
    if options.is_notifying:
        face.announcer = Announcer(Notifier(os.environ), complain)
        stack.callback(face.announcer.close)
    surroundings = surroundings_here(
        say=lambda text: face.say(text, mouth), heard=lambda: tuple(texts), timers=timers, language=language
    )
    dialogue = Dialogue(
        logged_performer(
            parts.book,
            surroundings,
            is_dry_run=options.is_dry_run,
            allowed_speakers=set(options.only_voice) or None,
        ),
        parts.understanding.grammar,
        language=language,
        options=DialogueOptions(is_open=not (options.wake or options.push_to_talk)),
        dictation=lambda: _dictation(surroundings),
    )
    stack.enter_context(quiet_libraries())
    source = open_source(sound, complain)
    listener = Listener(
        source, _ears(parts, options), dialogue, face.show, mouth=mouth, timers=timers, texts=texts
    )
    signals = stack.enter_context(StopSignals(listener.stop))
    face.server = _serve(listener, stack)
    listener.run(lambda: face.begin(options, language))
    return signals.status


def _known_voices(names: tuple[str, ...]) -> tuple[str, ...]:
    """As they were enrolled. Raises SpeakerError for one that was not."""
    from earshot.speakers.memory import SpeakerMemory

    memory = SpeakerMemory()
    return tuple(memory.find(name).name for name in names)


def _taught_labels() -> list[str]:
    from earshot.commands import CommandStore

    return [command.label for command in CommandStore().commands()]


def _engine(name: str, options: Any) -> Recognizer | None:
    """None where no engine knows the language, but sounds are taught."""
    from earshot.engines import load_engine

    try:
        return load_engine(name, options)
    except (EngineError, ModelError, MissingExtraError) as error:
        if not _taught_labels():
            raise
        complain(f"only taught sounds are understood: {error}")
        return None


def _mouth(language: str, options: RunOptions) -> Mouth:
    from earshot.assistant.playback import Player
    from earshot.assistant.speaking import Mouth, find_voice
    from earshot.assistant.wording import wording_of

    if options.is_quiet:
        return Mouth(None, None)
    voice = None
    if wording_of(language).is_spoken:
        try:
            voice = find_voice(language, piper=options.voice)
        except ActionError as error:
            complain(f"replies are shown, not spoken: {error}")
    return Mouth(Player(os.environ), voice, warn=complain)


def _dictation(surroundings: Surroundings) -> Dictation:
    """Into the focused window. Raises ActionError where there is none."""
    from earshot.assistant.dictation import Dictation

    if surroundings.desktop is None:
        raise ActionError(f"nothing can be typed: {surroundings.no_desktop}")
    return Dictation(surroundings.desktop, surroundings.language)


def _ears(parts: _Parts, options: RunOptions) -> Ears:
    from earshot.assistant.listening import Ears
    from earshot.assistant.voices import identifier, keeper
    from earshot.commands import CommandStore
    from earshot.commands.gate import wake_words
    from earshot.commands.loading import load_spotters

    store = CommandStore()
    taught, nets = wake_words(store, options.wake)
    wake = [*taught, *(label for labels in nets.values() for label in labels)]
    grammar = parts.understanding.grammar
    spotted = [label for label in _taught_labels() if label in wake or grammar.match(label) is not None]
    return Ears(
        parts.understanding,
        load_spotters(store if spotted else None, nets=nets) if spotted or nets else None,
        wake,
        identifier(options.only_voice) if options.only_voice else None,
        keeper() if options.keep_audio else None,
    )


def _serve(listener: Listener, stack: ExitStack) -> ControlServer | None:
    """The control socket; where there can be none, keys do not work, and all else does."""
    from earshot.assistant.control import ControlServer
    from earshot.assistant.requests import answer

    server = ControlServer(lambda request: answer(listener, request))
    try:
        return stack.enter_context(server)
    except ActionError as error:
        if "already" in error.message:
            raise
        complain(f"keys cannot reach this assistant: {error}")
        return None


class _Face:
    """A calm display: a line for what changes."""

    def __init__(self, *, is_json: bool) -> None:
        self.server: ControlServer | None = None
        self.announcer: Announcer | None = None
        self._is_json = is_json

    def begin(self, options: RunOptions, language: str) -> None:
        """How to talk to it."""
        if self._is_json:
            click.echo(json.dumps({"type": "ready", "language": language}))
            return
        how = "say an order"
        if options.wake:
            how = f"say {' or '.join(map(repr, options.wake))}, then an order"
        elif options.push_to_talk:
            how = "press the key bound to 'earshot assistant toggle', then say an order"
        self._line("ready", f"{how}; Ctrl-C ends{'; nothing is really done' if options.is_dry_run else ''}")

    def say(self, text: str, mouth: Mouth) -> None:
        """What an action says besides its answer."""
        from earshot.assistant.replies import Reply

        self.show(Reply("said", text))
        mouth.say(text)

    def show(self, what: Reply | Notice) -> None:
        """A line, and an event for those who asked for events."""
        from earshot.assistant.requests import as_row
        from earshot.audio.capture import Notice

        if isinstance(what, Notice):
            complain(what.text)
            return
        row = as_row(what)
        if self.server is not None:
            self.server.publish(row)
        if self.announcer is not None and what.kind in _ANNOUNCED:
            said = what.order.text if what.order is not None else "Earshot"
            self.announcer.announce(said, what.text or what.kind)
        if self._is_json:
            click.echo(json.dumps(row, ensure_ascii=False, default=str))
        elif what.kind != "ignored":
            self._line(what.kind, what.text)

    def _line(self, name: str, text: str) -> None:
        for number, line in enumerate(text.splitlines() or [""]):
            click.echo(f"{name if not number else '':<15} {clean_text(line)}".rstrip())
