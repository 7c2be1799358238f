"""Language models as ARPA files: the text format that all toolkits share, packed with gzip or not.

Behind a head of counts, one line an n-gram: log10 of its probability, its words and, but for the longest, log10
of the weight of backing off from it.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from earshot.core.errors import ModelError
from earshot.core.files import atomic_binary, open_packed
from earshot.decoding.ngram_model import (
    END,
    IMPOSSIBLE,
    MAX_ORDER,
    SPECIAL_WORDS,
    START,
    NgramModel,
    Nodes,
    Table,
)

MAX_LINE = 10_000
"""Bytes; no n-gram is longer."""

MAX_NGRAMS = 2**31 - 1
_COUNT = re.compile(r"ngram\s+([0-9]{1,3})\s*=\s*([0-9]{1,12})$")
_FIX = "train the model again, or get another copy of the file"


def write_arpa(model: NgramModel, path: Path | str) -> None:
    """Write an ARPA file, packed where the name ends in ``.gz``. Raises OutputError when that fails."""
    path = Path(path)
    with atomic_binary(path) as file:
        if path.name.endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                _write(model, io.BufferedWriter(packed))
        else:
            _write(model, file)


def _write(model: NgramModel, file: BinaryIO) -> None:
    counts = "".join(f"ngram {order}={count}\n" for order, count in enumerate(model.num_ngrams, start=1))
    file.write(f"\\data\\\n{counts}".encode())
    contexts: list[str] = [""]
    first_context = 0
    for order, (start, end) in enumerate(zip(model.starts, model.starts[1:], strict=False), start=1):
        file.write(f"\n\\{order}-grams:\n".encode())
        parents, words = model.parts(np.arange(start, end))
        spelled = [
            f"{contexts[parent]}{model.words[word]}"
            for parent, word in zip((parents - first_context).tolist(), words.tolist(), strict=True)
        ]
        probs = model.log10_probs[start:end].tolist()
        backoffs = model.log10_backoffs[start:end].tolist()
        is_longest = order == model.order
        for prob, text, backoff in zip(probs, spelled, backoffs, strict=True):
            tail = "" if is_longest else f"\t{backoff:.7g}"
            file.write(f"{prob:.7g}\t{text}{tail}\n".encode())
        contexts = [] if is_longest else [f"{text} " for text in spelled]
        first_context = start
    file.write(b"\n\\end\\\n")
    file.flush()


def read_arpa(path: Path | str) -> NgramModel:
    """The model of an ARPA file of any toolkit; packed files are known by their first bytes.

    A model without ``<unk>`` gets one that is next to impossible. Raises ModelError, which names the line, when
    the file cannot be read or is damaged.
    """
    path = Path(path)
    try:
        with open_packed(path) as file:
            return _Reader(path, file).model()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ModelError(f"{path} is damaged: {error}", fix=_FIX) from error
    except OSError as error:
        raise ModelError(
            f"the language model {path} cannot be read: {error.strerror or error}",
            fix="check the name of the file",
        ) from error


@dataclass(slots=True)
class _Section:
    """What was read of one order. words: order numbers an n-gram, joined. first_line: that of the first."""

    first_line: int
    words: array[int] = field(default_factory=lambda: array("i"))
    probs: array[float] = field(default_factory=lambda: array("f"))
    backoffs: array[float] = field(default_factory=lambda: array("f"))


class _Reader:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._line = 0
        self._lines = self._decoded(file)
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []

    def model(self) -> NgramModel:
        counts = self._header()
        sections = [
            self._section(order, count, is_longest=order == len(counts))
            for order, count in enumerate(counts, start=1)
        ]
        if self._next_filled() != "\\end\\":
            self._fail("\\end\\ should stand here")
        order = self._ordered_words()
        tables = [self._unigrams(sections[0], order)]
        for length, section in enumerate(sections[1:], start=2):
            tables.append(self._table(section, length, order, tables))
        return NgramModel.from_tables([*SPECIAL_WORDS, *self._plain_words()], tables)

    def _fail(self, message: str, line: int | None = None) -> NoReturn:
        raise ModelError(f"{self._path}, line {self._line if line is None else line}: {message}", fix=_FIX)

    # --- Lines ---

    def _decoded(self, file: BinaryIO) -> Iterator[str]:
        while data := file.readline(MAX_LINE + 1):
            self._line += 1
            if len(data) > MAX_LINE:
                self._fail(f"a line of more than {MAX_LINE:,} bytes")
            try:
                yield data.decode()
            except UnicodeDecodeError:
                self._fail("this is no UTF-8 text")

    def _next_filled(self) -> str:
        for line in self._lines:
            if line.strip():
                return line.strip()
        return self._fail("the file ends too early", self._line + 1)

    def _header(self) -> list[int]:
        """How many n-grams of each order are to come."""
        while self._next_filled() != "\\data\\":
            pass
        counts: list[int] = []
        while (text := self._next_filled()) != "\\1-grams:":
            match = _COUNT.match(text)
            if match is None:
                self._fail(f"'ngram ORDER=COUNT' should stand here, not {text[:40]!r}")
            if int(match[1]) != len(counts) + 1 or int(match[1]) > MAX_ORDER:
                self._fail(f"orders count up from 1, to {MAX_ORDER} at most, not {match[1]}")
            if not 0 < int(match[2]) <= MAX_NGRAMS:
                self._fail(f"there are 1 to {MAX_NGRAMS:,} n-grams of an order, not {match[2]}")
            counts.append(int(match[2]))
        if not counts:
            self._fail("no counts of n-grams stand before them")
        return counts

    # --- N-grams ---

    def _section(self, order: int, count: int, *, is_longest: bool) -> _Section:
        title = f"\\{order}-grams:"
        if order > 1 and self._next_filled() != title:
            self._fail(f"{title} should stand here: {count:,} n-grams of order {order - 1} were announced")
        section = _Section(self._line + 1)
        for line in self._lines:
            parts = line.split()
            if not parts:
                if len(section.probs) == 0:
                    section.first_line += 1
                    continue
                break
            if len(section.probs) == count:
                self._fail(f"{count:,} n-grams of order {order} were announced, and here is one more")
            self._ngram(section, parts, order, is_longest=is_longest)
        if len(section.probs) != count:
            self._fail(f"{count:,} n-grams of order {order} were announced, {len(section.probs):,} are there")
        return section

    def _ngram(self, section: _Section, parts: list[str], order: int, *, is_longest: bool) -> None:
        if len(parts) not in ((order + 1,) if is_longest else (order + 1, order + 2)):
            self._fail(f"a probability and {order} words should stand here, not {len(parts)} entries")
        section.probs.append(self._number(parts[0], is_prob=True))
        section.backoffs.append(self._number(parts[-1]) if len(parts) == order + 2 else 0.0)
        for word in parts[1 : order + 1]:
            number = self._numbers.get(word)
            if number is None:
                if order > 1:
                    self._fail(f"the word {word[:40]!r} is not among the unigrams")
                number = self._numbers[word] = len(self._words)
                self._words.append(word)
            elif order == 1:
                self._fail(f"the word {word[:40]!r} stands here a second time")
            section.words.append(number)

    def _number(self, text: str, *, is_prob: bool = False) -> float:
        try:
            value = float(text)
        except ValueError:
            self._fail(f"{text[:40]!r} is no number")
        if not -1e4 < value < (1e-4 if is_prob else 1e4):
            self._fail(f"no logarithm of a {'probability' if is_prob else 'weight'}: {text[:40]}")
        return min(value, 0.0) if is_prob else value

    # --- Tables ---

    def _plain_words(self) -> list[str]:
        return [word for word in self._words if _special(word) is None]

    def _ordered_words(self) -> Nodes:
        """The model's number of each word by its place in the file: the special ones first."""
        numbers, next_number = np.zeros(len(self._words), np.int64), len(SPECIAL_WORDS)
        seen: set[int] = set()
        for place, word in enumerate(self._words):
            special = _special(word)
            if special is not None and special in seen:
                self._fail(f"{SPECIAL_WORDS[special]} stands there in two spellings")
            if special is None:
                numbers[place], next_number = next_number, next_number + 1
            else:
                numbers[place] = special
                seen.add(special)
        if not {START, END} <= seen:
            self._fail("the words <s> and </s> are not among the unigrams")
        return numbers

    def _unigrams(self, section: _Section, order: Nodes) -> Table:
        num_words = len(self._plain_words()) + len(SPECIAL_WORDS)
        probs, backoffs = np.full(num_words, IMPOSSIBLE), np.zeros(num_words)
        probs[order], backoffs[order] = section.probs, section.backoffs
        probs[START] = IMPOSSIBLE  # some write that it is certain
        return Table(np.zeros(num_words, np.int64), np.arange(num_words), probs, backoffs)

    def _table(self, section: _Section, length: int, order: Nodes, tables: list[Table]) -> Table:
        words = order[np.asarray(section.words).reshape(-1, length)]
        contexts = words[:, 0]
        for place, table in enumerate(tables[1:], start=1):
            contexts = self._found(table, contexts, words[:, place], len(tables[0].words), section.first_line)
        keys = contexts * len(tables[0].words) + words[:, -1]
        distinct, counts = np.unique(keys, return_counts=True)
        if len(distinct) < len(keys):
            again = np.flatnonzero(keys == distinct[counts > 1][0])[1]
            self._fail("this n-gram stands here a second time", section.first_line + int(again))
        if (words[:, 1:] == START).any() or (words[:, :-1] == END).any():
            wrong = ((words[:, 1:] == START) | (words[:, :-1] == END)).any(axis=1).argmax()
            self._fail("<s> stands first and </s> last in an n-gram", section.first_line + int(wrong))
        return Table(contexts, words[:, -1], np.asarray(section.probs), np.asarray(section.backoffs))

    def _found(self, table: Table, contexts: Nodes, words: Nodes, num_words: int, line: int) -> Nodes:
        """The place of each context in its table."""
        keys = table.contexts * num_words + table.words
        order = np.argsort(keys)
        wanted = contexts * num_words + words
        places = order[np.minimum(keys.searchsorted(wanted, sorter=order), len(keys) - 1)]
        is_lacking = keys[places] != wanted
        if is_lacking.any():
            self._fail("the n-gram without its last word is not in the file", line + int(is_lacking.argmax()))
        return places


def _special(word: str) -> int | None:
    """The number of a special word, capitals or not; None for others."""
    folded = word.lower()
    return SPECIAL_WORDS.index(folded) if folded in SPECIAL_WORDS else None
