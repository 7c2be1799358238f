"""``earshot assistant``: a table of its verbs, each imported when it is used, so that a toggle is quick."""

from __future__ import annotations

import click

from earshot.cli import Verb, VerbGroup

_HEAR = "earshot.cli.assistant_hear"

VERBS = {
    "hear": Verb(_HEAR, "hear", "Tell what is meant in recordings of one command each."),
    "check": Verb(_HEAR, "check", "Find mistakes in a grammar, and try its examples."),
    "sample": Verb(_HEAR, "sample", "Print sentences of a grammar."),
}

_EXAMPLES = """\b
Examples:
  earshot assistant check -g my-commands
  earshot assistant hear order.wav -g my-commands
  earshot assistant hear clips/ -g my-commands --json
  earshot assistant sample -g my-commands --prompts"""


@click.group(cls=VerbGroup, verbs=VERBS, epilog=_EXAMPLES)
def assistant() -> None:
    """Understand commands by a grammar of yours: from sound to what is meant."""
