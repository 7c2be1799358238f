"""What ``earshot dictate`` writes on where it does not type: clipboard, standard output, a list of keys."""

from __future__ import annotations

from collections.abc import Callable

from earshot.assistant.desktop.base import Desktop, Window
from earshot.assistant.graphemes import graphemes
from earshot.core.errors import ActionError

_PAPER = Window("paper", "what is dictated")


class TextPaper:
    """Text in memory that understands the keys of dictation. Nothing before ``num_fixed`` is ever changed."""

    def __init__(self) -> None:
        self.num_fixed = 0
        self._characters: list[str] = []
        self._num_selected = 0
        self._earlier: list[list[str]] = []

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._characters)

    def active_window(self) -> Window:
        """Always the same."""
        return _PAPER

    def type_text(self, text: str) -> None:
        """At the end, in place of what is selected."""
        self._earlier.append(list(self._characters))
        self._delete(self._num_selected)
        self._characters += graphemes(text)

    def press(self, keys: str, times: int = 1) -> None:
        """Those that dictation presses. Raises ActionError where they would change what is fixed."""
        match keys:
            case "shift+left":
                self._num_selected += times
            case "backspace":
                self._earlier.append(list(self._characters))
                self._delete(self._num_selected or times)
            case "ctrl+z" if self._earlier:
                self._num_selected = 0
                self._characters = self._earlier.pop()

    def _delete(self, count: int) -> None:
        if count > len(self._characters) - self.num_fixed:
            self._num_selected = 0
            raise ActionError(
                "that text is printed already", fix="use --into clipboard to be able to take it back"
            )
        self._num_selected = 0
        if count:
            del self._characters[-count:]


class Printed(TextPaper):
    """Printed one utterance late, so that the last one can still be taken back."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self._settled = 0

    def settle(self) -> None:
        """An utterance has been done: print what was there before it."""
        self._print(min(self._settled, len(self._characters)))
        self._settled = len(self._characters)

    def finish(self) -> None:
        """Print the rest, and end the line."""
        self._print(len(self._characters))
        if self._characters and self._characters[-1] != "\n":
            self._write("\n")

    def _print(self, end: int) -> None:
        if end > self.num_fixed:
            self._write("".join(self._characters[self.num_fixed : end]))
            self.num_fixed = end
            self._earlier.clear()


class Copied(TextPaper):
    """The clipboard holds all that was dictated so far."""

    def __init__(self, desktop: Desktop) -> None:
        super().__init__()
        self._desktop = desktop

    def settle(self) -> None:
        """An utterance has been done."""
        self._desktop.write_clipboard(self.text)

    def finish(self) -> None:
        """Nothing is left to do."""


class Typed:
    """The window that has the focus; or only told what would be typed there."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    def active_window(self) -> Window | None:
        """See ``Desktop``."""
        return self._desktop.active_window()

    def type_text(self, text: str) -> None:
        """See ``Desktop``."""
        self._desktop.type_text(text)

    def press(self, keys: str, times: int = 1) -> None:
        """See ``Desktop``."""
        self._desktop.press(keys, times)

    def settle(self) -> None:
        """Nothing is left to do."""

    def finish(self) -> None:
        """Nothing is left to do."""


class Told:
    """Tells what would be typed, one line each."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def active_window(self) -> Window:
        """Always the same."""
        return _PAPER

    def type_text(self, text: str) -> None:
        """Tell the text."""
        self._write(f"type   {text!r}\n")

    def press(self, keys: str, times: int = 1) -> None:
        """Tell the keys."""
        self._write(f"press  {keys}{f' ×{times}' if times > 1 else ''}\n")

    def settle(self) -> None:
        """Nothing is left to do."""

    def finish(self) -> None:
        """Nothing is left to do."""
