"""Language models estimated from text: interpolated modified Kneser–Ney.

Chen and Goodman 1998, "An empirical study of smoothing techniques for language modeling", TR-10-98, Harvard;
the details (sentence starts, unigrams mixed with a uniform distribution) as in Heafield et al. 2013, "Scalable
modified Kneser-Ney language model estimation", ACL, so that models equal those of KenLM's ``lmplz``.

The text is counted in blocks from temporary files, 4 bytes a word and order, so memory grows with the number of
distinct n-grams and not with the text.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
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

Numbers = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]

BLOCK = 1 << 22
"""Words that are counted at a time: 4 million take about 150 MB."""

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""For counts 1, 2 and 3 or more, where a text is too small or too regular to tell: what lmplz falls back on."""

_LEAST = 1e-30
"""The least weight of a shorter history: a discount of exactly nothing must not make its words impossible."""


@dataclass(slots=True)
class _Counts:
    """The distinct n-grams of one order, sorted by context and word.

    keys: context (its place in the order before) × number of words + word. counts: how often each stands in the
    text. suffixes: the place of each without its first word in the order before.
    """

    keys: Nodes
    counts: Nodes
    suffixes: Nodes


def train_ngrams(sentences: Iterable[Sequence[str]], order: int = 4, *, block: int = BLOCK) -> NgramModel:
    """The language model of sentences, each a list of words.

    order: words of the longest n-grams, 1 to ``MAX_ORDER``. block: words that are counted at a time.
    Raises ModelError when there is no word at all, ValueError for the words ``<s>`` and ``</s>``.
    """
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"the order of a language model is 1 to {MAX_ORDER}, not {order}")
    with tempfile.TemporaryDirectory(prefix="earshot-lm-") as folder:
        words = _spool(sentences, Path(folder) / "1")
        orders = _counted(Path(folder), len(words), order, block)
    return NgramModel.from_tables(words, _smoothed(orders, len(words)))


# --- Counting ----------------------------------------------------------------------------------------------


def _spool(sentences: Iterable[Sequence[str]], path: Path) -> list[str]:
    """Write the text as numbers of words, each sentence with its start and end; returns the words."""
    numbers = {word: number for number, word in enumerate(SPECIAL_WORDS)}
    waiting = array("i")
    with path.open("wb") as file:
        for sentence in sentences:
            if not sentence:
                continue
            if SPECIAL_WORDS[START] in sentence or SPECIAL_WORDS[END] in sentence:
                raise ValueError("<s> and </s> are set around sentences and are no words of theirs")
            waiting.append(START)
            waiting.extend([numbers.setdefault(word, len(numbers)) for word in sentence])
            waiting.append(END)
            if len(waiting) > BLOCK:
                waiting.tofile(file)
                waiting = array("i")
        waiting.tofile(file)
    if path.stat().st_size == 0:
        raise ModelError("the texts hold no words", fix="give texts in letters")
    return list(numbers)


def _counted(folder: Path, num_words: int, order: int, block: int) -> list[_Counts]:
    """Counts of all orders. The file "1" holds the words; "n" gets the n-gram that ends at each of them."""
    words = np.memmap(folder / "1", np.int32, "r")
    unigrams = np.zeros(num_words, np.int64)
    for start in range(0, len(words), block):
        unigrams += np.bincount(words[start : start + block], minlength=num_words)
    orders = [_Counts(np.arange(num_words), unigrams, np.zeros(num_words, np.int64))]
    shorter = words
    for length in range(2, order + 1):
        keys, counts = _merged(_distinct(found) for found in _keys(words, shorter, num_words, block))
        longer = np.memmap(folder / str(length), np.int32, "w+", shape=words.shape)
        suffixes = np.zeros(len(keys), np.int64)
        start = 0
        for found in _keys(words, shorter, num_words, block):
            places = _places(keys, found)
            is_there = places >= 0
            longer[start : start + len(found)] = places
            suffixes[places[is_there]] = shorter[start : start + len(found)][is_there]
            start += len(found)
        orders.append(_Counts(keys, counts, suffixes))
        shorter = longer
    return orders


def _keys(words: Numbers, shorter: Numbers, num_words: int, block: int) -> Iterator[Nodes]:
    """The key of the n-gram that ends at each word; −1 where it would begin before its sentence."""
    for start in range(0, len(words), block):
        here = words[start : start + block]
        contexts = np.full(len(here), -1, np.int64)
        first = 1 if start == 0 else 0
        contexts[first:] = shorter[start + first - 1 : start + len(here) - 1]
        yield np.where((contexts < 0) | (here == START), -1, contexts * num_words + here)


