"""X11, by ``xdotool`` (keys), ``wmctrl`` (windows), ``xclip`` or ``xsel``, and ``maim`` or ``import``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from earshot.assistant.desktop.base import Window
from earshot.assistant.desktop.common import TYPING_TIME_LIMIT, Notifier, typed_lines, write_new_picture
from earshot.assistant.desktop.keys import parse_keys
from earshot.assistant.desktop.programs import Programs, decoded
from earshot.assistant.desktop.x11_keymap import SpareKeys
from earshot.core.errors import ActionError

_KEY_DELAY_MS = "2"
_WINDOW = re.compile(r"^(0x[0-9a-f]+)\s+(-?\d+)\s+(\S+)\s+(.*)$")
_CAPS_LOCK = re.compile(r"Caps Lock:\s+on")
_QUOTED = re.compile(r'"([^"]*)"')
_READ = {
    "xclip": ("xclip", "-selection", "clipboard", "-out", "-target", "UTF8_STRING"),
    "xsel": ("xsel", "--clipboard", "--output"),
}
_WRITE = {
    "xclip": ("xclip", "-selection", "clipboard", "-in"),
    "xsel": ("xsel", "--clipboard", "--input"),
}
_LISTING = ("wmctrl", "-l", "-x")
_NUM_LISTINGS = 5
_PICTURES = {
    "maim": ("maim", "--format=png"),
    "import": ("import", "-silent", "-window", "root", "png:-"),
}


class X11Desktop:
    """See ``Desktop``. environment: its DISPLAY says which server. types: whether it must be able to type.

    Raises ActionError where it must, and ``xdotool`` or ``xmodmap`` is missing.
    """

    name = "x11"

    def __init__(self, environment: Mapping[str, str], *, types: bool = True) -> None:
        # Text is read by the programs in the locale's encoding.
        self._programs = Programs({**environment, "LC_ALL": "C.UTF-8"})
        if types:
            for program in ("xdotool", "xmodmap"):
                self._programs.choose(program, purpose="typing on X11")
        self._spare_keys = SpareKeys(self._programs)
        self._notifier = Notifier(environment)

    def type_text(self, text: str) -> None:
        """See ``Desktop``."""
        typed_lines(text)  # says what may not be typed, before anything is
        is_locked = (
            self._programs.has("xset") and _CAPS_LOCK.search(self._programs.call(["xset", "q"])) is not None
        )
        if is_locked:  # it would turn the capitals round
            self._key("Caps_Lock")
        try:
            for piece in self._spare_keys.pieces(text):
                self._type_piece(piece)
        finally:
            if is_locked:
                self._key("Caps_Lock")

    def _type_piece(self, piece: str) -> None:
        for index, line in enumerate(piece.split("\n")):
            if index:
                self._key("Return")
            if line:
                argv = ["xdotool", "type", "--delay", _KEY_DELAY_MS, "--file", "-"]
                self._programs.call(argv, stdin=line, time_limit=TYPING_TIME_LIMIT)

    def press(self, keys: str, times: int = 1) -> None:
        """See ``Desktop``."""
        chord = parse_keys(keys)
        self._key("+".join(key.keysym for key in (*chord.modifiers, chord.key)), times)

    def _key(self, keysyms: str, times: int = 1) -> None:
        argv = ["xdotool", "key", "--delay", _KEY_DELAY_MS, *[keysyms] * times]
        self._programs.call(argv, time_limit=TYPING_TIME_LIMIT)

    def windows(self) -> tuple[Window, ...]:
        """See ``Desktop``."""
        self._programs.choose("wmctrl", purpose="the list of windows")
        rows = (_WINDOW.match(line) for line in self._window_list().splitlines())
        found = [row for row in rows if row is not None]
        # The host's name stands before the title, for programs of other computers too.
        return tuple(
            Window(str(int(row[1], 16)), row[4].partition(" ")[2].strip(), row[3].rpartition(".")[2])
            for row in found
        )

    def _window_list(self) -> str:
        """What ``wmctrl`` prints. It fails where a window closes while it asks for that window's name."""
        for _ in range(_NUM_LISTINGS - 1):
            try:
                return self._programs.call(_LISTING)
            except ActionError as error:
                if "BadWindow" not in str(error):
                    raise
        return self._programs.call(_LISTING)

    def active_window(self) -> Window | None:
        """See ``Desktop``. Without a window manager it is whichever has the keyboard."""
        for command in ("getactivewindow", "getwindowfocus"):
            done = self._programs.run(["xdotool", command])
            if b"open display" in done.stderr:
                raise ActionError("the display cannot be reached", fix="is DISPLAY right, and XAUTHORITY?")
            identity = decoded(done.stdout).strip()
            if done.returncode == 0 and identity.isdecimal() and int(identity) > 1:
                title = self._programs.run(["xdotool", "getwindowname", identity])
                return Window(identity, decoded(title.stdout).strip(), self._application(identity))
        return None

    def _application(self, identity: str) -> str:
        if not self._programs.has("xprop"):
            return ""
        names = _QUOTED.findall(decoded(self._programs.run(["xprop", "-id", identity, "WM_CLASS"]).stdout))
        return names[-1] if names else ""

    def activate(self, window: Window) -> None:
        """See ``Desktop``."""
        self._manage(window, "-a")

    def close(self, window: Window) -> None:
        """See ``Desktop``."""
        self._manage(window, "-c")

    def maximise(self, window: Window) -> None:
        """See ``Desktop``."""
        self._manage(window, "-r", "-b", "add,maximized_vert,maximized_horz")

    def minimise(self, window: Window) -> None:
        """See ``Desktop``."""
        self._programs.call(["xdotool", "windowminimize", _identity(window)])

    def _manage(self, window: Window, what: str, *more: str) -> None:
        self._programs.choose("wmctrl", purpose="managing windows")
        self._programs.call(["wmctrl", "-i", what, _identity(window), *more])

    def read_clipboard(self) -> str:
        """See ``Desktop``."""
        program = self._programs.choose(*_READ, purpose="the clipboard")
        done = self._programs.run(_READ[program])
        return decoded(done.stdout) if done.returncode == 0 else ""  # a status of 1: it holds no text

    def write_clipboard(self, text: str) -> None:
        """See ``Desktop``. The program stays in the background until something else is copied."""
        program = self._programs.choose(*_WRITE, purpose="the clipboard")
        if self._programs.run(_WRITE[program], stdin=text, has_output=False).returncode != 0:
            raise ActionError(f"{program} cannot write the clipboard", fix="is the display still there?")

    def screenshot(self, path: Path) -> Path:
        """See ``Desktop``."""
        program = self._programs.choose(*_PICTURES, purpose="a screenshot")
        return write_new_picture(path, self._programs.call_bytes(_PICTURES[program]))

    def notify(self, title: str, text: str = "") -> None:
        """See ``Desktop``."""
        self._notifier.notify(title, text)


def _identity(window: Window) -> str:
    if not window.identity.isdecimal():
        raise ActionError(f"{window.identity!r} is no window of X11")
    return window.identity
