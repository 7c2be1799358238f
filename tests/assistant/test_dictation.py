"""Utterances as recognizers write them, dictated: what stands on the paper afterwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.assistant.desktop.base import Window
from earshot.assistant.dictation import Dictation
from earshot.assistant.graphemes import graphemes
from earshot.core.errors import ActionError


class Editor:
    """Windows that understand the keys of dictation, as editors do: BackSpace, Shift+Left, Ctrl+Z."""

    def __init__(self) -> None:
        self.window = "1"
        self.texts: dict[str, list[str]] = {}
        self.selected = 0
        self.undone = 0

    @property
    def text(self) -> str:
        return "".join(self.texts.get(self.window, []))

    def type_text(self, text: str) -> None:
        self._take_selected()
        self.texts.setdefault(self.window, []).extend(graphemes(text))

    def press(self, keys: str, times: int = 1) -> None:
        for _ in range(times):
            if keys == "backspace":
                self._take_selected() or self.texts[self.window].pop()
            elif keys == "shift+left":
                self.selected += 1
            else:
                assert keys == "ctrl+z"
                self.undone += 1

    def _take_selected(self) -> int:
        taken, self.selected = self.selected, 0
        if taken:
            del self.texts[self.window][-taken:]
        return taken

    def active_window(self) -> Window | None:
        return Window(self.window) if self.window else None


def written(*utterances: str, language: str = "en") -> str:
    editor = Editor()
    dictation = Dictation(editor, language)
    for utterance in utterances:
        dictation.accept(utterance)
    return editor.text


@pytest.mark.parametrize(
    ("utterances", "expected"),
    [
        (["Hello there.", "How are you?"], "Hello there. How are you?"),
        (["Dear John comma how are you question mark"], "Dear John, how are you?"),
        (["Dear John, comma. How are you? Question mark."], "Dear John, how are you?"),
        (["I came comma", "I saw full stop", "then we left."], "I came, I saw. Then we left."),
        (["Dear John, comma", "Thank you for the letter."], "Dear John, thank you for the letter."),
        (["How are you.", "Question mark."], "How are you?"),
        (["How are you.", "Wrong.", "Scratch that.", "Question mark."], "How are you?"),
        (["He said, open quote, hello, close quote."], "He said, “hello”."),
        (["an open bracket very close bracket long day"], "an (very) long day"),
        (["Well hyphen known"], "Well-known"),
        (["One thing em dash another"], "One thing — another"),
        (["so far like the present period,"], "so far like the present period,"),
        (["This is the end, period."], "This is the end."),
        (["This is the end", "Period."], "This is the end."),
        (["Over a long period of time."], "Over a long period of time."),
        (["Dear John.", "New line.", "How are you?"], "Dear John.\nHow are you?"),
        (["Dear John. New paragraph. How are you?"], "Dear John.\n\nHow are you?"),
        (["We start a new line of products."], "We start a new line of products."),
        (["We start a new line."], "We start a new line."),
        (["literal comma is a word"], "comma is a word"),
        (["The literal question mark is a sign"], "The question mark is a sign"),
        (["Send it to all caps nasa please."], "Send it to NASA please."),
        (["Caps on.", "the old man and the sea", "Caps off.", "is short."],
         "The Old Man And The Sea is short."),
        (["All caps on.", "stop", "All caps off.", "it."], "STOP it."),
        (["My name is", "Spell a b c."], "My name is abc"),
        (["Spell capital alpha bravo charlie."], "Abc"),
        (["Spell ABC."], "abc"),
        (["Spell x-ray 4 hyphen two."], "x4-2"),
        (["Spell it out for me."], "Spell it out for me."),
        (["Hello.", "Scratch that."], ""),
        (["One.", "Two.", "Scratch that.", "Three."], "One. Three."),
        (["One.", "Two.", "Scratch that.", "Scratch that.", "Scratch that."], ""),
        (["One.", "Two, scratch that, three."], "One. Three."),
        (["Then scratch that surface."], "Then scratch that surface."),
        (["One.", "New line.", "Scratch that.", "Two."], "One. Two."),
        (["One.", "Two.", "Select that.", "Three."], "One. Three."),
        (["One.", "Two.", "Select that.", "Scratch that.", "Three."], "One. Three."),
        (["see www.example.org", "I'm here"], "see www.example.org I'm here"),
        (["Hello\x1b[2Jworld\nnext"], "Hello[2Jworld next"),
        (["", "  ", "Hello."], "Hello."),
    ],
)  # fmt: skip
def test_english(utterances: list[str], expected: str) -> None:
    assert written(*utterances) == expected


@pytest.mark.parametrize(
    ("utterances", "expected"),
    [
        (["Привет запятая как дела вопросительный знак"], "Привет, как дела?"),
        (["Это моя точка зрения точка"], "Это моя точка зрения."),
        (["Он сказал двоеточие открыть кавычки да закрыть кавычки"], "Он сказал: «да»"),
        (["Здравствуй.", "С новой строки.", "пишу тебе."], "Здравствуй.\nПишу тебе."),
        (["Лишнее слово здесь.", "Сотри это.", "Нужное."], "Нужное."),
        (["По буквам анна борис василий"], "абв"),
        (["буквально запятая"], "запятая"),
        (["заглавными буквами снг"], "СНГ"),
        (["ёжик и йод"], "ёжик и йод"),
    ],
)
def test_russian(utterances: list[str], expected: str) -> None:
    assert written(*utterances, language="ru") == expected


def test_a_language_without_a_table_is_all_text() -> None:
    assert written("Neue Zeile.", "Komma.", language="de") == "Neue Zeile. Komma."


def test_nothing_is_deleted_in_another_window() -> None:
    editor = Editor()
    dictation = Dictation(editor, "en")
    dictation.accept("Dictated here.")
    editor.texts["2"] = list("Precious.")
    editor.window = "2"
    assert [edit.kind for edit in dictation.accept("Scratch that.")] == ["refused"]
    assert [edit.kind for edit in dictation.accept("Select that.")] == ["refused"]
    dictation.accept("Question mark.")  # no mark of ours to be replaced
    assert editor.text == "Precious.?"
    editor.window = "1"
    assert [edit.kind for edit in dictation.accept("Scratch that.")] == ["refused"]
    assert editor.text == "Dictated here."


def test_nothing_is_typed_where_no_window_has_the_focus() -> None:
    editor = Editor()
    editor.window = ""
    assert [edit.kind for edit in Dictation(editor).accept("Hello.")] == ["refused"]
    assert not editor.texts


class Blind(Editor):
    """A desktop that does not tell which window has the focus."""

    def active_window(self) -> Window | None:
        raise ActionError("this compositor does not tell")


def test_a_desktop_that_tells_no_focus_gets_text_and_loses_none() -> None:
    editor = Blind()
    dictation = Dictation(editor)
    dictation.accept("One.")
    dictation.accept("Two.")
    assert [edit.kind for edit in dictation.accept("Scratch that.")] == ["refused"]
    assert editor.text == "One. Two."


def test_undo_is_the_programs_own_and_the_end_is_told() -> None:
    editor = Editor()
    dictation = Dictation(editor)
    dictation.accept("One.")
    dictation.accept("Undo that.")
    assert editor.undone == 1
    assert [edit.kind for edit in dictation.accept("Scratch that.")] == ["refused"]
    assert not dictation.is_over
    dictation.accept("Stop dictation.")
    assert dictation.is_over
    assert editor.text == "One."


@pytest.mark.parametrize(
    ("text", "number"),
    [("naïve", 5), ("e\u0301", 1), ("ёй", 2), ("👍🏽", 1), ("👩\u200d🚀x", 2), ("🇺🇦🇫🇷", 2), ("❤\ufe0f", 1),
     ("a\n\nb", 4), ("", 0)],
)  # fmt: skip
def test_graphemes(text: str, number: int) -> None:
    found = graphemes(text)
    assert len(found) == number
    assert "".join(found) == text


PIECES = ["Hello.", "comma", "new line", "Scratch that.", "open quote", "Two, scratch that, three.",
          "select that", "spell a b c", "all caps", "literal", "Caps on.", "ё👍🏽",
          "question mark"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_scratching_all_leaves_what_was_there(said: list[str]) -> None:
    """Whatever was said before, "scratch that" deletes what was dictated and no character more."""
    editor = Editor()
    editor.texts["1"] = list("It was there before. ")
    dictation = Dictation(editor, "en")
    for utterance in said:
        dictation.accept(utterance)
    for _ in said:
        dictation.accept("Scratch that.")
        dictation.accept("Scratch that.")
    assert editor.text.rstrip() == "It was there before."
