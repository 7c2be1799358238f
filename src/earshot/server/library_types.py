"""What the library gives out: sessions, what a search found, and what two who write at once are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from earshot.core.errors import SessionError

SessionKind: TypeAlias = Literal["live", "upload"]

SessionState: TypeAlias = Literal["recording", "waiting", "working", "ready", "recovered", "failed"]
"""recording: sound comes in. waiting, working: a file before and while it is recognized. ready: all is there.
recovered: it was cut off and is whole again as far as there is sound. failed: ``problem`` says why."""

UNDER_WAY: tuple[SessionState, ...] = ("recording", "waiting", "working")

NAME_LIMIT = 200
"""Characters of a title or a speaker's name."""

WORD_LIMIT = 500
"""Characters that a word may be corrected to: whole sentences belong into several words."""


class NoSessionError(SessionError, LookupError):
    """There is no such session, segment or word."""


class ConflictError(SessionError):
    """Somebody else was faster. current: what is there now, with its version."""

    def __init__(self, message: str, current: dict[str, Any]) -> None:
        super().__init__(message, fix="look at what is there now, then decide")
        self.current = current


@dataclass(frozen=True, slots=True)
class LibrarySession:
    """A row of the library. created: UTC, ISO 8601. duration: seconds. excerpt: how it begins.

    diarize: speakers are told apart when it is recognized.
    """

    id: str
    title: str
    created: str
    kind: SessionKind
    state: SessionState
    problem: str | None = None
    engine: str | None = None
    language: str | None = None
    duration: float | None = None
    audio_path: str | None = None
    num_words: int = 0
    version: int = 1
    excerpt: str = ""
    diarize: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that a search found. snippet: the text around it, matches between the characters 2 and 3.

    segment: its position in the session, None where the title matches.
    """

    session: LibrarySession
    snippet: str
    segment: int | None = None
    start: float | None = None


def clean_name(name: str, fallback: str = "Untitled") -> str:
    """A title or name in one line, without control characters, not too long."""
    printable = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(printable.split())[:NAME_LIMIT].strip() or fallback


def clean_word(text: str) -> str:
    """What a word is corrected to; may be several words or, to remove it, none."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:WORD_LIMIT].strip()
