"""``earshot assistant``: a table of its verbs, each imported when it is used, so that a toggle is quick."""

from __future__ import annotations

import click

from earshot.cli import Verb, VerbGroup

_HEAR = "earshot.cli.assistant_hear"
_KEYS = "earshot.cli.assistant_keys"
_DO = "earshot.cli.assistant_do"

VERBS = {
    "do": Verb(_DO, "do", "Carry out an order, written or recorded."),
    "actions": Verb(_DO, "actions", "List what can be said and done."),
    "log": Verb(_DO, "log", "Show the last orders and what became of them."),
    "undo": Verb(_DO, "undo", "Take back the last thing that was done."),
    "run": Verb("earshot.cli.assistant_run", "run", "Listen for orders and carry them out."),
    "add": Verb("earshot.cli.assistant_add", "add", "Let a sentence of yours be an order."),
    "toggle": Verb(_KEYS, "toggle", "Let the running assistant listen, or stop it; for a key."),
    "push": Verb(_KEYS, "push", "Push to talk: the key is down."),
    "release": Verb(_KEYS, "release", "Push to talk: the key is up."),
    "confirm": Verb(_KEYS, "confirm", "Answer yes to what it asks, or --no."),
    "cancel": Verb(_KEYS, "cancel", "Let it forget what it asked."),
    "say": Verb(_KEYS, "say", "Give the running assistant a typed order."),
    "status": Verb(_KEYS, "status", "Tell what the running assistant does."),
    "hear": Verb(_HEAR, "hear", "Tell what is meant in recordings of one command each."),
    "check": Verb(_HEAR, "check", "Find mistakes in a grammar, and try its examples."),
    "sample": Verb(_HEAR, "sample", "Print sentences of a grammar."),
}

_EXAMPLES = """\b
Examples:
  earshot assistant do "start music"
  earshot assistant actions
  earshot assistant check -g my-commands
  earshot assistant hear order.wav -g my-commands
  earshot assistant hear clips/ -g my-commands --json
  earshot assistant sample -g my-commands --prompts"""


@click.group(cls=VerbGroup, verbs=VERBS, epilog=_EXAMPLES)
def assistant() -> None:
    """Understand commands by a grammar of yours: from sound to what is meant."""
