"""Text made safe to write: one line, no control characters; and how wide it is on a screen."""

from __future__ import annotations

import re
import unicodedata

# White space at which a line may break. The no-break spaces (U+00A0, U+2007, U+202F) are not among them:
# French sets one before "!" and a break there is wrong.
BREAKING_SPACE = re.compile(r"[^\S\u00a0\u2007\u202f]+")

# C0 and C1 controls, and the code points that are no characters; XML 1.0 forbids most of them.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text on one line: white space collapsed, controls removed, lone surrogates made U+FFFD.

    Marks that shape text (joiners, direction marks, variation selectors) and no-break spaces stay.
    """
    if text.isprintable() and "  " not in text and text == text.strip():
        return text  # nearly all words: 0.2 µs for 2 µs
    text = BREAKING_SPACE.sub(" ", text)
    text = _CONTROLS.sub("", text)
    text = _SURROGATES.sub("\ufffd", text)
    return BREAKING_SPACE.sub(" ", text).strip()


def display_width(text: str) -> int:
    """Columns that the text takes: 2 for wide East Asian characters and emoji, 0 for marks (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
