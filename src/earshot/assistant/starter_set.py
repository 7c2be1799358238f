"""What can be said from the start: the shipped sentences, the user's own, names of installed applications."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from earshot.assistant.actions.applications import installed
from earshot.assistant.grammar import Grammar
from earshot.assistant.grammar_files import GrammarSource, ListValue, Written, read_grammar
from earshot.assistant.homes import STARTER, user_grammar_folder
from earshot.core.errors import GrammarError

_APPLICATIONS = "application"
"""The list that names of installed applications are added to."""

_MAX_NAME = 40


def starter_languages() -> tuple[str, ...]:
    """ISO 639-1 of the languages that sentences are shipped in."""
    return tuple(sorted(folder.name for folder in STARTER.iterdir() if any(folder.glob("*.yaml"))))


def starter_grammar(
    language: str = "en", *, environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Grammar:
    """The shipped sentences of a language, and the user's own of that language.

    environment, home: where installed applications are looked for. Where one is called as a sentence of the
    user's means something else, the sentence counts, and applications go by the shipped names alone.
    Raises GrammarError where no sentences of that language are there, or for a mistake in the user's files.
    """
    own = user_grammar_folder(language)
    folders = [
        folder for folder in (STARTER / language, own) if folder.is_dir() and any(folder.rglob("*.y*ml"))
    ]
    if not folders:
        fix = f"choose one of {', '.join(starter_languages())}, or write your own into {own}"
        raise GrammarError(f"there are no sentences in the language {language!r}", fix=fix)
    applications = installed(environment, home or Path.home(), language=language)
    names = [name for application in applications for name in application.names]
    with_names = read_grammar(*folders)
    _add_applications(with_names, names)
    try:
        return Grammar(with_names)
    except GrammarError:
        return Grammar(read_grammar(*folders))  # it raises for mistakes of the files themselves


def load_grammar(path: Path | None, language: str = "en") -> Grammar:
    """A folder or file of the user's choice, else the starter grammar."""
    return Grammar.load(path) if path is not None else starter_grammar(language)


def examples_of(grammar: Grammar) -> dict[str, str]:
    """A sentence for each intent: the first of its examples, else a template as it is written."""
    found: dict[str, str] = {}
    for example in grammar.examples:
        if example.intent is not None:
            found.setdefault(example.intent, example.said.text)
    for template in grammar.templates:
        found.setdefault(template.intent, template.written.text)
    return found


def _add_applications(source: GrammarSource, names: Iterable[str]) -> None:
    """Names of letters and spaces alone; others would not be said as they are written."""
    known = source.lists.get(_APPLICATIONS)
    if known is None or not known.values:
        return
    said = {value.said.text.casefold() for value in known.values}
    new = {
        name.casefold(): name
        for name in names
        if len(name) <= _MAX_NAME
        and all(word.isalpha() for word in name.split())
        and name.casefold() not in said
    }
    values = tuple(ListValue(Written(name, known.place), name) for name in new.values())
    source.lists[_APPLICATIONS] = replace(known, values=known.values + values)
