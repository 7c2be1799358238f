"""What a session is called before somebody gives it a name."""

from __future__ import annotations

UNTITLED = "New recording"

_LONGEST = 60
"""Characters of a title that is taken from what was said."""


def untitled() -> str:
    """Until something was said."""
    return UNTITLED


def is_untitled(title: str) -> bool:
    """Whether nobody has named it."""
    return title == UNTITLED


def title_from_text(text: str) -> str | None:
    """How it begins: a sentence, or as many words as fit; None where nothing was said."""
    words = text[: 4 * _LONGEST].split()
    title = ""
    for word in words:
        longer = f"{title} {word}".strip()
        if len(longer) > _LONGEST:
            return f"{title.rstrip(' ,;:—–-')}…" if title else word[:_LONGEST]
        title = longer
        if len(title) >= 20 and title[-1] in ".!?…":
            return title.removesuffix(".")
    return title.rstrip(" ,;:—–-").removesuffix(".") or None
