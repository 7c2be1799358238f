"""The assistant's own voice in its microphone is nobody's order."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from earshot.decoding.network import spoken

MEMORY = 4.0
"""Seconds after it spoke in which words are compared with what it said."""

_ALIKE = 0.92
"""Of 1: higher than an order that differs in one word (0.86), lower than a word misheard."""


def is_own_words(text: str, said: Iterable[str]) -> bool:
    """Whether a text that was heard is one of those that were said, or two words or more of one."""
    heard = spoken(text)
    if not heard:
        return False
    for one in said:
        own = spoken(one)
        if heard.count(" ") >= 2 and f"{heard} " in f"{own} ":
            return True
        if SequenceMatcher(None, heard, own, autojunk=False).ratio() >= _ALIKE:
            return True
    return False
