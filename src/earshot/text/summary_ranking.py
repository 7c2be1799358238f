"""Which sentences say most: words and their weights, likeness, centrality, and a choice without repeats.

Sentences are the nodes of a graph whose edges are the cosines of their weighted words; a random walk over it
finds the central ones (TextRank: Mihalcea & Tarau 2004; LexRank: Erkan & Radev 2004). The walk restarts at
sentences that look promising by themselves (biased LexRank: Otterbacher, Erkan & Radev 2005). The summary
takes central sentences that do not repeat one another (maximal marginal relevance: Carbonell & Goldstein 1998).
Nothing here knows a language: words that stand in many sentences weigh little, by themselves.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

_DAMPING = 0.85
_MAX_STEPS = 100
_FULL_LENGTH = 10
"""Words from which on a sentence counts in full; "Yes, okay." says nothing."""

_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")

STEM_LENGTH = 6
"""Letters of a word that count."""

# Scripts that set no spaces between words: they are read as pairs of characters. First and last code points.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def terms(sentence: str) -> list[str]:
    """The words of a sentence in one spelling, in order; pairs of characters where no spaces are set.

    Letters, digits and the marks on them make words (Unicode's categories L, N and M). Words are cut after
    six letters, which joins most inflected forms in any language (McNamee & Mayfield 2004).
    """
    text = unicodedata.normalize("NFKC", sentence).casefold().replace("’", "'")
    if text.isascii():
        return [word[:STEM_LENGTH] for word in _ASCII_WORD.findall(text)]
    found: list[str] = []
    for is_unspaced, run in itertools.groupby(text, key=_kind):
        if is_unspaced is None:
            continue
        word = "".join(run).strip("'")
        if is_unspaced and len(word) > 1:
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        elif word:
            found.append(word[:STEM_LENGTH])
    return found


def _kind(character: str) -> bool | None:
    """None between words, True in a script without spaces, False in all others."""
    if character != "'" and unicodedata.category(character)[0] not in "LNM":
        return None
    return _is_unspaced(character)


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _UNSPACED)


def term_weights(
    document_counts: Mapping[str, int], num_sentences: int, common: Collection[str] = ()
) -> dict[str, float]:
    """How much a word tells: by how few of the sentences have it (inverse document frequency), and its length.

    document_counts: in how many sentences each word is. common: words known to tell nothing.
    """
    return {
        term: 0.0 if term in common else math.log((num_sentences + 1) / (count + 0.5)) * _by_length(term)
        for term, count in document_counts.items()
    }


def _by_length(term: str) -> float:
    """Small words are the common ones in every language (Zipf): from 0.1 for two letters to 1 for six.

    Without a list of common words this raises the share of on-topic sentences from 0.85 to 0.93, with one the
    recall of chapter headings from 0.155 to 0.175 (benchmarks/summary.py).
    """
    if _is_unspaced(term[0]):
        return 1.0
    return min(1.0, max(0.1, (len(term) - 2) / 4))


def similarities(sentences: Sequence[Counter[str]], weights: Mapping[str, float]) -> Matrix:
    """Cosines of the weighted words of all pairs: float32 (n, n) in [0, 1], symmetric."""
    # A word of one sentence joins it to none: it counts for the length of its row alone.
    num_rows = Counter(itertools.chain.from_iterable(sentences))  # iterating a Counter gives each word once
    shared = (term for term, count in num_rows.items() if count > 1)
    columns = {term: column for column, term in enumerate(shared)}
    rows = np.zeros((len(sentences), len(columns)), np.float32)
    for row, counts in zip(rows, sentences, strict=True):
        vector = weighted(counts, weights)
        for term, value in vector.items():
            if term in columns:
                row[columns[term]] = value
    similarity: Matrix = np.clip(rows @ rows.T, 0, 1)
    return similarity


def weighted(counts: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    """A unit vector: logarithmic counts times weights; empty when no word tells anything."""
    vector = {term: (1 + math.log(count)) * weights.get(term, 0.0) for term, count in counts.items()}
    norm = math.sqrt(sum(value * value for value in vector.values()))
    return {term: value / norm for term, value in vector.items() if value} if norm else {}


def centrality(similarity: Matrix, prior: Vector, masses: Vector | None = None) -> Vector:
    """How often a random walk is at each sentence: (n,), sum 1.

    similarity: (n, n), not negative; the diagonal is ignored. prior: (n,) where the walk restarts, positive.
    masses: (n,) how many sentences a row stands for, as they draw the walk.
    """
    num_sentences = len(prior)
    restart = prior / prior.sum()
    edges = similarity.astype(np.float64)
    np.fill_diagonal(edges, 0)
    if masses is not None:
        edges *= masses
    leaving = edges.sum(axis=1, keepdims=True)
    edges = np.divide(edges, leaving, out=np.tile(restart, (num_sentences, 1)), where=leaving > 0)
    ranks = restart
    for _ in range(_MAX_STEPS):
        moved = (1 - _DAMPING) * restart + _DAMPING * (ranks @ edges)
        if np.abs(moved - ranks).sum() < 1e-6:
            return np.asarray(moved, np.float64)
        ranks = moved
    return np.asarray(ranks, np.float64)


def length_prior(num_terms: Sequence[int]) -> Vector:
    """In (0, 1]: grows with the number of words up to ten."""
    lengths = np.asarray(num_terms, np.float64)
    return np.clip(lengths / _FULL_LENGTH, 0.02, 1.0)


def choose(scores: Vector, similarity: Matrix, num_sentences: int, *, diversity: float = 1.0) -> list[int]:
    """The places of the sentences to show, best first: high scores, unlike those chosen before.

    What repeats a sentence chosen before gains nothing: the likeness scales the score, where the original
    weighs it against the score and lets an exact repeat pass when all else scores low. diversity: 0 looks at
    the scores alone; 1 halves the score of what is half like a chosen one.
    """
    if not len(scores):
        return []
    relevance = scores / max(float(scores.max()), 1e-12)
    likeness = np.zeros(len(scores))
    is_left = np.ones(len(scores), bool)
    chosen: list[int] = []
    while len(chosen) < min(num_sentences, len(scores)):
        gains = np.where(is_left, relevance * np.maximum(0, 1 - likeness) ** diversity, -np.inf)
        best = int(gains.argmax())
        chosen.append(best)
        is_left[best] = False
        likeness = np.maximum(likeness, similarity[best])
    return chosen
