"""The words that mean something while dictating, read from ``dictation.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

Phrase: TypeAlias = tuple[str, ...]
"""Words as ``plain`` gives them."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Marks that take no space before them (left), after them (right), on either side; ends of sentences."""

    left: frozenset[str]
    right: frozenset[str]
    both: frozenset[str]
    ends: frozenset[str]

    def is_spaced(self, before: str, after: str) -> bool:
        """Whether a space belongs between two texts that meet. Both hold something."""
        first, second = before[-1], after[0]
        return not (
            first.isspace()
            or second.isspace()
            or first in self.right
            or first in self.both
            or second in self.left
            or second in self.both
        )


@dataclass(frozen=True, slots=True)
class DictationWords:
    """One language's. Phrases → the mark, the command's name, or the letter; see ``dictation.toml``."""

    marks: Mapping[Phrase, str] = field(default_factory=dict)
    marks_at_end: Mapping[Phrase, str] = field(default_factory=dict)
    marks_at_pauses: Mapping[Phrase, str] = field(default_factory=dict)
    alone: Mapping[Phrase, str] = field(default_factory=dict)
    at_pauses: Mapping[Phrase, str] = field(default_factory=dict)
    before: Mapping[Phrase, str] = field(default_factory=dict)
    letters: Mapping[Phrase, str] = field(default_factory=dict)


@cache
def dictation_words(language: str) -> DictationWords:
    """Those of a language (ISO 639-1); none, so that all is text, where the table has no block for it."""
    blocks = _table().get(language, {})
    return DictationWords(**{name: _by_phrase(block) for name, block in blocks.items()})


@cache
def attachment() -> Attachment:
    """The same for all languages."""
    return Attachment(**{name: frozenset(characters) for name, characters in _table()["attach"].items()})


def plain(word: str) -> str:
    """A word without capitals and the marks around it, to be compared: ``"Comma,"`` → ``comma``."""
    return word.strip(_MARKS).casefold()


def longest(phrases: Mapping[Phrase, str], words: Sequence[str]) -> tuple[str, int] | None:
    """What the first of the words mean by the longest phrase, and how many words that takes.

    words: as ``plain`` gives them.
    """
    for size in range(min(len(words), _MAX_WORDS), 0, -1):
        if (meaning := phrases.get(tuple(words[:size]))) is not None:
            return meaning, size
    return None


_MARKS = ".,;:?!…\"'“”„«»()[]-–—"
_MAX_WORDS = 4


def _table() -> dict[str, Any]:
    text = files("earshot.assistant").joinpath("dictation.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _by_phrase(block: Mapping[str, Sequence[str]]) -> dict[Phrase, str]:
    return {tuple(phrase.split()): meaning for meaning, phrases in block.items() for phrase in phrases}
