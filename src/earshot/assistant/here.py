"""The surroundings of this process: its display, home and environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earshot.assistant.actions.base import Surroundings
from earshot.assistant.desktop.base import Desktop
from earshot.assistant.timers import Timers
from earshot.core.errors import ActionError

if TYPE_CHECKING:
    from earshot.assistant.action_book import ActionBook
    from earshot.assistant.grammar import Grammar
    from earshot.assistant.performing import Performer

_NUM_HEARD = 20
"""Texts that "what did I say" may go back."""


def surroundings_here(
    *,
    say: Callable[[str], None],
    heard: Callable[[], Sequence[str]],
    timers: Timers | None = None,
    language: str = "en",
) -> Surroundings:
    """What actions reach the world by in this process; without a display there is no desktop, and why."""
    from earshot.assistant.desktop import find_desktop

    desktop: Desktop | None = None
    reason = ""
    try:
        desktop = find_desktop(os.environ)
    except ActionError as error:
        reason = str(error)
    return Surroundings(
        desktop=desktop,
        timers=timers,
        say=say,
        heard=heard,
        home=Path.home(),
        environment=dict(os.environ),
        language=language,
        no_desktop=reason,
    )


def performer_here(
    grammar: Grammar, actions: Path | None, *, say: Callable[[str], None], is_dry_run: bool = False
) -> Performer:
    """What carries out the orders of a grammar in this process, with the user's own log and history.

    actions: the user's file of actions; None for where it usually is. Raises ActionError for a mistake in it.
    """
    from earshot.assistant.action_book import ActionBook
    from earshot.assistant.audit import AuditLog
    from earshot.assistant.homes import audit_file
    from earshot.assistant.starter_set import examples_of
    from earshot.assistant.timers import timers_path

    def heard() -> list[str]:
        return [str(entry.get("words", "")) for entry in AuditLog(audit_file()).read()][-_NUM_HEARD:]

    surroundings = surroundings_here(
        say=say, heard=heard, timers=Timers(timers_path()), language=grammar.language or "en"
    )
    book = ActionBook.load(actions, examples=examples_of(grammar))
    return logged_performer(book, surroundings, is_dry_run=is_dry_run)


def logged_performer(
    book: ActionBook,
    surroundings: Surroundings,
    *,
    is_dry_run: bool = False,
    allowed_speakers: Collection[str] | None = None,
) -> Performer:
    """With the user's own log and history."""
    from earshot.assistant.audit import AuditLog
    from earshot.assistant.homes import audit_file, history_file
    from earshot.assistant.performing import Performer

    return Performer(
        book,
        surroundings,
        is_dry_run=is_dry_run,
        audit=AuditLog(audit_file()),
        allowed_speakers=allowed_speakers,
        history=history_file(),
    )
