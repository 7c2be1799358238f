"""What the assistant can do to the desktop: keys, windows, clipboard, pictures of the screen, notifications."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from earshot.core.errors import ActionError


@dataclass(frozen=True, slots=True)
class Window:
    """A window on the screen.

    identity: what the desktop calls it, stable while the window lives. title: may be empty, comes from the
    program and is therefore not to be trusted. application: the program's class or app id, empty where unknown.
    """

    identity: str
    title: str = ""
    application: str = ""


class Desktop(Protocol):
    """A desktop that is reached through its own small programs, by argument lists, never by a shell.

    Every method raises ActionError where the program is missing (the fix names its Debian package), takes too
    long, or where this desktop has no way to do it.
    """

    @property
    def name(self) -> str:
        """``x11`` or ``wayland``."""
        ...

    def type_text(self, text: str) -> None:
        """Type text of any script into the focused window, exactly.

        A newline presses Enter. Other control characters are never typed: they raise ActionError, and nothing
        is typed then.
        """
        ...

    def press(self, keys: str, times: int = 1) -> None:
        """Press keys together: ``ctrl+shift+t``, ``enter``, ``page_down``; names as in ``keys.py``.

        times: how often, at least once.
        """
        ...

    def windows(self) -> tuple[Window, ...]:
        """Those that a person could switch to."""
        ...

    def active_window(self) -> Window | None:
        """The one that gets what is typed; None where none has the focus."""
        ...

    def activate(self, window: Window) -> None:
        """Bring to the front, with the focus."""
        ...

    def close(self, window: Window) -> None:
        """Ask the program to close it; it may ask back."""
        ...

    def maximise(self, window: Window) -> None:
        """Fill the screen."""
        ...

    def minimise(self, window: Window) -> None:
        """Out of sight, still running."""
        ...

    def read_clipboard(self) -> str:
        """Its text; empty where it holds none."""
        ...

    def write_clipboard(self, text: str) -> None:
        """Replace what it holds."""
        ...

    def screenshot(self, path: Path) -> Path:
        """Write the whole screen to a new PNG file, and return its path. Raises ActionError where it exists."""
        ...

    def notify(self, title: str, text: str = "") -> None:
        """Show a note for a few seconds."""
        ...


def find_desktop(environment: Mapping[str, str] = os.environ, *, types: bool = True) -> Desktop:
    """The desktop that this process runs in.

    environment: tells which by WAYLAND_DISPLAY and DISPLAY, and is what the programs get. types: whether it
    must be able to type. Raises ActionError where there is no display, or the program that types is missing.
    """
    from earshot.assistant.desktop.wayland import WaylandDesktop
    from earshot.assistant.desktop.x11 import X11Desktop

    if environment.get("WAYLAND_DISPLAY"):
        return WaylandDesktop(environment, types=types)
    if environment.get("DISPLAY"):
        return X11Desktop(environment, types=types)
    raise ActionError(
        "there is no display", fix="run it in a desktop session, where DISPLAY or WAYLAND_DISPLAY is set"
    )
