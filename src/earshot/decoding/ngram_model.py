"""An n-gram language model with backing off, in flat arrays: what is likely to be said next.

N-grams are the nodes of a trie: node 0 is the empty history, then come all unigrams, all bigrams and so on,
within an order by context and word. The children of all nodes stand in one sorted array, so a look-up is one
binary search, for one history or for thousands at once. A state of the search is the node of the longest known
history; where a word was never seen behind it, ``suffixes`` leads to the history without its first word
(Katz 1987; Aho and Corasick 1975 for the links). An n-gram takes 20 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from earshot.decoding.ctc import WORD_START

UNKNOWN, START, END = 0, 1, 2
"""Numbers of the words that every model has."""

SPECIAL_WORDS = ("<unk>", "<s>", "</s>")
IMPOSSIBLE = -99.0
"""What stands for the logarithm of nothing in ARPA files."""

LN10 = math.log(10)
MAX_ORDER = 16

Nodes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
LogProbs = npt.NDArray[np.float64]

_BATCH = 4096
"""Sentences that are scored side by side."""


@dataclass(frozen=True, slots=True)
class Table:
    """All n-grams of one order. contexts: numbers of n-grams in the table before (0 for unigrams).

    words: the last word of each; no pair of both twice. log10_backoffs: of each as a history, else 0.
    """

    contexts: Nodes
    words: Nodes
    log10_probs: npt.NDArray[np.floating]
    log10_backoffs: npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Score:
    """How well a model foresees a text; every sentence has an end that counts as a word.

    log_prob: natural logarithm, of all words. unknown_log_prob: the part of words that the model does not know.
    """

    num_sentences: int
    num_words: int
    num_unknown: int
    log_prob: float
    unknown_log_prob: float

    @property
    def perplexity(self) -> float:
        """Of all words and ends of sentences, unknown words as the model's ``<unk>``."""
        return math.exp(-self.log_prob / (self.num_words + self.num_sentences))

    @property
    def known_perplexity(self) -> float:
        """Of the words that the model knows, and ends of sentences."""
        num_known = self.num_words + self.num_sentences - self.num_unknown
        return math.exp(-(self.log_prob - self.unknown_log_prob) / num_known)


