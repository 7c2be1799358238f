"""What a text from outside may hold: no control characters, nothing invisible, no letters in disguise.

Texts reach the assistant by microphone, keyboard and socket; a text that looks like one thing and is another
(Unicode Technical Report 36) has no business in a file name, and a line end none in a terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_JOINERS = "\u200c\u200d"  # Persian and emoji need them
_SELECTORS = "\ufe0e\ufe0f"  # how an emoji is drawn
_LOOK_ALIKE = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
"""Scripts whose letters are taken for one another; within one word they do not mix."""

_MAX_MARKS = 4
"""Combining marks on one letter; Vietnamese and Thai take two, pointed Hebrew three."""


def unfit(text: str) -> str | None:
    """Why a text is not to be typed, spoken or written down as it is; None where it may."""
    for character in text:
        category = unicodedata.category(character)
        if category == "Cf" and character in _JOINERS:
            continue
        if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            return f"it holds an invisible or control character (U+{ord(character):04X})"
    if any(count > _MAX_MARKS for count in _marks(text)):
        return "it piles marks on a letter"
    return None


def disguised(text: str) -> str | None:
    """Why a text is no honest name, beyond ``unfit``: joiners, marks on nothing, alphabets mixed in a word."""
    for character in text:
        if character in _JOINERS or character in _SELECTORS:
            return f"it holds an invisible character (U+{ord(character):04X})"
        if unicodedata.normalize("NFKC", character) != unicodedata.normalize("NFC", character):
            return f"it holds a look-alike of another character (U+{ord(character):04X})"
    if text and unicodedata.combining(text[0]):
        return "it begins with a mark that belongs on a letter"
    for word in text.split():
        scripts = {script for character in word if (script := _script(character))}
        if len(scripts) > 1:
            return f"{' and '.join(sorted(script.title() for script in scripts))} letters are mixed in {word!r}"
    return None


def _marks(text: str) -> Iterator[int]:
    """How many combining marks follow each other, wherever they do."""
    count = 0
    for character in unicodedata.normalize("NFD", text):
        count = count + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        yield count


def _script(character: str) -> str | None:
    name = unicodedata.name(character, "")
    return next((script for script in _LOOK_ALIKE if name.startswith(script + " ")), None)
