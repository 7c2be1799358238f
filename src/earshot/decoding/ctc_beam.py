"""A CTC net held to a grammar: the automaton as what is fused into the prefix search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from earshot.decoding.automaton import DEAD
from earshot.decoding.beam import Found
from earshot.decoding.constraint import TokenConstraint
from earshot.decoding.ctc import LogProbs
from earshot.decoding.prefix_search import EXHAUSTIVE, NEVER, Doubles, Numbers, PrefixSearch

_AFTER_END = -2
"""A state: the sentence is over and the delimiter behind it is written."""


def search_ctc(
    log_probs: LogProbs,
    blank: int,
    constraint: TokenConstraint,
    *,
    width: int = 8,
    delimiter: int | None = None,
) -> list[Found]:
    """The likeliest sentences of a grammar, the first the best. log_probs: (frames, tokens).

    delimiter: the token that parts words, of nets that write letters: they write none before the first word and
    perhaps one behind the last, so the first is taken as written and the last as no part of the sentence.
    """
    fusion = GrammarFusion(constraint, log_probs.shape[1], delimiter=delimiter)
    search = PrefixSearch(blank, fusion, replace(EXHAUSTIVE, width=width))
    search.accept(log_probs)
    lead = constraint.spelled((delimiter,)) if delimiter is not None else ""
    found: dict[str, Found] = {}
    for hypothesis in search.found(width):
        tokens = hypothesis.tokens
        said = tokens[:-1] if tokens and tokens[-1] == delimiter else tokens
        if not said:
            continue
        text, log_prob = lead + constraint.spelled(said), hypothesis.log_prob
        if (before := found.get(text)) is not None:
            log_prob = float(np.logaddexp(before.log_prob, log_prob))
        found[text] = Found(text, said, log_prob, log_prob)
    return sorted(found.values(), key=lambda one: -one.log_prob)


class GrammarFusion:
    """An automaton as a ``Fusion``: what it does not allow is impossible, all else alike.

    A state stands for one of the constraint's, and whether the sentence was over before the delimiter just
    written. A table of where tokens lead gets a row for each state that a search comes to.
    """

    start = 0

    def __init__(self, constraint: TokenConstraint, num_tokens: int, *, delimiter: int | None = None) -> None:
        self._constraint = constraint
        self._delimiter = delimiter
        first = constraint.start if delimiter is None else constraint.advance(constraint.start, delimiter)
        self._states = [(first, False)]
        self._numbers = {self._states[0]: 0}
        self._targets = np.full((16, num_tokens), DEAD, np.int64)
        self._has_row = np.zeros(16, bool)

    def extend(self, states: Numbers, tokens: Numbers) -> tuple[Doubles, Numbers]:
        """See ``Fusion``."""
        for state in np.unique(states[~self._has_row[states]]).tolist():
            self._add_row(state)
        targets = self._targets[states, tokens]
        return np.where(targets == DEAD, NEVER, 0.0), np.maximum(targets, 0)

    def finish(self, states: Numbers) -> Doubles:
        """See ``Fusion``."""
        is_over = [self._is_over(state) for state in states.tolist()]
        return np.where(is_over, 0.0, NEVER)

    def _is_over(self, state: int) -> bool:
        inner, was_over = self._states[state]
        return was_over or inner == _AFTER_END or (inner != DEAD and self._constraint.is_accepting(inner))

    def _add_row(self, state: int) -> None:
        inner, _ = self._states[state]
        row = np.full(self._targets.shape[1], DEAD, np.int64)
        for token in self._options(inner):
            target = self._advanced(inner, token)
            if target != DEAD:
                row[token] = self._number(target, was_over=token == self._delimiter and self._is_over(state))
        self._targets[state] = row
        self._has_row[state] = True

    def _number(self, inner: int, *, was_over: bool) -> int:
        key = (inner, was_over)
        number = self._numbers.setdefault(key, len(self._states))
        if number == len(self._states):
            self._states.append(key)
            if number == len(self._has_row):
                self._has_row = np.concatenate([self._has_row, np.zeros_like(self._has_row)])
                self._targets = np.concatenate([self._targets, np.full_like(self._targets, DEAD)])
        return number

    def _options(self, inner: int) -> Iterable[int]:
        if inner in (_AFTER_END, DEAD):
            return ()
        options: list[int] = self._constraint.options(inner).tolist()
        if self._delimiter is not None and self._constraint.is_accepting(inner):
            options.append(self._delimiter)
        return options

    def _advanced(self, inner: int, token: int) -> int:
        target = self._constraint.advance(inner, token)
        is_end = target == DEAD and token == self._delimiter and self._constraint.is_accepting(inner)
        return _AFTER_END if is_end else target
