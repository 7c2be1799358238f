"""``earshot assistant do``, ``actions``, ``log`` and ``undo``: orders carried out, and what became of them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earshot.cli import STATUS_FAILED
from earshot.cli._sound import complain
from earshot.core.errors import ActionError, GrammarError
from earshot.engines import DEFAULT_ENGINE

if TYPE_CHECKING:
    from earshot.assistant.actions.base import Order, Outcome
    from earshot.assistant.grammar import Grammar
    from earshot.assistant.performing import Performer

_path = click.Path(path_type=Path)

_grammar_option = click.option(
    "--grammar",
    "-g",
    "grammar_path",
    type=_path,
    metavar="FOLDER",
    help="What may be said [the starter set, and your own sentences].",
)
_actions_option = click.option(
    "--actions",
    "actions_path",
    type=_path,
    metavar="FILE",
    help="What is done for it, .toml or .yaml, over the shipped set [your own actions.toml].",
)
_language_option = click.option(
    "--language",
    "-l",
    metavar="CODE",
    help="Of what is said [ru for a text in Russian letters, else en].",
)
_json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("text", required=False)
@click.option("--from-file", type=_path, metavar="FILE", help="A recording of the order, instead of text.")
@_grammar_option
@_actions_option
@_language_option
@click.option("--engine", default=DEFAULT_ENGINE, show_default=True, metavar="NAME", help="The recognizer.")
@click.option("--model", metavar="NAME", help="A name from 'earshot models list', or a folder.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Tell what would be done; do nothing.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Confirm what would be asked about.")
@_json_option
def do(
    text: str | None,
    from_file: Path | None,
    grammar_path: Path | None,
    actions_path: Path | None,
    language: str | None,
    engine: str,
    model: str | None,
    is_dry_run: bool,
    is_confirmed: bool,
    is_json: bool,
) -> int:
    """Carry out one order, written or recorded: earshot assistant do "start music".

    The status is 1 when it was not understood, not confirmed, or failed.
    """
    from earshot.assistant.starter_set import load_grammar
    from earshot.assistant.teaching import guessed_language

    if (text is None) == (from_file is None):
        raise click.UsageError("give the order as a text, or a recording of it with --from-file")
    grammar = load_grammar(grammar_path, language or guessed_language(text or ""))
    order = _written(text, grammar) if text is not None else _spoken(from_file, grammar, engine, model)
    performer = _performer(grammar, actions_path, is_dry_run=is_dry_run)
    order = _complete(order, performer)
    decision = performer.decide(order)
    if decision.kind == "ask" and not is_confirmed and not is_dry_run:
        is_confirmed = _confirmed(decision.question, decision.reason)
    return _tell(order, performer.perform(order, is_confirmed=is_confirmed or is_dry_run), is_json=is_json)


@click.command()
@_grammar_option
@_actions_option
@_language_option
@_json_option
def actions(grammar_path: Path | None, actions_path: Path | None, language: str | None, is_json: bool) -> None:
    """List what can be said, what it does, and how risky that is."""
    from earshot.assistant.action_book import ActionBook
    from earshot.assistant.starter_set import examples_of, load_grammar

    examples = examples_of(load_grammar(grammar_path, language or "en"))
    book = ActionBook.load(actions_path)
    for intent in book.names():
        bound = book.for_intent(intent)
        assert bound is not None
        row = {
            "intent": intent,
            "say": examples.get(intent),
            "do": bound.action.name,
            "what": bound.action.help,
            "risk": str(bound.risk),
            "asked": bound.is_destructive,
        }
        if is_json:
            click.echo(json.dumps(row, ensure_ascii=False))
        elif row["say"] is not None:
            click.echo(f"{row['say']}\t{row['what']}\t{row['risk']}")


@click.command()
@click.option(
    "--count", "-n", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many."
)
@_json_option
def log(count: int, is_json: bool) -> None:
    """Show the last orders and what became of them."""
    from earshot.assistant.audit import AuditLog
    from earshot.assistant.homes import audit_file

    for entry in list(AuditLog(audit_file()).read())[-count:]:
        if is_json:
            click.echo(json.dumps(entry, ensure_ascii=False))
            continue
        time = str(entry.get("time", ""))[:19].replace("T", " ")
        parts = [time, str(entry.get("status")), str(entry.get("words")), str(entry.get("message"))]
        click.echo("\t".join(_shown(part) for part in parts).rstrip())


@click.command()
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Tell what would be taken back; do nothing.")
def undo(is_dry_run: bool) -> int:
    """Take back the last thing that can be taken back; again for the one before."""
    from earshot.assistant.actions.base import Order
    from earshot.assistant.starter_set import starter_grammar

    performer = _performer(starter_grammar(), None, is_dry_run=False)
    if is_dry_run:
        outcome = performer.undo(is_dry_run=True)
    else:
        outcome = performer.perform(Order("Undo", {}, "undo", 1.0, is_typed=True), is_confirmed=True)
    click.echo(_shown(outcome.message), err=outcome.status == "failed")
    return STATUS_FAILED if outcome.status == "failed" else 0


def _written(text: str, grammar: Grammar) -> Order:
    from earshot.assistant.actions.base import Order

    match = grammar.match(text)
    if match is None:
        near = grammar.nearest(text)
        fix = f"did you mean {near.text!r}?" if near else "'earshot assistant actions' lists what can be said"
        raise GrammarError(f"{text[:60]!r} is not understood", fix=fix)
    return Order(match.intent, match.slots, text, 1.0, is_typed=True)


def _spoken(file: Path | None, grammar: Grammar, engine: str, model: str | None) -> Order:
    from earshot.assistant import CommandRecognizer
    from earshot.assistant.actions.base import Order
    from earshot.audio.decode import read_audio
    from earshot.engines import EngineOptions, load_engine

    assert file is not None
    audio = read_audio(file)
    options = EngineOptions(model=model, language=grammar.language)
    heard = CommandRecognizer(grammar, load_engine(engine, options)).recognize(audio)
    if heard.intent is None or not heard.accepted:
        fix = f"heard {heard.open_text[:80]!r}" if heard.open_text else "nothing was heard"
        raise GrammarError(f"{file}: not understood", fix=fix)
    return Order.from_recognition(heard, audio=str(file.absolute()))


def _performer(grammar: Grammar, actions_path: Path | None, *, is_dry_run: bool) -> Performer:
    from earshot.assistant.here import performer_here

    return performer_here(grammar, actions_path, say=click.echo, is_dry_run=is_dry_run)


def _complete(order: Order, performer: Performer) -> Order:
    """Ask on a terminal for what is missing."""
    for slot in performer.missing(order):
        question = performer.ask_for(slot, order)
        if not sys.stdin.isatty():
            raise ActionError(f"{slot} is missing", fix=f"{question} Say it in the sentence")
        order = replace(order, slots={**order.slots, slot: click.prompt(question.rstrip("?"), err=True)})
    return order


def _confirmed(question: str, reason: str) -> bool:
    if not sys.stdin.isatty():
        complain(f"warning: {reason}: --yes confirms it")
        return False
    return bool(click.confirm(question, err=True))


def _tell(order: Order, outcome: Outcome, *, is_json: bool) -> int:
    if is_json:
        row: dict[str, Any] = {
            "intent": order.intent,
            "slots": dict(order.slots),
            "text": order.text,
            "confidence": round(order.confidence, 3),
            "status": outcome.status,
            "message": outcome.message,
            "argv": list(outcome.argv),
        }
        click.echo(json.dumps(row, ensure_ascii=False, default=str))
    elif outcome.status == "failed":
        complain(f"error: {outcome.message}")
    else:
        click.echo(_lines(outcome.message) or "Done.")
    return STATUS_FAILED if outcome.status == "failed" else 0


def _lines(text: str) -> str:
    return "\n".join(_shown(line) for line in text.splitlines())


def _shown(text: str) -> str:
    """On one line, and nothing in it that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
