"""A text cut into phrases fit to be read aloud, in the order in which coverage grows fastest."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from earshot.corpora.letters import count_letters, letters_of, usual_alphabet
from earshot.text.sentences import split_text

_CLAUSE: Final = re.compile(r"(?<=[,;:—–])\s+|\s+(?=[—–]\s)")
"""Where a reader takes breath."""

_UNREADABLE: Final = re.compile(r"[\d@#$%&*+=<>\[\]{}|\\/^~_№§©]|https?:|www\.")
"""Nobody can tell afterwards how these were read."""

_QUOTES: Final = str.maketrans("", "", '"“”„«»‹›()')


@dataclass(frozen=True, slots=True)
class PhraseOptions:
    """min_letters, max_letters: of a phrase, normalised. A line of 80 takes about six seconds to read."""

    min_letters: int = 20
    max_letters: int = 80


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a text's letters, pairs of letters and words occur in what was recorded.

    Different ones are counted, in normalised text.
    """

    num_letters: int
    all_letters: int
    num_pairs: int
    all_pairs: int
    num_words: int
    all_words: int

    def __str__(self) -> str:
        return (
            f"letters {self.num_letters} of {self.all_letters}, pairs {self.num_pairs} of {self.all_pairs}, "
            f"words {self.num_words} of {self.all_words}"
        )


def cut_phrases(text: str, options: PhraseOptions | None = None) -> list[str]:
    """The phrases of a text that can be read aloud, in its order, none twice.

    Sentences that are too long are cut where a reader takes breath. Left out is what has digits, symbols or
    letters of another script, and what is too short.
    """
    options = options or PhraseOptions()
    sentences = split_text(text)
    alphabet = usual_alphabet(count_letters(sentences))
    found: dict[str, str] = {}
    for sentence in sentences:
        for phrase in _pieces(sentence, options.max_letters):
            plain = letters_of(phrase)
            is_readable = not _UNREADABLE.search(phrase) and alphabet.issuperset(plain.replace(" ", ""))
            if is_readable and options.min_letters <= len(plain) <= options.max_letters:
                found.setdefault(plain, phrase)
    return list(found.values())


def _pieces(sentence: str, most: int) -> list[str]:
    """Clauses, joined again as long as they fit; a clause that does not fit is cut between words."""
    clauses = [piece for clause in _CLAUSE.split(sentence) for piece in _words(clause, most)]
    joined: list[str] = []
    for clause in clauses:
        if joined and len(joined[-1]) + 1 + len(clause) <= most:
            joined[-1] = f"{joined[-1]} {clause}"
        else:
            joined.append(clause)
    return [tidy for piece in joined if (tidy := _tidy(piece))]


def _words(clause: str, most: int) -> list[str]:
    """A clause in as few pieces as fit, of about one length."""
    if len(clause) <= most:
        return [clause]
    words = clause.split()
    length = len(clause) / math.ceil(len(clause) / most)
    pieces: list[str] = []
    for word in words:
        if pieces and len(pieces[-1]) + 1 + len(word) <= max(length, most * 0.6):
            pieces[-1] = f"{pieces[-1]} {word}"
        else:
            pieces.append(word)
    return pieces


def _tidy(piece: str) -> str:
    return " ".join(piece.translate(_QUOTES).split()).strip(" —–-")


# --- order -------------------------------------------------------------------------------------------------


def units_of(text: str) -> Counter[str]:
    """What a recording teaches: letters, pairs of letters within words, and words (with a space around)."""
    units: Counter[str] = Counter()
    for word in letters_of(text).split():
        units.update(word)
        units.update(word[at : at + 2] for at in range(len(word) - 1))
        units[f" {word} "] += 1
    return units


def order_by_coverage(phrases: Sequence[str], done: Iterable[str] = (), *, most: int = 1_000) -> list[str]:
    """The phrases so ordered that rare letters and words come first and coverage grows fastest.

    done: what was recorded already counts. most: so many are ordered, one or two hours of reading; the rest
    follow as they are. Greedy: next is always what adds most for its length, and a unit adds less each time it
    comes.
    """
    if not phrases:
        return []
    contents = [units_of(phrase) for phrase in phrases]
    total: Counter[str] = Counter()
    for units in contents:
        total.update(units)
    columns = {unit: column for column, unit in enumerate(total)}
    num_units = total.total()
    weights = np.array([_weight(unit, count, num_units) for unit, count in total.items()])
    seen = np.zeros(len(columns))
    for phrase in done:
        for unit, count in units_of(phrase).items():
            if unit in columns:
                seen[columns[unit]] += count
    starts = np.cumsum([0, *map(len, contents)])
    places = np.fromiter((columns[unit] for units in contents for unit in units), np.int64, int(starts[-1]))
    counts = np.fromiter((count for units in contents for count in units.values()), np.float64, len(places))
    owners = np.repeat(np.arange(len(phrases)), np.diff(starts))
    lengths = 15.0 + np.array([len(phrase) for phrase in phrases])  # getting ready takes a second, 15 letters
    is_left = np.ones(len(phrases), bool)
    ordered: list[str] = []
    for _ in range(min(most, len(phrases))):
        worth = (weights / np.square(1 + seen))[places]
        gains = np.where(is_left, np.bincount(owners, worth, len(phrases)) / lengths, -1.0)
        best = int(gains.argmax())
        is_left[best] = False
        ordered.append(phrases[best])
        own = slice(starts[best], starts[best + 1])
        seen[places[own]] += counts[own]
    return ordered + [phrases[index] for index in np.flatnonzero(is_left).tolist()]


def _weight(unit: str, count: int, total: int) -> float:
    """Bits that the unit tells; letters are few and each must be learned, so they weigh most."""
    surprise = math.log2(total / count)
    return surprise * (4.0 if len(unit) == 1 else 1.0 if len(unit) == 2 else 0.5)


def measure_coverage(done: Iterable[str], text: Sequence[str]) -> Coverage:
    """How much of ``text`` (phrases) occurs in ``done``."""
    wanted = set().union(*map(units_of, text)) if text else set[str]()
    seen = set[str]()
    for phrase in done:
        seen.update(units_of(phrase))
    counts = []
    for length in (1, 2, 3):  # a word has spaces around
        of_kind = {unit for unit in wanted if min(len(unit), 3) == length}
        counts += [len(of_kind & seen), len(of_kind)]
    return Coverage(*counts)
