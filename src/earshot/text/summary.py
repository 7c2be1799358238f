"""What was said, in a few of its own sentences: offline, in any language, from a file or while one speaks.

    summarize(transcript, num_sentences=5).text
    running = RunningSummary(num_sentences=5)
    if (summary := running.accept(final)) is not None: show(summary)

The sentences are taken as they were said, with their times, so nothing is invented. For a text in new words
see ``earshot.text.summary_abstractive``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earshot.core.types import Event, Final, Segment, Transcript
from earshot.text.function_words import FUNCTION_WORDS
from earshot.text.sentences import split_segments, split_text
from earshot.text.summary_ranking import (
    STEM_LENGTH,
    Matrix,
    Vector,
    centrality,
    choose,
    length_prior,
    similarities,
    term_weights,
    terms,
    weighted,
)

Places: TypeAlias = npt.NDArray[np.int64]

_NUM_WINDOWS = 15
"""Stretches of a live session that are remembered in equal detail."""

_BLOCK = 1_000
"""Sentences that are compared with one another; longer transcripts are read in such blocks first."""


@dataclass(frozen=True, slots=True)
class SummarySentence:
    """A sentence as it was said.

    index: its place among all sentences, from 0. start, end: seconds; None for a text without times.
    score: its share of the attention, relative to the first choice's 1.0.
    """

    text: str
    index: int
    score: float
    start: float | None = None
    end: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The chosen sentences in the order in which they were said. num_sentences: of all
    that was said until it was made.
    """

    sentences: tuple[SummarySentence, ...] = ()
    num_sentences: int = 0

    @property
    def text(self) -> str:
        """The sentences joined by spaces."""
        return " ".join(sentence.text for sentence in self.sentences)


def summarize(
    source: Transcript | Sequence[Segment] | str,
    *,
    num_sentences: int | None = None,
    ratio: float | None = None,
    language: str | None = None,
) -> Summary:
    """Choose the sentences that say most.

    num_sentences: how many, by default 5; ratio: instead, their share of all sentences, in (0, 1].
    language: ISO 639-1; helps to know the small words of some languages, all others are told by how often they
    come. A summary never has more sentences than its source; that of nothing is empty.
    """
    sentences, has_times = _sentences_of(source)
    count = _wanted(len(sentences), num_sentences, ratio)
    if not sentences:
        return Summary()
    counters = [Counter(terms(sentence.text)) for sentence in sentences]
    document_counts = Counter(term for counter in counters for term in counter)
    weights = term_weights(document_counts, len(sentences), common_words(language or _language_of(source)))
    prior = length_prior([len(counter) for counter in counters])
    places, scores = _best(counters, weights, prior, count)
    best = max(scores)
    chosen = sorted(zip(places, scores, strict=True))
    return Summary(
        tuple(_summary_sentence(sentences[place], place, score / best, has_times) for place, score in chosen),
        len(sentences),
    )


def common_words(language: str | None) -> frozenset[str]:
    """Words that tell nothing, where we know them; none for an unknown language."""
    code = (language or "").lower().replace("_", "-").split("-")[0]
    words = FUNCTION_WORDS.get(code)
    return frozenset(word[:STEM_LENGTH] for word in words.articles | words.leaning) if words else frozenset()


def _wanted(num_sentences: int, count: int | None, ratio: float | None) -> int:
    if count is not None and ratio is not None:
        raise ValueError("num_sentences and ratio both tell the length; leave out one")
    if ratio is not None:
        if not 0 < ratio <= 1:
            raise ValueError(f"a ratio is above 0 and at most 1, not {ratio}")
        return max(1, round(ratio * num_sentences))
    if count is not None and count < 1:
        raise ValueError(f"a summary has at least one sentence, not {count}")
    return min(num_sentences, 5 if count is None else count)


def _sentences_of(source: Transcript | Sequence[Segment] | str) -> tuple[list[Segment], bool]:
    if isinstance(source, str):
        return [Segment(text, 0.0, 0.0) for text in split_text(source)], False
    segments = source.segments if isinstance(source, Transcript) else source
    return split_segments(segments), True


def _language_of(source: Transcript | Sequence[Segment] | str) -> str | None:
    if isinstance(source, str):
        return None
    if isinstance(source, Transcript):
        return source.language or _language_of(source.segments)
    return source[0].language if source else None


def _summary_sentence(sentence: Segment, index: int, score: float, has_times: bool) -> SummarySentence:
    start, end = (sentence.start, sentence.end) if has_times else (None, None)
    return SummarySentence(sentence.text, index, score, start, end, sentence.speaker)


def _best(
    counters: Sequence[Counter[str]], weights: dict[str, float], prior: Vector, count: int
) -> tuple[list[int], list[float]]:
    """Places and scores of the chosen. A long source is thinned block by block before all is compared."""
    places = np.arange(len(counters))
    if len(counters) > _BLOCK:
        num_blocks = math.ceil(len(counters) / (_BLOCK / 2))
        quota = math.ceil(max(_BLOCK, count) / num_blocks)
        kept = [
            block[_choice([counters[int(place)] for place in block], weights, prior[block], quota)[0]]
            for block in np.array_split(places, num_blocks)
        ]
        places = np.sort(np.concatenate(kept))
    if len(places) > 2 * _BLOCK:  # so many are wanted that their blocks must do
        spread = places[np.linspace(0, len(places) - 1, count).astype(np.int64)]
        return [int(place) for place in spread], [1.0] * count
    chosen, scores = _choice([counters[int(place)] for place in places], weights, prior[places], count)
    return [int(places[index]) for index in chosen], [float(scores[index]) for index in chosen]