class NgramModel:
    """A language model; safe to use from several threads.

    words: by number; the first three are ``SPECIAL_WORDS``. keys: context × number of words + last word of each
    node but the root, rising. log10_probs, log10_backoffs: by node, the root's are 0. starts: the first node of
    each order, and one past the last. suffixes: see the module; found where not given.
    """

    def __init__(
        self,
        words: Sequence[str],
        keys: Nodes,
        log10_probs: Floats,
        log10_backoffs: Floats,
        starts: Sequence[int],
        suffixes: Nodes | None = None,
    ) -> None:
        self.words = tuple(words)
        self.starts = tuple(starts)
        self.keys = keys
        self.log10_probs = log10_probs
        self.log10_backoffs = log10_backoffs
        self.suffixes = self._found_suffixes() if suffixes is None else suffixes

    @classmethod
    def from_tables(cls, words: Sequence[str], tables: Sequence[Table]) -> NgramModel:
        """A model of its n-grams by order, in any order within it; unigrams are those of all words, sorted."""
        num_words = len(words)
        keys, probs, backoffs = [], [np.zeros(1, np.float32)], [np.zeros(1, np.float32)]
        starts, places = [1], np.zeros(1, np.int64)  # places: the node of each n-gram of the table before
        for table in tables:
            key = places[table.contexts] * num_words + table.words
            order = np.argsort(key, kind="stable")
            places = np.empty(len(key), np.int64)
            places[order] = np.arange(starts[-1], starts[-1] + len(key))
            keys.append(key[order])
            probs.append(table.log10_probs[order].astype(np.float32))
            backoffs.append(table.log10_backoffs[order].astype(np.float32))
            starts.append(starts[-1] + len(key))
        return cls(words, np.concatenate(keys), np.concatenate(probs), np.concatenate(backoffs), starts)

    @property
    def order(self) -> int:
        """Words of the longest n-grams."""
        return len(self.starts) - 1

    @property
    def num_ngrams(self) -> tuple[int, ...]:
        """How many n-grams there are of each order, from one word on."""
        return tuple(np.diff(self.starts).tolist())

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def is_by_letters(self) -> bool:
        """Whether its words are letters, ``WORD_START`` the space between words."""
        return WORD_START in self.words[3:] and all(len(word) == 1 for word in self.words[3:])

    @property
    def start_state(self) -> int:
        """The state at the beginning of a sentence."""
        return START + 1 if self.order > 1 else 0

    def parts(self, nodes: Nodes) -> tuple[Nodes, Nodes]:
        """The context (a node) and the last word of n-grams (nodes, not the root)."""
        contexts, words = np.divmod(self.keys[nodes - 1], len(self.words))
        return contexts, words

    def children(self, nodes: Nodes, words: Nodes) -> Nodes:
        """The nodes of these histories with one word more; 0 where the model has no such n-gram."""
        keys = nodes * len(self.words) + words
        places = np.minimum(self.keys.searchsorted(keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places + 1, 0)

    def extend(self, states: Nodes, words: Nodes) -> tuple[LogProbs, Nodes]:
        """Log-probabilities (natural) of words behind histories, and the states behind both; all (n,)."""
        nodes, log10 = self._backed_off(states, words)
        longest = self.starts[-2]
        targets = np.where(nodes >= longest, self.suffixes[nodes], nodes)
        return (log10 + self.log10_probs[nodes]) * LN10, targets

    def _backed_off(self, states: Nodes, words: Nodes) -> tuple[Nodes, LogProbs]:
        """The longest known n-gram at the end of each history and word, and the weight of backing off to it."""
        nodes = self.children(states, words)
        log10 = np.zeros(len(states))
        waiting = np.flatnonzero(nodes == 0)
        here = states[waiting]
        while len(waiting):
            log10[waiting] += self.log10_backoffs[here]
            here = self.suffixes[here]
            found = self.children(here, words[waiting])
            nodes[waiting] = found
            is_left = found == 0
            waiting, here = waiting[is_left], here[is_left]
        return nodes, log10

    def sentence_log_probs(self, sentences: Sequence[Sequence[str]]) -> list[LogProbs]:
        """Natural log-probabilities of the words of each sentence and, last, of its end."""
        lengths = np.array([len(sentence) + 1 for sentence in sentences], np.int64)
        if not len(lengths):
            return []
        words = np.full((len(sentences), int(lengths.max())), END, np.int64)
        for row, sentence in enumerate(sentences):
            words[row, : len(sentence)] = [self.numbers.get(word, UNKNOWN) for word in sentence]
        scores = np.zeros(words.shape)
        states = np.full(len(sentences), self.start_state, np.int64)
        for column in range(words.shape[1]):
            rows = np.flatnonzero(lengths > column)
            scores[rows, column], states[rows] = self.extend(states[rows], words[rows, column])
        return [scores[row, :length] for row, length in enumerate(lengths.tolist())]

    def score(self, sentences: Iterable[Sequence[str]]) -> Score:
        """How well the model foresees the sentences, each a list of words."""
        totals = np.zeros(5)
        batch: list[Sequence[str]] = []
        for sentence in sentences:
            batch.append(sentence)
            if len(batch) == _BATCH:
                totals += self._totals(batch)
                batch = []
        totals += self._totals(batch)
        counts = [int(total) for total in totals[:3]]
        return Score(counts[0], counts[1], counts[2], float(totals[3]), float(totals[4]))

    def _totals(self, batch: Sequence[Sequence[str]]) -> LogProbs:
        totals = np.zeros(5)
        for sentence, log_probs in zip(batch, self.sentence_log_probs(batch), strict=True):
            unknown = [place for place, word in enumerate(sentence) if word not in self.numbers]
            totals += (1, len(sentence), len(unknown), log_probs.sum(), log_probs[unknown].sum())
        return totals

    def _found_suffixes(self) -> Nodes:
        """Of each node the longest other node that is an end of it."""
        suffixes = np.zeros(self.starts[-1], np.int64)
        self.suffixes = suffixes  # filled from short to long; the search below needs those of shorter ones only
        for first, end in zip(self.starts[1:-1], self.starts[2:], strict=True):
            contexts, words = self.parts(np.arange(first, end))
            suffixes[first:end] = self._backed_off(suffixes[contexts], words)[0]
        return suffixes
