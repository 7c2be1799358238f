"""Words as a tree of letters, in arrays, each place knowing the best word that may still come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

ROOT, OUTSIDE = 0, 1
"""Places: before the first letter, and where letters stand that no word begins with."""

_MAX_LETTERS = 64
"""Longer words are no words."""


class Lexicon:
    """The tree of words over an alphabet.

    words: those with letters beyond ``alphabet``, and empty ones, are left out. values: of each word, higher
    ones better. alphabet: letter n has the number n + 1. outside: the value of words that are not there.

    entries: by place, the number of the word that ends there, len(words) where none does. best: by place, the
    highest value of the words that go on from there, 0 at the root.
    """

    def __init__(self, words: Sequence[str], values: Doubles, alphabet: Sequence[str], outside: float) -> None:
        numbers = {letter: number for number, letter in enumerate(alphabet, start=1)}
        writable = set(numbers)
        fit = np.array(
            [n for n, word in enumerate(words) if 0 < len(word) <= _MAX_LETTERS and writable.issuperset(word)],
            np.int64,
        )
        self._num_letters = len(alphabet) + 1
        longest = max((len(words[place]) for place in fit.tolist()), default=0)
        spelled = np.zeros((len(fit), longest), np.int64)
        for row, place in zip(spelled, fit.tolist(), strict=True):
            row[: len(words[place])] = [numbers[letter] for letter in words[place]]
        paths = self._built(spelled)
        num_places = int(paths.max(initial=OUTSIDE)) + 1
        self.entries = np.full(num_places, len(words), np.int64)
        self.best = np.full(num_places, outside)
        for column in range(longest):
            is_there = spelled[:, column] > 0
            np.maximum.at(self.best, paths[is_there, column], values[fit][is_there])
        ends = paths.max(axis=1, initial=0)  # places are numbered by depth
        self.entries[ends] = fit
        self.best[ROOT] = 0.0

    def step(self, places: Numbers, letters: Numbers) -> Numbers:
        """The places behind one letter more, OUTSIDE where no word goes that way; 0 and −1 are no letters."""
        return self._children[places, letters].astype(np.int64)

    def _built(self, spelled: Numbers) -> Numbers:
        """The place behind each letter of each word (0 behind its end); fills the table of children."""
        paths = np.zeros(spelled.shape, np.int64)
        parents, next_place = np.zeros(len(spelled), np.int64), OUTSIDE + 1
        edges: list[tuple[Numbers, Numbers]] = []
        for column in range(spelled.shape[1]):
            rows = np.flatnonzero(spelled[:, column])
            keys = parents[rows] * self._num_letters + spelled[rows, column]
            distinct, inverse = np.unique(keys, return_inverse=True)
            edges.append((distinct, np.arange(next_place, next_place + len(distinct))))
            paths[rows, column] = parents[rows] = next_place + inverse
            next_place += len(distinct)
        self._children = np.full((next_place, self._num_letters + 1), OUTSIDE, np.int32)
        for keys, places in edges:
            self._children[np.divmod(keys, self._num_letters)] = places
        self._children[:, 0] = self._children[:, -1] = np.arange(next_place)
        return paths