def _choice(
    counters: Sequence[Counter[str]], weights: dict[str, float], prior: Vector, count: int
) -> tuple[list[int], Vector]:
    similarity = similarities(counters, weights)
    scores = centrality(similarity, prior) * prior
    return choose(scores, similarity, count), scores


class RunningSummary:
    """A summary that follows a live session.

    accept() takes each event (or final segment) and returns the new summary when it changed, else None.
    num_sentences: at most; early on a third of what was said. max_sentences: how many are remembered; beyond
    that the least telling quarter is dropped, each leaving its weight to the sentence most like it, so that
    time and memory are bounded however long the session. margin: by how much a sentence must be better than
    one that is shown to take its place, so that the summary stays calm.
    Not safe to call from two threads at once.
    """

    def __init__(
        self,
        *,
        num_sentences: int = 5,
        language: str | None = None,
        max_sentences: int = 300,
        margin: float = 0.3,
    ) -> None:
        if not 1 <= num_sentences <= max_sentences // 4:
            raise ValueError(f"num_sentences is 1 to {max_sentences // 4}, a quarter of max_sentences")
        self._count = num_sentences
        self._max_sentences = max_sentences
        self._margin = margin
        self._common = common_words(language)
        self._num_heard = 0
        self._document_counts: Counter[str] = Counter()
        self._sentences: list[tuple[int, Segment]] = []
        self._counters: list[Counter[str]] = []
        self._masses: list[float] = []
        self._similarity: Matrix = np.zeros((max_sentences, max_sentences), np.float32)
        self._shown: tuple[int, ...] = ()
        self.summary = Summary()

    def accept(self, event: Event | Segment) -> Summary | None:
        """Take a final; other events change nothing. Returns the summary if it changed."""
        segment = event.segment if isinstance(event, Final) else event
        if not isinstance(segment, Segment):
            return None
        sentences = split_segments([segment], joins=False)
        for sentence in sentences:
            self._add(sentence)
        return self._update() if sentences else None

    def _add(self, sentence: Segment) -> None:
        if len(self._sentences) == self._max_sentences:
            self._thin()
        counter = Counter(terms(sentence.text))
        self._document_counts.update(counter.keys())
        place = len(self._sentences)
        self._sentences.append((self._num_heard, sentence))
        self._counters.append(counter)
        self._masses.append(1.0)
        self._num_heard += 1
        weights = self._weights()
        own = weighted(counter, weights)
        for other, counts in enumerate(self._counters[:-1]):
            likeness = 0.0
            if not own.keys().isdisjoint(counts):
                vector = weighted(counts, weights)
                likeness = sum(value * vector.get(term, 0.0) for term, value in own.items())
            self._similarity[place, other] = self._similarity[other, place] = likeness

    def _weights(self) -> dict[str, float]:
        # Only words of remembered sentences are weighed.
        known = {term: self._document_counts[term] for counts in self._counters for term in counts}
        return term_weights(known, self._num_heard, self._common)

    def _scores(self) -> Vector:
        count = len(self._sentences)
        masses = np.array(self._masses)
        prior = length_prior([len(counter) for counter in self._counters])
        return centrality(self._similarity[:count, :count], prior * masses, masses) * prior

    def _update(self) -> Summary | None:
        count = len(self._sentences)
        scores = self._scores()
        is_shown = np.array([index in self._shown for index, _ in self._sentences])
        favoured = np.where(is_shown, scores * (1 + self._margin), scores)
        wanted = min(self._count, math.ceil(self._num_heard / 3))
        places = sorted(choose(favoured, self._similarity[:count, :count], wanted))
        shown = tuple(self._sentences[place][0] for place in places)
        if shown == self._shown:
            return None
        self._shown = shown
        best = max(float(scores[place]) for place in places)
        self.summary = Summary(
            tuple(
                _summary_sentence(self._sentences[place][1], index, float(scores[place]) / best, True)
                for place, index in zip(places, shown, strict=True)
            ),
            self._num_heard,
        )
        return self.summary

    def _thin(self) -> None:
        """Forget the least telling quarter; each one's mass goes to the sentence most like it."""
        kept, gone = self._kept_and_gone()
        masses = np.array(self._masses)
        for place in gone:
            nearest = kept[int(self._similarity[place, kept].argmax())]
            if self._similarity[place, nearest] > 0.1:
                masses[nearest] += masses[place]
        self._sentences = [self._sentences[place] for place in kept]
        self._counters = [self._counters[place] for place in kept]
        self._masses = [float(masses[place]) for place in kept]
        known = {term for counts in self._counters for term in counts}
        self._document_counts = Counter(
            {term: count for term, count in self._document_counts.items() if term in known or count > 2}
        )
        # The words' weights have moved since these rows were made.
        self._similarity[: len(kept), : len(kept)] = similarities(self._counters, self._weights())

    def _kept_and_gone(self) -> tuple[Places, Places]:
        """Places to keep and to forget, evenly over the session: else nothing said late would ever be kept."""
        scores = self._scores()
        scores[[index in self._shown for index, _ in self._sentences]] = np.inf
        windows: dict[int, list[int]] = {}
        for place, (index, _) in enumerate(self._sentences):
            windows.setdefault(index * _NUM_WINDOWS // self._num_heard, []).append(place)
        ranked = sorted(
            (rank if np.isfinite(scores[place]) else -1, -scores[place], place)
            for window in windows.values()
            for rank, place in enumerate(sorted(window, key=lambda place: -scores[place]))
        )
        order = np.array([place for _, _, place in ranked])
        num_kept = self._max_sentences - self._max_sentences // 4
        return np.sort(order[:num_kept]), order[num_kept:]
