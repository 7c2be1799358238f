"""The best path of a known word sequence through its hidden Markov models, exact, in NumPy.

A word is a choice of pronunciations, a pronunciation a chain of phones, a phone a chain of three states, each
of which stays or moves on. Between words, before the first and after the last, there may be silence.
No beam: with the text known there are some 50 states a second of speech, and an exact search never "gives up".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Pronunciation = Sequence[int]
"""Phones by their index in the acoustic model."""

_NUM_STATES = 3
_IMPOSSIBLE = np.float32(-1e30)  # finite: infinities would make NaN when subtracted
SILENCE_PENALTY = -5.3  # natural logarithm of Sphinx's own probability of a pause, 0.005


@dataclass(frozen=True, slots=True)
class Span:
    """Frames [start, end) of a word."""

    start: int
    end: int


class WordNetwork:
    """The states of a word sequence.

    words: for each its pronunciations, none empty. silence: index of the silence phone.
    transitions: log probabilities (num_phones, 3, 2) of staying and moving on.
    """

    def __init__(self, words: Sequence[Sequence[Pronunciation]], silence: int, transitions: Matrix) -> None:
        self.num_words = len(words)
        chains = [(i, list(p)) for i, pronunciations in enumerate(words) for p in pronunciations]
        chains += [(i, [silence]) for i in range(self.num_words + 1)]
        self._num_variants = len(chains) - self.num_words - 1
        lengths = np.array([_NUM_STATES * len(phones) for _, phones in chains])
        self._last = np.cumsum(lengths) - 1
        self._first = self._last - lengths + 1
        self._chain_of_state = np.repeat(np.arange(len(chains)), lengths)
        self._word_of_chain = np.array([i for i, _ in chains])
        first_variants = np.flatnonzero(np.diff(self._word_of_chain[: self._num_variants], prepend=-1))
        self._first_variants = first_variants
        phones = np.array([phone for _, chain in chains for phone in chain], np.intp)
        self.state_phones = np.repeat(phones, _NUM_STATES)
        self.state_indices = np.tile(np.arange(_NUM_STATES), len(phones))
        self._stay = np.ascontiguousarray(transitions[self.state_phones, self.state_indices, 0])
        leave = np.ascontiguousarray(transitions[self.state_phones, self.state_indices, 1])
        self._exit = leave[self._last]
        self._move = leave[:-1].copy()
        self._move[self._last[:-1]] = _IMPOSSIBLE
        shortest = np.minimum.reduceat(lengths[: self._num_variants], first_variants)
        self.min_frames = int(shortest.sum())

    def best_path(self, emissions: Matrix, *, is_open: bool = False) -> list[Span]:
        """Align to the frames.

        emissions: log likelihoods (num_frames, num_states) in the order of ``state_phones``.
        is_open: the frames may end after any word; the words that come later get no span.
        Returns the spans of the words in order; an empty list when the frames are too few.
        """
        if not len(emissions) or (len(emissions) < self.min_frames and not is_open):
            return []
        scores = self._forward(emissions)
        return self._trace_back(scores, is_open=is_open)

    def _forward(self, emissions: Matrix) -> Matrix:
        """Best score of every state at every frame, less a constant a frame."""
        variants = self._num_variants
        scores = np.empty_like(emissions)
        scores[0] = _IMPOSSIBLE
        scores[0, self._first[self._word_of_chain == 0]] = 0  # the first word or the silence before it
        scores[0, self._first[variants]] = SILENCE_PENALTY
        scores[0] += emissions[0]
        moved = np.empty(emissions.shape[1] - 1, np.float32)
        for before, now, emission in zip(scores, scores[1:], emissions[1:], strict=False):
            np.add(before, self._stay, out=now)
            np.add(before[:-1], self._move, out=moved)
            np.maximum(now[1:], moved, out=now[1:])
            entries = self._entries(before)
            now[self._first] = np.maximum(now[self._first], entries)
            now += emission
        return scores

    def _entries(self, before: Matrix) -> Matrix:
        """Best score with which each chain can be entered, from the states of the frame before."""
        exits = before.take(self._last)
        exits += self._exit
        after_words = np.maximum.reduceat(exits[: self._num_variants], self._first_variants)
        after_silences = exits[self._num_variants :]
        entries = np.empty(len(exits), np.float32)
        into_words = after_silences[:-1].copy()
        np.maximum(into_words[1:], after_words[:-1], out=into_words[1:])
        entries[: self._num_variants] = into_words[self._word_of_chain[: self._num_variants]]
        entries[self._num_variants] = _IMPOSSIBLE
        entries[self._num_variants + 1 :] = after_words + np.float32(SILENCE_PENALTY)
        return entries

    def _predecessors(self, chain: int) -> Indices:
        """The chains that may stand before one."""
        variants, word = self._num_variants, int(self._word_of_chain[chain])
        if word == 0:
            return np.array([] if chain >= variants else [variants])
        before = np.flatnonzero(self._word_of_chain[:variants] == word - 1)
        return before if chain >= variants else np.append(before, variants + word)

    def _trace_back(self, scores: Matrix, *, is_open: bool) -> list[Span]:
        variants, num_words = self._num_variants, self.num_words
        exits = scores[-1, self._last] + self._exit
        ends = (
            np.arange(len(exits))
            if is_open
            else np.append(
                np.flatnonzero(self._word_of_chain[:variants] == num_words - 1), variants + num_words
            )
        )
        chain = int(ends[np.argmax(exits[ends])])
        if exits[chain] < _IMPOSSIBLE / 2:
            return []
        spans: list[Span] = []
        state, end = int(self._last[chain]), len(scores)
        for frame in range(len(scores) - 1, 0, -1):
            is_first = state == self._first[chain]
            if not is_first:
                stay = scores[frame - 1, state] + self._stay[state]
                if scores[frame - 1, state - 1] + self._move[state - 1] > stay:
                    state -= 1
                continue
            candidates = self._predecessors(chain)
            if not len(candidates):
                continue
            from_before = scores[frame - 1, self._last[candidates]] + self._exit[candidates]
            best = int(np.argmax(from_before))
            penalty = SILENCE_PENALTY if chain >= variants else 0.0
            if from_before[best] + penalty > scores[frame - 1, state] + self._stay[state]:
                if chain < variants:
                    spans.append(Span(frame, end))
                chain, end = int(candidates[best]), frame
                state = int(self._last[chain])
        if chain < variants:
            spans.append(Span(0, end))
        return spans[::-1]
