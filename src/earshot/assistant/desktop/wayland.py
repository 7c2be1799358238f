"""Wayland, by ``wtype`` or ``ydotool`` (keys), ``wl-clipboard``, ``grim``, and the compositor's own command.

Wayland lets no program see or move the windows of others. Sway has a command for it (``swaymsg``); on other
compositors what concerns windows raises ActionError that says so. ``wtype`` works where the compositor lets
programs bring a keyboard (Sway and its kin, KDE); ``ydotool`` works anywhere, being a keyboard of the kernel,
but types only what a US keyboard has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from earshot.assistant.desktop.base import Window
from earshot.assistant.desktop.common import TYPING_TIME_LIMIT, Notifier, typed_lines, write_new_picture
from earshot.assistant.desktop.keys import Chord, parse_keys
from earshot.assistant.desktop.programs import Programs
from earshot.core.errors import ActionError

_KEY_DELAY_MS = "2"
_REFUSAL = "does not support the virtual keyboard"
_WTYPE_MODIFIERS = {
    "Control_L": "ctrl",
    "Shift_L": "shift",
    "Alt_L": "alt",
    "ISO_Level3_Shift": "altgr",
    "Super_L": "logo",
}


class WaylandDesktop:
    """See ``Desktop``. environment: its WAYLAND_DISPLAY and XDG_RUNTIME_DIR say which compositor.
    types: whether it must be able to type.

    Raises ActionError where it must, and neither ``wtype`` nor ``ydotool`` is there.
    """

    name = "wayland"

    def __init__(self, environment: Mapping[str, str], *, types: bool = True) -> None:
        self._programs = Programs({**environment, "LC_ALL": "C.UTF-8"})
        self._typist = (
            "ydotool" if self._programs.has("ydotool") and not self._programs.has("wtype") else "wtype"
        )
        if types:
            self._programs.choose("wtype", "ydotool", purpose="typing on Wayland")
        self._has_sway = bool(environment.get("SWAYSOCK")) and self._programs.has("swaymsg")
        self._notifier = Notifier(environment)

    def type_text(self, text: str) -> None:
        """See ``Desktop``. With ``ydotool`` only what a US keyboard has; else ActionError."""
        for index, line in enumerate(typed_lines(text)):
            if index:
                self.press("enter")
            if line:
                self._type(lambda: ["wtype", "-d", _KEY_DELAY_MS, "-"], lambda: _ydotool_text(text), stdin=line)

    def press(self, keys: str, times: int = 1) -> None:
        """See ``Desktop``."""
        chord = parse_keys(keys)
        if self._typist == "wtype" and (letter := _capital(chord)):
            self.type_text(letter * times)  # its own keyboard has one level: Shift makes no capitals there
            return
        self._type(lambda: _wtype_press(chord, times), lambda: _ydotool_press(chord, times))

    def _type(
        self, wtype: Callable[[], list[str]], ydotool: Callable[[], list[str]], *, stdin: str | None = None
    ) -> None:
        """By ``wtype``, or ``ydotool`` once the compositor has refused that; the arguments of each."""
        if self._typist == "wtype":
            try:
                self._programs.call(wtype(), stdin=stdin, time_limit=TYPING_TIME_LIMIT)
                return
            except ActionError as error:
                if _REFUSAL not in error.message:
                    raise
            self._programs.choose("ydotool", purpose="typing on this Wayland compositor")
            self._typist = "ydotool"
        self._programs.call(ydotool(), stdin=stdin, time_limit=TYPING_TIME_LIMIT)

    def windows(self) -> tuple[Window, ...]:
        """See ``Desktop``."""
        return tuple(_window(node) for node in self._nodes())

    def active_window(self) -> Window | None:
        """See ``Desktop``."""
        return next((_window(node) for node in self._nodes() if node.get("focused")), None)

    def activate(self, window: Window) -> None:
        """See ``Desktop``."""
        self._sway(window, "focus")

    def close(self, window: Window) -> None:
        """See ``Desktop``."""
        self._sway(window, "kill")

    def maximise(self, window: Window) -> None:
        """See ``Desktop``. In Sway: over the whole screen."""
        self._sway(window, "fullscreen enable")

    def minimise(self, window: Window) -> None:
        """See ``Desktop``. In Sway: to the scratchpad."""
        self._sway(window, "move scratchpad")

    def _nodes(self) -> Iterator[dict[str, Any]]:
        self._need_sway()
        try:
            tree = json.loads(self._programs.call(["swaymsg", "--raw", "--type", "get_tree"]))
        except ValueError as error:
            raise ActionError("swaymsg gave no list of windows") from error
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            children = [*node.get("nodes", ()), *node.get("floating_nodes", ())]
            waiting.extend(reversed(children))
            if node.get("pid") and not children:
                yield node

    def _sway(self, window: Window, what: str) -> None:
        self._need_sway()
        if not window.identity.isdecimal():
            raise ActionError(f"{window.identity!r} is no window of Sway")
        self._programs.call(["swaymsg", "--", f"[con_id={window.identity}] {what}"])

    def _need_sway(self) -> None:
        if not self._has_sway:
            raise ActionError(
                "this Wayland compositor lets no program see or move windows",
                fix="use Sway, or a session of X11",
            )

    def read_clipboard(self) -> str:
        """See ``Desktop``."""
        self._programs.choose("wl-paste", purpose="the clipboard")
        done = self._programs.run(["wl-paste", "--no-newline", "--type", "text/plain;charset=utf-8"])
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""  # it holds no text

    def write_clipboard(self, text: str) -> None:
        """See ``Desktop``. The program stays in the background until something else is copied."""
        self._programs.choose("wl-copy", purpose="the clipboard")
        argv = ["wl-copy", "--type", "text/plain;charset=utf-8"]
        if self._programs.run(argv, stdin=text, has_output=False).returncode != 0:
            raise ActionError("wl-copy cannot write the clipboard", fix="is the compositor still there?")

    def screenshot(self, path: Path) -> Path:
        """See ``Desktop``."""
        self._programs.choose("grim", purpose="a screenshot")
        return write_new_picture(path, self._programs.call_bytes(["grim", "-t", "png", "-"]))

    def notify(self, title: str, text: str = "") -> None:
        """See ``Desktop``."""
        self._notifier.notify(title, text)


def _window(node: Mapping[str, Any]) -> Window:
    properties = node.get("window_properties") or {}
    application = node.get("app_id") or properties.get("class") or ""
    return Window(str(node["id"]), str(node.get("name") or ""), str(application))


def _ydotool_text(text: str) -> list[str]:
    if not text.isascii():
        raise ActionError("ydotool types only what a US keyboard has", fix="use the clipboard")
    return ["ydotool", "type", "--file", "-"]


def _capital(chord: Chord) -> str:
    is_shifted = [key.keysym for key in chord.modifiers] == ["Shift_L"]
    letter = chord.key.keysym
    return letter.upper() if is_shifted and len(letter) == 1 and letter.isalpha() else ""


def _wtype_press(chord: Chord, times: int) -> list[str]:
    held = [_WTYPE_MODIFIERS[key.keysym] for key in chord.modifiers]
    down = [part for name in held for part in ("-M", name)]
    up = [part for name in reversed(held) for part in ("-m", name)]
    return ["wtype", "-d", _KEY_DELAY_MS, *down, *["-k", chord.key.keysym] * times, *up]


def _ydotool_press(chord: Chord, times: int) -> list[str]:
    """As ydotool 1.0 and later take it: kernel codes, 1 for down and 0 for up."""
    keys = (*chord.modifiers, chord.key)
    if any(key.code is None for key in keys):
        raise ActionError(f"ydotool has no key {chord.key.keysym}", fix="apt install wtype")
    codes = [key.code for key in keys]
    once = [*(f"{code}:1" for code in codes), *(f"{code}:0" for code in reversed(codes))]
    return ["ydotool", "key", *once * times]
