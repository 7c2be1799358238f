"""The assistant learns a sentence: what to say, and what is done for it."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.assistant.action_book import ActionBook
from earshot.assistant.actions.registry import Registry
from earshot.assistant.grammar import Grammar
from earshot.assistant.grammar_editing import with_sentence
from earshot.assistant.grammar_files import read_grammar
from earshot.assistant.homes import STARTER, assistant_home, user_actions_file, user_grammar_folder
from earshot.core.errors import ActionError, GrammarError, nearest
from earshot.core.files import atomic_text
from earshot.text.clean import clean_text

FILE_NAME = "added.yaml"
"""In the user's folder of a language: where sentences are added."""

MAX_SENTENCE = 500
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned. grammar_file: where the sentence stands; None where it was known already, so meant.

    actions_file: where an action was added for it.
    """

    sentence: str
    intent: str
    language: str
    grammar_file: Path | None
    actions_file: Path | None


def guessed_language(sentence: str) -> str:
    """Of the starter set's languages, by the letters."""
    return "ru" if re.search("[А-Яа-яЁё]", sentence) else "en"


def add_sentence(
    sentence: str,
    do: str,
    *,
    language: str,
    slots: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> Lesson:
    """Make a sentence, or a template of many, mean an action. Nothing is written where anything is wrong.

    do: an action such as ``media.play``, or an intent such as ``StartMusic``. slots: fixed values, such as a
    volume. settings: lines of TOML that the action needs, such as ``argv = ["firefox"]``.
    Raises GrammarError (of two templates for one sentence it names both), ActionError, OutputError.
    """
    sentence = clean_text(sentence)
    if not sentence or len(sentence) > MAX_SENTENCE:
        raise GrammarError(f"a sentence has 1 to {MAX_SENTENCE} characters", fix='write it as in "start music"')
    if not _LANGUAGE.fullmatch(language):
        raise GrammarError(f"{language!r} is no language code", fix="write one such as en or ru")
    intent, actions = _intent_of(do, settings)
    known = _known(sentence, language)
    if known == intent and not slots:
        _write(actions)
        return Lesson(sentence, intent, language, None, actions[0] if actions else None)
    file = user_grammar_folder(language) / FILE_NAME
    text = _read(file)
    try:
        changed = with_sentence(text, sentence, intent, language=language, slots=slots)
    except GrammarError as error:
        raise GrammarError(f"{file}: {error.message}", fix=error.fix) from None
    _check(changed, file, language)
    _write(actions)
    _write((file, changed))
    return Lesson(sentence, intent, language, file, actions[0] if actions else None)


def _intent_of(do: str, settings: Sequence[str]) -> tuple[str, tuple[Path, str] | None]:
    """The intent that does it; and the file of actions with it added, where there is none yet."""
    book = ActionBook.load()
    if book.for_intent(do) is not None and not settings:
        return do, None
    registry = Registry()
    if do not in registry:
        raise ActionError(f"there is no action {do!r}", fix=nearest(do, [*registry, *book.names()]))
    doing = [name for name in book.names() if (one := book.for_intent(name)) and one.action.name == do]
    if not settings and len(doing) == 1:
        return doing[0], None
    if not settings and doing:
        raise ActionError(f"several do {do}: {', '.join(doing)}", fix=f"name one: --do {doing[0]}")
    return _new_action(do, settings, book)


def _new_action(do: str, settings: Sequence[str], book: ActionBook) -> tuple[str, tuple[Path, str]]:
    file = user_actions_file() or assistant_home() / "actions.toml"
    if file.suffix != ".toml":
        raise ActionError(
            f"{file} is no TOML, so nothing is added to it", fix=f"write the action for {do} into it"
        )
    stem = "".join(part.title() for part in re.split(r"\W+", do))
    intent = next(name for number in range(1, 10_000) if (name := f"{stem}{number}") not in book.names())
    text = _read(file)
    added = "\n".join(
        [*([text.rstrip(), ""] if text.strip() else []), f"[actions.{intent}]", f'do = "{do}"', *settings, ""]
    )
    for line in settings:
        try:
            tomllib.loads(line)
        except tomllib.TOMLDecodeError as error:
            raise ActionError(
                f"{line!r} is no setting: {error}", fix="write it as in: argv = ['firefox']"
            ) from None
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / file.name
        trial.write_text(added, encoding="utf-8")
        try:
            ActionBook.load(trial)
        except ActionError as error:
            raise ActionError(error.message.replace(str(trial), str(file)), fix=error.fix) from None
    return intent, (file, added)


def _known(sentence: str, language: str) -> str | None:
    """What it means already."""
    places = _places(language)
    match = Grammar(read_grammar(*places)).match(sentence) if places else None
    return match.intent if match is not None else None


def _check(changed: str, file: Path, language: str) -> None:
    """Whether the whole grammar would still be right."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / file.name
        trial.write_text(changed, encoding="utf-8")
        try:
            Grammar(read_grammar(*(place for place in _places(language) if place != file), trial))
        except GrammarError as error:
            message = error.message.replace(str(trial), str(file))
            raise GrammarError(message, fix=error.fix and error.fix.replace(str(trial), str(file))) from None


def _places(language: str) -> list[Path]:
    folders = (STARTER / language, user_grammar_folder(language))
    return [file for folder in folders if folder.is_dir() for file in sorted(folder.rglob("*.y*ml"))]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise GrammarError(f"{file} cannot be read: {error}") from error


def _write(change: tuple[Path, str] | None) -> None:
    if change is not None:
        with atomic_text(change[0]) as target:
            target.write(change[1])
