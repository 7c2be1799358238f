"""Which letters a corpus is written with, and which do not belong there."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from earshot.text.normalise import normalise

_RARE = 1e-3
"""Of all letters: one of another script that is rarer than this was typed by mistake. Mboshi writes ω among
Latin letters, which makes 1.6 % of them."""


def letters_of(text: str) -> str:
    """The text as a net learns it: lower case, no punctuation, single spaces."""
    return normalise(text)


def count_letters(texts: Iterable[str]) -> Counter[str]:
    """How often each letter occurs in normalised texts; spaces are left out."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(letters_of(text))
    del counts[" "]
    return counts


def usual_alphabet(counts: Counter[str]) -> frozenset[str]:
    """The letters that seem to belong to the language: of the commonest script, or frequent, or apostrophes.

    Digits do not: nobody can tell from "5" what was said.
    """
    scripts: Counter[str] = Counter()
    for letter, count in counts.items():
        if unicodedata.category(letter)[0] == "L":
            scripts[script_of(letter)] += count
    if not scripts:
        return frozenset()
    main, num_letters = scripts.most_common(1)[0][0], scripts.total()
    return frozenset(
        letter
        for letter, count in counts.items()
        if letter == "'" or _belongs(letter, count, main, num_letters)
    )


def _belongs(letter: str, count: int, main: str, num_letters: int) -> bool:
    kind = unicodedata.category(letter)[0]
    if kind == "N":
        return False
    return kind == "M" or script_of(letter) == main or count >= _RARE * num_letters


def script_of(letter: str) -> str:
    """The first word of its Unicode name: LATIN, CYRILLIC, ETHIOPIC; Japanese counts as one with Chinese."""
    script = unicodedata.name(letter, "unknown").split()[0]
    return "CJK" if script in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else script
