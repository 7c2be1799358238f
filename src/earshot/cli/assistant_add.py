"""``earshot assistant add``: a sentence of one's own, and what is done for it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from earshot.cli._sound import SoundOptions, complain, sound_options
from earshot.cli.teach import read_takes, record_takes, report_lines
from earshot.core.errors import CommandError

_EXAMPLES = """\b
Examples:
  earshot assistant add "включи музыку" --do media.play
  earshot assistant add "whisper mode" --do SetVolume --slots level=20
  earshot assistant add "my [news] page" --do program.run --with "argv = ['firefox', 'https://example.org']"
  earshot assistant add "washa taa" --do StartMusic --language sw --recordings 3"""


@click.command(epilog=_EXAMPLES)
@click.argument("sentence", metavar="SENTENCE")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@sound_options
@click.option(
    "--do", required=True, metavar="ACTION", help="What is done: 'earshot assistant actions' lists it."
)
@click.option("--language", "-l", metavar="CODE", help="Of the sentence [ru for Russian letters, else en].")
@click.option("--slots", multiple=True, metavar="NAME=VALUE", help="A fixed value that the sentence brings.")
@click.option(
    "--with", "settings", multiple=True, metavar="TOML", help="A setting of the action, as in actions.toml."
)
@click.option(
    "--recordings",
    type=click.IntRange(1, 20),
    metavar="N",
    help="Also learn its sound from so many recordings, so that no engine need know the language.",
)
def add(
    sentence: str,
    files: tuple[Path, ...],
    sound: SoundOptions,
    do: str,
    language: str | None,
    slots: tuple[str, ...],
    settings: tuple[str, ...],
    recordings: int | None,
) -> int:
    """Let a sentence of yours be an order.

    With --recordings it is also learned as a sound, from the microphone or from FILEs, one recording each.
    """
    from earshot.assistant.teaching import add_sentence, guessed_language

    if sound.source is not None and sound.source != "-":
        files, sound = (*files, Path(sound.source)), replace(sound, source=None)
    if recordings is not None or files:
        _check_label(sentence)
    lesson = add_sentence(
        sentence, do, language=language or guessed_language(sentence), slots=_values(slots), settings=settings
    )
    if lesson.actions_file is not None:
        click.echo(f"{lesson.intent}: added to {lesson.actions_file}")
    if lesson.grammar_file is not None:
        click.echo(f"{lesson.sentence!r} means {lesson.intent}: added to {lesson.grammar_file}")
    else:
        click.echo(f"{lesson.sentence!r} means {lesson.intent} already")
    if recordings is not None or files:
        _teach(lesson.sentence, files, sound, recordings or len(files))
    if lesson.language != "en":
        click.echo(f"hear it with: earshot assistant run --language {lesson.language}")
    return 0


def _check_label(sentence: str) -> None:
    """What is recorded is one sentence, and new."""
    from earshot.commands.store import CommandStore, check_label

    if any(character in "(){}<>[]|;" for character in sentence):
        raise CommandError(
            "a template of many sentences cannot be recorded", fix="write one sentence as it is said"
        )
    wanted = check_label(sentence).casefold()
    if any(command.label.casefold() == wanted for command in CommandStore().commands()):
        raise CommandError(
            f"{sentence!r} is taught already", fix=f'add recordings: earshot teach "{sentence}" --more'
        )


def _teach(label: str, files: tuple[Path, ...], sound: SoundOptions, count: int) -> None:
    from earshot.commands import CommandStore, Embedder, Teacher

    with ExitStack() as stack:
        takes = read_takes(files) if files else record_takes(label, sound, count, stack)
    report = Teacher(CommandStore(), Embedder()).teach(label, takes)
    for warning in report.warnings:
        complain(f"warning: {warning}")
    for line in report_lines(report):
        click.echo(line)


def _values(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Numbers as numbers, all else as text."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, mark, written = pair.partition("=")
        if not mark or not name.strip().isidentifier():
            raise click.BadParameter(f"{pair!r} is no NAME=VALUE", param_hint="--slots")
        try:
            value = json.loads(written)
        except ValueError:
            value = written
        values[name.strip()] = value if isinstance(value, int | float) else written.strip()
    return values
