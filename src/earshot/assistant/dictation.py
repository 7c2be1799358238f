"""Dictation: what is recognized, typed into the window that has the focus, with commands in between.

A pure state machine over a ``Paper``: no threads, no clock. What was typed is remembered for the window that
has the focus, and forgotten when another one gets it: nothing is deleted that was not dictated there.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from earshot.assistant.desktop.base import Window
from earshot.assistant.dictation_reading import PAUSES, Command, Text, Utterance
from earshot.assistant.dictation_words import attachment, dictation_words
from earshot.assistant.graphemes import graphemes
from earshot.core.errors import ActionError
from earshot.text.casing import cased, raised
from earshot.text.clean import clean_text

_TAIL = 50
"""Characters of the text before that may matter: only its end does."""

EditKind: TypeAlias = Literal["typed", "deleted", "pressed", "refused", "switched"]


class Paper(Protocol):
    """Where dictated text goes: every ``Desktop`` is one."""

    def type_text(self, text: str) -> None:
        """See ``Desktop``."""
        ...

    def press(self, keys: str, times: int = 1) -> None:
        """See ``Desktop``."""
        ...

    def active_window(self) -> Window | None:
        """See ``Desktop``. Raises ActionError where it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that was done.

    kind: text was typed, text was deleted, keys were pressed, a command was refused, a mode was switched.
    text: what was typed or deleted, the keys, why it was refused, or the command's name.
    """

    kind: EditKind
    text: str


@dataclass(slots=True)
class _Unit:
    """What an utterance has typed. has_own_mark: the recognizer's mark is at its end, not one that was said."""

    text: str
    has_own_mark: bool = False


class Dictation:
    """Types utterances, with spaces and capitals between them as one would write.

    language: ISO 639-1; of the commands, see ``dictation.toml``. Where it has none, all is text.
    is_over: "stop dictation" was said.
    """

    def __init__(self, paper: Paper, language: str | None = None) -> None:
        self.is_over = False
        self._paper = paper
        self._language = (language or "en").replace("_", "-").split("-")[0].lower()
        self._words = dictation_words(self._language)
        self._window: str | None = None
        self._is_window_known = False
        self._before = ""
        self._units: list[_Unit] = []  # newest last
        self._is_begun = False  # whether the newest of them is of the utterance that is being read
        self._is_selected = False
        self._case: Literal["", "capitals", "upper"] = ""

    def accept(self, text: str) -> list[Edit]:
        """Do what one utterance says: type it, or obey. Returns what was done, in order.

        Raises ActionError where the paper does.
        """
        utterance = Utterance(unicodedata.normalize("NFC", clean_text(text)), self._words, self._language)
        parts = utterance.parts()
        if not parts:
            return []
        if not self._look():
            return [Edit("refused", "no window has the focus")]
        self._is_begun = False
        return [edit for part in parts for edit in self._do(part)]

    def _look(self) -> bool:
        """Forget what was typed where another window has the focus now. False where none has it."""
        try:
            window = self._paper.active_window()
        except ActionError:
            self._is_window_known = False
            return True
        if window is None:
            self._forget()
            self._window = None
            return False
        if not self._is_window_known or window.identity != self._window:
            self._forget()
        self._window, self._is_window_known = window.identity, True
        return True

    def _forget(self) -> None:
        self._before = ""
        self._units.clear()
        self._is_selected = False

    def _do(self, part: Text | Command) -> list[Edit]:
        if isinstance(part, Text):
            return self._write(part)
        match part.name:
            case "line":
                return [self._type("\n")]
            case "paragraph":
                return [self._type("\n\n")]
            case "scratch":
                return [self._scratch()]
            case "select":
                return [self._select()]
            case "undo":
                self._units.clear()  # what the program takes back is its own affair
                self._is_selected = False
                return [self._press("ctrl+z")]
            case "stop":
                self.is_over = True
            case "capitals_on":
                self._case = "capitals"
            case "upper_on":
                self._case = "upper"
            case "capitals_off":
                self._case = ""
        return [Edit("switched", part.name)]

    # --- text ---

    def _write(self, part: Text) -> list[Edit]:
        edits = []
        if part.text[0] in PAUSES and self._is_safe() and self._units[-1].has_own_mark:
            edits.append(self._erase_mark())  # "How are you." "Question mark."
        if self._is_selected:
            self._drop_selected()
        text = part.text if part.is_exact else self._cased(part.text)
        gap = " " if self._before and attachment().is_spaced(self._before, text) else ""
        edits.append(self._type(gap + text))
        self._units[-1].has_own_mark = text[-1] in PAUSES and not part.is_mark_named
        return edits

    def _cased(self, text: str) -> str:
        """With capitals as the place wants it."""
        if self._case == "upper":
            return text.upper()
        if self._case == "capitals":
            return " ".join(raised(word) for word in text.split(" "))
        first, space, rest = text.partition(" ")
        context = self._before.rstrip(" ”»)\"'")
        if not context:
            return text
        if context[-1] == "\n" or context[-1] in attachment().ends:
            return raised(first) + space + rest
        if first[:1].isupper() and first[1:] == first[1:].lower():  # the recognizer begins all with a capital
            return cased(first.lower(), "LOWER", self._language) + space + rest
        return text

    def _type(self, text: str) -> Edit:
        if self._is_selected:
            self._drop_selected()
        self._paper.type_text(text)
        if self._is_begun and self._units:
            self._units[-1] = _Unit(self._units[-1].text + text)
        else:
            self._units.append(_Unit(text))
            self._is_begun = True
        self._before = (self._before + text)[-_TAIL:]
        return Edit("typed", text)

    # --- taking back ---

    def _is_safe(self) -> bool:
        """Whether what was typed last is known to be before the cursor."""
        return self._is_window_known and bool(self._units) and not self._is_selected

    def _scratch(self) -> Edit:
        if refusal := self._refusal():
            return refusal
        if self._is_selected:
            self._press("backspace")
            return Edit("deleted", self._drop_selected())
        text = self._units[-1].text
        self._paper.press("backspace", len(graphemes(text)))
        self._units.pop()
        self._shorten(text)
        self._is_begun = False
        return Edit("deleted", text)

    def _select(self) -> Edit:
        if refusal := self._refusal():
            return refusal
        if not self._is_selected and (text := self._units[-1].text.lstrip()):
            self._paper.press("shift+left", len(graphemes(text)))
            self._is_selected = True
        return Edit("pressed", "shift+left")

    def _refusal(self) -> Edit | None:
        if not self._is_window_known:
            return Edit("refused", "this desktop does not tell which window has the focus")
        if not self._units:
            return Edit("refused", "nothing was dictated into this window")
        return None

    def _drop_selected(self) -> str:
        """What is selected goes when something is typed over it; the space before it stays."""
        unit = self._units.pop().text
        text = unit.lstrip()
        self._shorten(text)
        if gap := unit[: len(unit) - len(text)]:
            self._units.append(_Unit((self._units.pop().text if self._units else "") + gap))
        self._is_selected = self._is_begun = False
        return text

    def _erase_mark(self) -> Edit:
        text = self._units.pop().text
        self._paper.press("backspace")
        self._shorten(mark := text[-1])
        if text != mark:
            self._units.append(_Unit(text[:-1]))
        return Edit("deleted", mark)

    def _shorten(self, text: str) -> None:
        self._before = self._before.removesuffix(text[-_TAIL:])
        if self._units and not self._before:
            self._before = self._units[-1].text[-_TAIL:]

    def _press(self, keys: str) -> Edit:
        self._paper.press(keys)
        return Edit("pressed", keys)
