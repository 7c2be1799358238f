"""One utterance, read: which of its words are text, and which are marks and commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from earshot.assistant.dictation_words import (
    Attachment,
    DictationWords,
    Phrase,
    attachment,
    longest,
    plain,
)
from earshot.text.casing import cased

PAUSES = ".,;:?!…"
"""Marks by which recognizers show that the speaker paused."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be written, not empty.

    is_exact: its capitals are meant, as in spelled words. is_mark_named: the mark at its end was said.
    """

    text: str
    is_exact: bool = False
    is_mark_named: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be done; names as in ``dictation.toml``."""

    name: str


Part: TypeAlias = Text | Command


class Utterance:
    """What was said in one breath, as recognized: words with the recognizer's own marks at them."""

    def __init__(self, text: str, words: DictationWords, language: str) -> None:
        self._tokens = text.split()
        self._plain = [plain(token) for token in self._tokens]
        self._words = words
        self._language = language

    def parts(self) -> list[Part]:
        """Text and commands, in order; neighbouring texts are one."""
        if (name := self._words.alone.get(tuple(self._plain))) is not None:
            return [Command(name)]
        if (spelled := self._spelled()) is not None:
            return [Text(spelled, is_exact=True)]
        return list(self._read())

    def _read(self) -> Iterator[Part]:
        line = _Line(attachment(), self._language)
        position = 0
        while position < len(self._tokens):
            position = self._step(position, line)
            if line.command is not None:
                yield from line.taken()
                yield Command(line.command)
                line.command = None
        yield from line.taken()

    def _step(self, position: int, line: _Line) -> int:
        """Read what begins there; returns where the next begins."""
        rest = self._plain[position:]
        if (found := longest(self._words.before, rest)) is not None:
            meaning, size = found
            if meaning == "literal" and (literal := self._any(rest[size:])):
                return self._copy(position + size, literal, line)
            if meaning == "upper" and len(rest) > size:
                return self._copy(position + size, 1, line, str.upper)
        if (found := self._mark(position)) is not None:
            mark, size = found
            line.mark(mark, self._trailing(position + size - 1))
            return position + size
        found = longest(self._words.at_pauses, rest)
        if found is not None and self._is_between_pauses(position, found[1]):
            line.command = found[0]
            return position + found[1]
        return self._copy(position, 1, line)

    def _copy(self, position: int, size: int, line: _Line, change: Callable[[str], str] | None = None) -> int:
        for token in self._tokens[position : position + size]:
            line.word(change(token) if change else token)
        return position + size

    def _mark(self, position: int) -> tuple[str, int] | None:
        rest = self._plain[position:]
        if (found := longest(self._words.marks, rest)) is not None:
            return found
        found = longest(self._words.marks_at_end, rest)
        if found is not None and len(rest) == found[1]:
            return found
        found = found or longest(self._words.marks_at_pauses, rest)
        return found if found is not None and self._is_between_pauses(position, found[1]) else None

    def _any(self, rest: list[str]) -> int:
        """How many words a mark or a command takes there; 0 for none."""
        tables: tuple[Mapping[Phrase, str], ...] = (
            self._words.marks,
            self._words.marks_at_end,
            self._words.marks_at_pauses,
            self._words.alone,
            self._words.at_pauses,
            self._words.before,
        )
        return max((found[1] for table in tables if (found := longest(table, rest))), default=0)

    def _is_between_pauses(self, position: int, size: int) -> bool:
        end = position + size
        is_begun = position == 0 or bool(self._trailing(position - 1))
        is_ended = end == len(self._tokens) or bool(self._trailing(end - 1))
        return is_begun and is_ended

    def _trailing(self, index: int) -> str:
        """The recognizer's marks behind a word."""
        token = self._tokens[index]
        return token[len(token.rstrip(PAUSES)) :]

    def _spelled(self) -> str | None:
        """The letters where the whole utterance spells; None where it does not."""
        found = longest(self._words.before, self._plain)
        if found is None or found[0] != "spell" or found[1] == len(self._tokens):
            return None
        letters = ""
        is_capital = False
        position = found[1]
        while position < len(self._tokens):
            letter, size = self._letter(position)
            if not letter:
                return None
            position += size
            if letter == "capital":
                is_capital = True
                continue
            letters += letter.upper() if is_capital else letter
            is_capital = False
        return letters or None

    def _letter(self, position: int) -> tuple[str, int]:
        rest = self._plain[position:]
        if (found := longest(self._words.letters, rest)) is not None:
            return found
        if (found := longest(self._words.marks, rest)) is not None:
            return found
        token = self._tokens[position].strip(PAUSES).replace(".", "").replace("-", "")
        if len(token) == 1 or (token.isupper() and token.isalpha()) or token.isdecimal():
            return token.lower(), 1  # "ABC" is how letters said quickly are recognized
        return "", 0


class _Line:
    """Text as it grows, with the marks that were named in place of those that the recognizer thought of."""

    def __init__(self, attached: Attachment, language: str) -> None:
        self.command: str | None = None
        self._attached = attached
        self._language = language
        self._text = ""
        self._marked = ""  # the text when a mark was last named
        self._is_sentence_broken = False  # the recognizer began one where the speaker named another mark

    def word(self, token: str) -> None:
        if self._is_sentence_broken and not token.isupper():
            token = cased(token.lower(), "LOWER", self._language)
        self._is_sentence_broken = False
        self._append(token)

    def mark(self, mark: str, own: str) -> None:
        """own: the recognizer's marks behind the mark's name."""
        before = self._text
        if mark not in self._attached.right and self._ends_with_recognized():
            self._text = self._text.rstrip(PAUSES)
        dropped = before[len(self._text) :] + own
        ends = self._attached.ends
        self._append(mark)
        if mark in self._attached.left and mark not in PAUSES and own and set(own) <= ends:
            self._text += own  # He said “hello”.
            return
        self._marked = self._text
        self._is_sentence_broken = mark not in ends and any(character in ends for character in dropped)

    def _ends_with_recognized(self) -> bool:
        """Whether the marks at the end are the recognizer's, not named ones."""
        return self._text != self._marked

    def _append(self, text: str) -> None:
        gap = " " if self._text and self._attached.is_spaced(self._text, text) else ""
        self._text += gap + text

    def taken(self) -> Iterator[Text]:
        """What has come together so far, if anything."""
        if self._text:
            yield Text(self._text, is_mark_named=not self._ends_with_recognized())
        self._text = self._marked = ""
        self._is_sentence_broken = False
