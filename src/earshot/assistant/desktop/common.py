"""What desktops share: text that may be typed, pictures that never replace a file, notifications."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from earshot.assistant.desktop.programs import Programs
from earshot.core.errors import ActionError

TYPING_TIME_LIMIT = 120.0
"""Seconds for one text: a long one takes a few milliseconds a character."""

_NEVER_TYPED = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories: controls, half characters, private and unassigned ones, other line ends."""


def typed_lines(text: str) -> list[str]:
    """The text cut at newlines, each of which is an Enter.

    Raises ActionError for a character that no keyboard should type, such as Escape, Tab or a carriage return.
    """
    for character in text:
        if character != "\n" and unicodedata.category(character) in _NEVER_TYPED:
            raise ActionError(
                f"the character U+{ord(character):04X} is never typed", fix="take it out of the text"
            )
    return text.split("\n")


def write_new_picture(path: Path, picture: bytes) -> Path:
    """Put a PNG into a file that does not exist yet. Raises ActionError where it does, or cannot be written."""
    if not picture.startswith(b"\x89PNG"):
        raise ActionError("the program for screenshots gave no picture")
    try:
        with path.open("xb") as file:
            file.write(picture)
    except FileExistsError as error:
        raise ActionError(f"{path} exists already", fix="give the screenshot another name") from error
    except OSError as error:
        raise ActionError(f"the screenshot cannot be written to {path}: {error.strerror}") from error
    return path


class Notifier:
    """Shows notifications, on any desktop, or without one where a service for them runs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._programs = Programs(environment)

    def notify(self, title: str, text: str = "") -> None:
        """See ``Desktop``. Its markup is text here: a window's title cannot put a link into it."""
        self._programs.choose("notify-send", purpose="a notification")
        body = html.escape(text, quote=False).replace("\0", "")
        self._programs.call(["notify-send", "--app-name=Earshot", "--", title.replace("\0", ""), body])
