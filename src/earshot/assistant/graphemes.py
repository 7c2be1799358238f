"""What a reader sees as one character: what one BackSpace takes away."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"


def graphemes(text: str) -> list[str]:
    """The text cut into them: letters with their combining marks, flags, joined and coloured emoji.

    By the rules of Unicode's UAX #29 that matter for what is dictated; Hangul is one a syllable in NFC.
    """
    found: list[str] = []
    for character in text:
        if found and _belongs_to(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _belongs_to(before: str, character: str) -> bool:
    if before == "\r":
        return character == "\n"
    if before == "\n":
        return False
    if character == _JOINER or unicodedata.category(character) in ("Mn", "Me", "Mc"):
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f":
        return True  # colours of skin; tags of flags
    if before.endswith(_JOINER):
        return unicodedata.category(character) == "So"
    return _is_half_flag(character) and len(before) == 1 and _is_half_flag(before)


def _is_half_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
