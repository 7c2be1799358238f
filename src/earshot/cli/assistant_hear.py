"""``earshot assistant hear``, ``check`` and ``sample``: what a grammar makes of sound, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli import STATUS_FAILED
from earshot.cli._sound import complain, list_recordings
from earshot.core.errors import AudioError
from earshot.core.types import Audio
from earshot.engines import DEFAULT_ENGINE

if TYPE_CHECKING:
    from earshot.assistant import Recognition

_FILES_AT_ONCE = 8

_grammar_option = click.option(
    "--grammar",
    "-g",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="A folder of .yaml files, or one of them; docs/assistant.md tells what is in them.",
)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE|FOLDER...")
@_grammar_option
@click.option("--engine", default=DEFAULT_ENGINE, show_default=True, metavar="NAME", help="The recognizer.")
@click.option("--model", metavar="NAME", help="A name from 'earshot models list', or a folder.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="P",
    help="How sure it must be.",
)
@click.option(
    "--context",
    multiple=True,
    metavar="NAME=VALUE",
    help="What is known besides, for templates that ask for it.",
)
@click.option("--json", "is_json", is_flag=True, help="Print a line of JSON for each recording.")
def hear(
    files: tuple[Path, ...],
    path: Path,
    engine: str,
    model: str | None,
    threshold: float,
    context: tuple[str, ...],
    is_json: bool,
) -> int:
    """Tell what is meant in recordings of one command each.

    The status is 1 when a recording cannot be read; a command that is not accepted is no error.
    """
    from earshot.assistant import CommandRecognizer, Grammar
    from earshot.engines import EngineOptions, load_engine

    known = _context(context)
    grammar = Grammar.load(path)
    paths = list_recordings(files)
    recognizer = CommandRecognizer(
        grammar, load_engine(engine, EngineOptions(model=model, language=grammar.language)), threshold=threshold
    )
    status = 0
    for batch in _batches(paths):
        audios: list[tuple[Path, Audio]] = []
        for file in batch:
            try:
                audios.append((file, _read(file)))
            except AudioError as error:
                complain(f"error: {error}")
                status = STATUS_FAILED
        heard = recognizer.recognize_batch([audio for _, audio in audios], context=known)
        for (file, _), recognition in zip(audios, heard, strict=True):
            _show(file, recognition, is_json=is_json)
    return status


@click.command()
@_grammar_option
@click.option("--strict", is_flag=True, help="Also fail when a sentence template has no example.")
@click.option("--json", "is_json", is_flag=True, help="Print the result as JSON.")
def check(path: Path, strict: bool, is_json: bool) -> int:
    """Find mistakes in a grammar, try its examples, and tell which templates have none."""
    from earshot.assistant import Grammar
    from earshot.assistant.checking import check as check_grammar

    report = check_grammar(Grammar.load(path))
    untested = [f"{template.place}: {template.written.text}" for template in report.untested]
    is_good = report.is_good and not (strict and untested)
    if is_json:
        row = {
            "good": is_good,
            "templates": report.num_templates,
            "sentences": report.num_sentences,
            "examples": report.num_examples,
            "failures": list(report.failures),
            "untested": untested,
        }
        click.echo(json.dumps(row, ensure_ascii=False))
        return 0 if is_good else STATUS_FAILED
    for failure in report.failures:
        complain(f"error: {failure}")
    for line in untested:
        complain(f"{'error' if strict else 'warning'}: no example: {line}")
    sentences = "any number of" if report.num_sentences is None else f"{report.num_sentences:,}"
    click.echo(
        f"{report.num_templates} templates, {sentences} sentences, {report.num_examples} examples:"
        f" {'good' if is_good else 'not good'}"
    )
    return 0 if is_good else STATUS_FAILED


@click.command()
@_grammar_option
@click.option(
    "--count",
    "-n",
    type=click.IntRange(1, 10_000_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Sentences.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Another one, other sentences."
)
@click.option(
    "--prompts", "is_prompts", is_flag=True, help="Few sentences that hold everything, to be recorded."
)
@click.option("--json", "is_json", is_flag=True, help="Print text and intent as a line of JSON.")
def sample(path: Path, count: int, seed: int, is_prompts: bool, is_json: bool) -> None:
    """Print sentences of a grammar: to look at, for language models, or to be read aloud."""
    from earshot.assistant import Grammar
    from earshot.assistant.sampling import prompts
    from earshot.assistant.sampling import sample as sampled

    grammar = Grammar.load(path)
    for one in prompts(grammar) if is_prompts else sampled(grammar, count, seed=seed):
        row = {"text": one.text, "intent": one.template.intent}
        click.echo(json.dumps(row, ensure_ascii=False) if is_json else one.text)


def _context(pairs: tuple[str, ...]) -> dict[str, str]:
    known: dict[str, str] = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or not name.strip():
            raise click.BadParameter(f"{pair!r} is no NAME=VALUE", param_hint="--context")
        known[name.strip()] = value.strip()
    return known


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(paths), _FILES_AT_ONCE):
        yield paths[start : start + _FILES_AT_ONCE]


def _read(path: Path) -> Audio:
    from earshot.audio.decode import read_audio

    return read_audio(path)


def _show(file: Path, recognition: Recognition, *, is_json: bool) -> None:
    if is_json:
        row = {
            "file": str(file),
            "accepted": recognition.accepted,
            "intent": recognition.intent,
            "slots": dict(recognition.slots),
            "text": recognition.text,
            "confidence": round(recognition.confidence, 3),
            "open_text": recognition.open_text,
            "template": recognition.template,
            "alternatives": list(recognition.alternatives),
        }
        click.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    slots = ", ".join(f"{name}: {value}" for name, value in recognition.slots.items())
    meant = f"{recognition.intent} ({slots})" if slots else f"{recognition.intent}"
    meant = meant if recognition.accepted else "not accepted"
    click.echo(f"{file}\t{meant}\t{recognition.confidence:.2f}\t{recognition.text or recognition.open_text}")
