"""Errors as sentences for people who do not look at terminals."""

from __future__ import annotations

from earshot.core.errors import EarshotError


def plain(error: EarshotError) -> str:
    """What happened, and what to do."""
    return " ".join(sentence(part) for part in (error.message, error.fix) if part)


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!", "…")) else ".")
