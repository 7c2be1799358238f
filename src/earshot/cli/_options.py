"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from earshot.core.errors import FormatError, nearest
from earshot.core.files import read_utf8
from earshot.core.types import Grammar
from earshot.engines import DEFAULT_ENGINE, find_engine

if TYPE_CHECKING:
    from earshot.text.numbers import NumberForm

Command = TypeVar("Command", bound=Callable[..., Any])

_ENGINES = "The recognizer; 'earshot doctor' lists them."

MAX_GRAMMAR_BYTES = 10_000_000


def engine_options(command: Command) -> Command:
    """Which recognizer, and what it runs on: ``engine``, ``model``, ``language``, ``device``, ``threads``."""
    return _engine_options(command, "--device")


def live_engine_options(command: Command) -> Command:
    """The same beside a microphone, which is the device there: ``compute`` is what it runs on."""
    return _engine_options(command, "--compute")


def _engine_options(command: Command, computer: str) -> Command:
    model_help = "A name from 'earshot models list', or a folder; else the engine's own, or the only one."
    options = [
        click.option("--engine", default=DEFAULT_ENGINE, show_default=True, metavar="NAME", help=_ENGINES),
        click.option("--model", metavar="NAME", help=model_help),
        click.option("--language", "-l", metavar="CODE", help="Spoken language, such as en, de or ru."),
        click.option(computer, default="cpu", show_default=True, metavar="NAME", help="What computes."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Of a decoder [all cores]."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def language_model_option(command: Command) -> Command:
    """``--lm``: ``language_model``, a path."""
    told = "A language model of 'earshot lm', for engines that take one: ctc, wav2vec2."
    return click.option("--lm", "language_model", type=click.Path(), metavar="FILE", help=told)(command)


def aligner_option(command: Command) -> Command:
    """``--aligner``: ``aligner``, a name or a path."""
    told = "A model for the engine ctc that finds the times of words, whatever the engine; see 'earshot train'."
    return click.option("--aligner", metavar="MODEL", help=told)(command)


def chosen_model(engine: str, model: str | None, language: str | None) -> str | None:
    """``model``, or the one that is installed for an engine without a model of its own: says which it is.

    Where there are none or several, the engine tells what it needs. Raises UnknownEngineError.
    """
    if model is not None:
        return model
    from earshot.engines.folder import only_model

    if (only := only_model(find_engine(engine), language)) is not None:
        click.echo(f"earshot: the model is {only}", err=True)
    return only


_NUMBER_FORMS: dict[str, NumberForm | None] = {"words": "words", "digits": "digits", "as-is": None}


def _number_form(context: click.Context, option: click.Parameter, value: str) -> NumberForm | None:  # noqa: ARG001
    return _NUMBER_FORMS[value]


def text_options(command: Command) -> Command:
    """How the text is finished: ``is_punctuated`` and ``numbers``, None for as they are."""
    options = [
        click.option(
            "--punctuate/--no-punctuate",
            "is_punctuated",
            default=True,
            help="Marks and capitals where the engine writes none, in English and Russian [yes].",
        ),
        click.option(
            "--numbers",
            type=click.Choice(list(_NUMBER_FORMS)),
            default="as-is",
            show_default=True,
            callback=_number_form,
            help="How to write them.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def split_list(values: Sequence[str]) -> tuple[str, ...]:
    """``("a,b", "c")`` → ``("a", "b", "c")``: options that may be repeated or hold commas."""
    return tuple(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))


def choose_formats(values: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The formats that ``--output-format`` names, without doubles; ``all`` is every one of them.

    Raises click.BadParameter with the nearest name for an unknown one.
    """
    chosen = [name.lower() for name in split_list(values)]
    for name in chosen:
        if name != "all" and name not in known:
            hint = nearest(name, [*known, "all"])
            raise click.BadParameter(f"there is no format {name!r}: {hint}", param_hint="--output-format")
    return tuple(known) if "all" in chosen else tuple(dict.fromkeys(chosen))


def read_grammar(path: Path) -> Grammar:
    """A JSGF file (its first line begins with ``#JSGF``), else one phrase a line.

    Empty lines and lines that begin with ``#`` are left out of a list of phrases.
    Raises FormatError when the file cannot be read, is no text, or holds nothing.
    """
    text = read_utf8(
        path,
        most=MAX_GRAMMAR_BYTES,
        raises=FormatError,
        name=f"the grammar {path}",
        how="check the name of the file",
        less="give a smaller one",
    )
    if text.lstrip("\ufeff \t\r\n").startswith("#JSGF"):
        return Grammar(jsgf=text.lstrip("\ufeff"))
    lines = [" ".join(line.split()).lower() for line in text.lstrip("\ufeff").splitlines()]
    phrases = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not phrases:
        raise FormatError(f"the grammar {path} holds no phrase", fix="write one phrase a line, or JSGF")
    return Grammar(phrases=phrases)
