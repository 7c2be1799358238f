"""Books as bare words with the marks and capitals that they had: what the punctuation nets learn from.

Plain-text books of Project Gutenberg (English) and of Russian libraries: heading lines part the
chapters, blank lines (English) or line ends (Russian) the paragraphs. The last tenth of every book's chapters
is never trained on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earshot.text.punctuation_model import CASES, LABELS

BOOKS = {
    "en": (
        "crime_and_punishment",
        "great_expectations",
        "sherlock_holmes",
        "the_war_of_the_worlds",
        "three_men_in_a_boat",
    ),
    "ru": ("dama_s_sobachkoj", "mertvye_dushi", "prestuplenie_i_nakazanie"),
}
_ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "messrs": None, "esq": None}

_WORD = re.compile(r"\w+(?:['’.,\-‐:/]\w+)*(?:['’](?=\w))?")
_ROMAN = r"(?:[IVXLХ]+|\d+)"
_ENGLISH_HEADING = re.compile(
    rf"(?:CHAPTER|PART|BOOK|EPILOGUE|ADVENTURE)\b[^a-z]*|Chapter [IVXLC]+\.?|{_ROMAN}\.?(?:\s[^a-z]+)?"
)
_RUSSIAN_HEADING = re.compile(rf"(?:ГЛАВА|ТОМ|ЧАСТЬ|Глава|Часть|Том|Эпилог)\b.{{0,40}}|{_ROMAN}\.?")


@dataclass(frozen=True)
class LabelledWord:
    """text: bare, lower case. label, case: indices in LABELS and CASES. starts: first of a sentence."""

    text: str
    label: int
    case: int
    starts: bool


@dataclass(frozen=True)
class Book:
    """Its chapters, each one stream of words, apart into those to learn from and those held out."""

    name: str
    training: list[list[LabelledWord]]
    held_out: list[list[LabelledWord]]


def read_books(folder: Path, language: str) -> list[Book]:
    """All books of a language. Raises OSError when one is missing."""
    return [read_book(folder / f"{name}.{language}.txt", language) for name in BOOKS[language]]


def read_book(path: Path, language: str) -> Book:
    """One book, its last tenth of chapters (at least one) held out."""
    text = path.read_text(encoding="utf-8-sig").replace("\r", "")
    chapters = [
        words for paragraphs in _chapters(text, language) if len(words := list(_words(paragraphs))) > 300
    ]
    num_held_out = max(1, round(len(chapters) / 10))
    return Book(path.name, chapters[:-num_held_out], chapters[-num_held_out:])


def labelled(text: str) -> list[LabelledWord]:
    """The words of one piece of punctuated text."""
    return list(_words([text]))


def _chapters(text: str, language: str) -> Iterator[list[str]]:
    is_heading = (_ENGLISH_HEADING if language == "en" else _RUSSIAN_HEADING).fullmatch
    text = re.split(r"\n\s*(?:\*\*\* ?END OF|End of (?:the )?Project Gutenberg)", text)[0]
    blocks = re.split(r"\n\s*\n", text) if language == "en" else text.split("\n")
    paragraphs: list[str] = []
    for block in blocks:
        paragraph = re.sub(r"\[[^\]]*\]|\{[^}]*\}|_", "", " ".join(block.split()))
        if is_heading(paragraph):
            yield paragraphs
            paragraphs = []
        elif _is_prose(paragraph):
            paragraphs.append(paragraph)
    yield paragraphs


def _is_prose(paragraph: str) -> bool:
    """No capitals-only headings, no tables of contents ("Three invalids.—Sufferings of George…")."""
    return any(c.islower() for c in paragraph) and paragraph.count(".—") < 3 and paragraph[-1:] not in ",—-"


def _words(paragraphs: list[str]) -> Iterator[LabelledWord]:
    for paragraph in paragraphs:
        matches = list(_WORD.finditer(paragraph))
        starts = True
        for index, match in enumerate(matches):
            following = matches[index + 1].start() if index + 1 < len(matches) else len(paragraph)
            gap = paragraph[match.end() : following]
            is_last = index + 1 == len(matches)
            after = "" if is_last else matches[index + 1][0]
            written = match[0].replace("’", "'")
            label = _label(written, gap, after)
            yield LabelledWord(written.lower(), LABELS.index(label), _case(written), starts)
            starts = label in ("PERIOD", "QUESTION", "EXCLAMATION") or bool(re.search('[“"«]', gap)) or is_last


def _case(written: str) -> int:
    letters = [c for c in written if c.isalpha()]
    if not letters or not letters[0].isupper():
        return CASES.index("LOWER")
    is_upper = len(letters) > 1 and all(c.isupper() for c in letters)
    return CASES.index("UPPER" if is_upper else "CAPITAL")


def _label(word: str, gap: str, after: str) -> str:
    if "?" in gap:
        return "QUESTION"
    if "!" in gap:
        return "EXCLAMATION"
    if "…" in gap or re.search(r"\.\s?\.", gap):  # a pause unless a sentence begins behind it
        return "PERIOD" if not after or after[0].isupper() else "COMMA"
    if "." in gap and not (
        word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isupper() and word != "I")
    ):
        return "PERIOD"
    for mark, label in ((";", "SEMICOLON"), (":", "COLON"), (",", "COMMA"), ("(", "COMMA"), (")", "COMMA")):
        if mark in gap:
            return label
    if "—" in gap or "–" in gap or re.search(r"--|\s-\s", gap):
        return "DASH" if after else "PERIOD"
    return "NONE" if after else "PERIOD"


def as_heard(words: list[LabelledWord], coin: Iterator[bool]) -> Iterator[LabelledWord]:
    """Hyphens and titles as recognizers write them, by the toss of a coin: "home centred", "mister"."""
    for word in words:
        spoken = _ABBREVIATIONS.get(word.text)
        if spoken and next(coin):
            yield LabelledWord(spoken, word.label, word.case, word.starts)
        elif "-" in word.text and next(coin):
            *parts, last = word.text.split("-")
            for index, part in enumerate(parts):
                yield LabelledWord(part, 0, word.case if index == 0 else 0, word.starts and index == 0)
            yield LabelledWord(last, word.label, 0, False)
        else:
            yield word
