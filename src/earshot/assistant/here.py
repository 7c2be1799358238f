"""The surroundings of this process: its display, home and environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from earshot.assistant.actions.base import Surroundings
from earshot.assistant.desktop.base import Desktop
from earshot.assistant.timers import Timers
from earshot.core.errors import ActionError


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
