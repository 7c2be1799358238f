"""``earshot corpus``: a table of its verbs, each imported when it is used."""

from __future__ import annotations

import click

from earshot.cli import Verb, VerbGroup

_MANIFESTS = "earshot.cli.corpus_manifests"
_PARTS = "earshot.cli.corpus_parts"
_MINING = "earshot.cli.corpus_mining"
_RECIPES = "earshot.cli.corpus_recipes"

VERBS = {
    "recipes": Verb(_RECIPES, "recipes", "List corpora that are known by name, with their licences."),
    "get": Verb(_RECIPES, "get", "Download one of them, or take your archive of it."),
    "import": Verb(_MANIFESTS, "import_command", "Make a manifest of a folder or another tool's manifest."),
    "record": Verb("earshot.cli.corpus_record", "record", "Read a text aloud, phrase by phrase."),
    "check": Verb(_MANIFESTS, "check", "Listen to everything, and tell what is wrong."),
    "stats": Verb(_MANIFESTS, "stats", "Hours, speakers, letters; in figures or a picture."),
    "split": Verb(_PARTS, "split", "Part it, so that no speaker is on two sides."),
    "filter": Verb(_PARTS, "filter_command", "Keep what fits a description."),
    "merge": Verb(_PARTS, "merge", "Make one of several."),
    "mine": Verb(_MINING, "mine_command", "Find where a recognizer stumbles."),
    "mark": Verb(_MINING, "mark", "Leave out and correct what was found."),
    "export": Verb(_MANIFESTS, "export", "Write it for another tool."),
}

_EXAMPLES = """\b
Examples:
  earshot corpus get librispeech --part dev-clean -o librispeech
  earshot corpus record --text book.txt -o my-voice --language ru
  earshot corpus import recordings/ -o all.jsonl --language mdw
  earshot corpus check all.jsonl -o good.jsonl
  earshot corpus stats good.jsonl --plot good.png
  earshot corpus split good.jsonl --parts train=0.8,dev=0.1,test=0.1"""


@click.group(cls=VerbGroup, verbs=VERBS, epilog=_EXAMPLES)
def corpus() -> None:
    """Get, check, split and record what a recognizer learns from: recordings with their texts.

    They are listed in a manifest, a file of JSON lines; every change writes a new one that names its parent.
    """
