"""What happens on the screen: text, keys, windows, clipboard, pictures of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earshot.assistant.actions.base import FunctionAction, Outcome, Perform, Risk, Surroundings
from earshot.assistant.actions.plain_text import unfit
from earshot.assistant.actions.reversal import Reversal
from earshot.assistant.actions.values import FilePath, Parameter, Text
from earshot.assistant.actions.wording import said
from earshot.core.errors import ActionError

if TYPE_CHECKING:
    from earshot.assistant.desktop.base import Desktop, Window

_KEYS = re.compile(r"[\w]+(\+[\w]+){0,4}|[\w]+\+\+")
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that are pressed together."""

    @property
    def expected(self) -> str:
        """For messages."""
        return 'keys such as "ctrl+shift+t" or "page_down"'

    def read(self, value: object, home: Path) -> str:
        """Small letters, no blanks."""
        text = Text(60).read(value, home).lower().replace(" ", "_")
        if not _KEYS.fullmatch(text):
            raise ActionError(f"{self.expected} is expected, not {text!r}")
        return text


def desktop_of(surroundings: Surroundings) -> Desktop:
    """The desktop. Raises ActionError where there is none."""
    if surroundings.desktop is None:
        why = surroundings.no_desktop or "there is no display: run it inside a desktop session"
        raise ActionError(why)
    return surroundings.desktop


def _type(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    desktop_of(surroundings).type_text(values["text"])
    return Outcome("done", "", ("text.type", values["text"]))


def _press(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    desktop_of(surroundings).press(values["keys"])
    return Outcome("done", "", ("keys.press", values["keys"]))


def _chosen(values: Mapping[str, Any], surroundings: Surroundings) -> Window:
    """The window that was named, else the one with the focus."""
    desktop = desktop_of(surroundings)
    name = values.get("window")
    if name is None:
        active = desktop.active_window()
        if active is None:
            raise ActionError("no window has the focus", fix="click into one, or say which one")
        return active
    wanted = name.casefold()
    windows = desktop.windows()
    for is_it in (
        lambda window: window.application.casefold() == wanted,
        lambda window: wanted in window.application.casefold(),
        lambda window: wanted in window.title.casefold(),
    ):
        if found := [window for window in windows if is_it(window)]:
            return found[0]
    raise ActionError(f"no window is called {name!r}", fix="say what stands in its title")


def _window(verb: str, act: Callable[[Desktop, Window], None]) -> Perform:
    def perform(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
        window = _chosen(values, surroundings)
        act(desktop_of(surroundings), window)
        return Outcome("done", "", (f"window.{verb}", window.identity, _tame(window.title)))

    return perform


def _list(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    titles = [_tame(window.title or window.application) for window in desktop_of(surroundings).windows()]
    return Outcome("done", "\n".join(titles) or said("no windows", surroundings), ("window.list",))


def _tame(text: str) -> str:
    """Titles come from programs and web pages."""
    return "".join(character for character in text if not unfit(character))[:_MAX_SHOWN]


def _read_clipboard(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    text = " ".join(desktop_of(surroundings).read_clipboard().split())
    return Outcome("done", _tame(text) or said("clipboard is empty", surroundings), ("clipboard.read",))


def _write_clipboard(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    desktop = desktop_of(surroundings)
    before = desktop.read_clipboard()
    desktop.write_clipboard(values["text"])

    def undo() -> str:  # what was on the clipboard is nobody's business: it is kept in memory alone
        desktop.write_clipboard(before)
        return "The clipboard is as it was."

    return Outcome("done", "Copied.", ("clipboard.write", values["text"]), undo)


def _screenshot(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    folder: Path = values["folder"]
    desktop = desktop_of(surroundings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ActionError(f"{folder} cannot be made: {error.strerror}") from error
    path = folder / f"Screenshot {datetime.now():%Y-%m-%d %H-%M-%S.%f}.png"
    made = desktop.screenshot(path)
    state = made.stat()
    undo = Reversal(_DISCARD, {"file": made, "state": f"{state.st_size} {state.st_mtime_ns}"}, surroundings)
    return Outcome("done", f"The picture is {made.name}.", ("screenshot.take", str(made)), undo)


def _discard(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    path: Path = values["file"]
    try:
        state = path.stat()
        if f"{state.st_size} {state.st_mtime_ns}" != values["state"]:
            raise ActionError(f"{path} was changed since", fix="remove it yourself, if you want to")
        path.unlink()
    except OSError as error:
        raise ActionError(f"{path} cannot be removed: {error.strerror}") from error
    return Outcome("done", "The picture is removed.", ("screenshot.discard", str(path)))


_WHICH = {"window": Parameter(Text(200), "part of its title; the active one when not said", is_spoken=True)}
_DISCARD = FunctionAction(
    "screenshot.discard",
    "remove a picture that nobody has touched",
    _discard,
    {
        "file": Parameter(FilePath(), "where it is", is_required=True),
        "state": Parameter(Text(), "how it was", is_required=True),
    },
    risk=Risk.CONFIRM,
    is_destructive=True,
)

ACTIONS = (
    FunctionAction(
        "text.type",
        "type a text into the focused window; never the Enter key",
        _type,
        {"text": Parameter(Text(), "the text", is_required=True, is_spoken=True)},
    ),
    FunctionAction(
        "keys.press",
        "press keys",
        _press,
        {"keys": Parameter(Keys(), "such as ctrl+shift+t", is_required=True, is_spoken=True)},
        risk=Risk.CONFIRM,
    ),
    FunctionAction(
        "window.close",
        "ask a window to close",
        _window("close", lambda desktop, window: desktop.close(window)),
        _WHICH,
        risk=Risk.CONFIRM,
    ),
    FunctionAction(
        "window.activate",
        "bring a window to the front",
        _window("activate", lambda desktop, window: desktop.activate(window)),
        _WHICH,
    ),
    FunctionAction(
        "window.maximise",
        "let a window fill the screen",
        _window("maximise", lambda desktop, window: desktop.maximise(window)),
        _WHICH,
    ),
    FunctionAction(
        "window.minimise",
        "put a window out of sight",
        _window("minimise", lambda desktop, window: desktop.minimise(window)),
        _WHICH,
    ),
    FunctionAction("window.list", "tell which windows are open", _list),
    FunctionAction("clipboard.read", "tell what is on the clipboard", _read_clipboard),
    FunctionAction(
        "clipboard.write",
        "put a text on the clipboard",
        _write_clipboard,
        {"text": Parameter(Text(), "the text", is_required=True, is_spoken=True)},
    ),
    FunctionAction(
        "screenshot.take",
        "take a picture of the screen",
        _screenshot,
        {"folder": Parameter(FilePath(), "where pictures go", is_required=True)},
    ),
    _DISCARD,
)