def _distinct(keys: Nodes) -> tuple[Nodes, Nodes]:
    found, counts = np.unique(keys[keys >= 0], return_counts=True)
    return found, counts.astype(np.int64)


def _merged(parts: Iterable[tuple[Nodes, Nodes]]) -> tuple[Nodes, Nodes]:
    """One sorted table of distinct keys and counts."""
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for more_keys, more_counts in parts:
        together, places = np.unique(np.concatenate([keys, more_keys]), return_inverse=True)
        both = np.concatenate([counts, more_counts])
        keys, counts = together, np.bincount(places, both).astype(np.int64)
    return keys, counts


def _places(keys: Nodes, wanted: Nodes) -> Nodes:
    """Where each wanted key stands; −1 for −1. Sorted first, so that the search walks through memory once."""
    distinct, inverse = np.unique(wanted, return_inverse=True)
    places = np.where(distinct < 0, -1, keys.searchsorted(distinct))
    found: Nodes = places[inverse]
    return found


# --- Smoothing ---------------------------------------------------------------------------------------------


def _smoothed(orders: Sequence[_Counts], num_words: int) -> list[Table]:
    tables: list[Table] = []
    shorter = np.full(1, 1 / (num_words - 1))  # every word but the start, alike
    adjusted = _adjusted(orders, num_words)
    weights: list[Doubles] = []
    for number, level in enumerate(orders):
        contexts, words = np.divmod(level.keys, num_words)
        if number == 0:
            contexts = np.zeros_like(contexts)
        num_contexts = len(orders[number - 1].keys) if number else 1
        kept, weight = _discounted(adjusted[number], contexts, num_contexts)
        probs = kept + weight[contexts] * (shorter[level.suffixes] if number else shorter[0])
        weights.append(weight)
        with np.errstate(divide="ignore"):
            log10 = np.log10(probs)
        if number == 0:
            log10[START] = IMPOSSIBLE
        tables.append(Table(contexts, words, log10, np.zeros(len(probs))))
        shorter = probs
    for table, weight in zip(tables, weights[1:], strict=False):
        table.log10_backoffs[:] = np.log10(np.maximum(weight, _LEAST))
    return tables


def _adjusted(orders: Sequence[_Counts], num_words: int) -> list[Nodes]:
    """In how many ways an n-gram goes on to the left; how often it stands there, at starts and if longest."""
    adjusted: list[Nodes] = []
    begins = np.arange(num_words) == START
    for number, level in enumerate(orders):
        if number:
            begins = begins[level.keys // num_words]
        if number + 1 == len(orders):
            counts = level.counts.copy()
        else:
            continuations = np.bincount(orders[number + 1].suffixes, minlength=len(level.keys))
            counts = np.where(begins, level.counts, continuations)
        if number == 0:
            counts[START] = 0
        adjusted.append(counts)
    return adjusted


def _discounted(counts: Nodes, contexts: Nodes, num_contexts: int) -> tuple[Doubles, Doubles]:
    """Discounted relative counts, and what each context leaves to shorter ones (1 where nothing follows)."""
    discounts = np.array(_discounts(counts))[np.minimum(counts, 3)]
    totals = np.bincount(contexts, counts, num_contexts)
    taken = np.bincount(contexts, discounts, num_contexts)
    weights = np.divide(taken, totals, out=np.ones(num_contexts), where=totals > 0)
    kept = np.divide(counts - discounts, totals[contexts], out=np.zeros(len(counts)), where=counts > 0)
    return kept, weights


def _discounts(counts: Nodes) -> tuple[float, ...]:
    """For counts 0, 1, 2, and 3 or more: Chen and Goodman's equation 26."""
    once, twice, thrice, four = np.bincount(np.minimum(counts, 5), minlength=5)[1:5].tolist()
    fallback = (0.0, *FALLBACK_DISCOUNTS)
    if not (once and twice and thrice):
        return fallback
    ratio = once / (once + 2 * twice)
    found = (1 - 2 * ratio * twice / once, 2 - 3 * ratio * thrice / twice, 3 - 4 * ratio * four / thrice)
    if any(not 0 <= discount <= count for count, discount in enumerate(found, start=1)):
        return fallback
    return (0.0, *found)
