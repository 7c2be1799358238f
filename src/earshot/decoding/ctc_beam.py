"""Beam search over the frames of a CTC net, with or without a constraint.

Prefix search: a text's probability is the sum over all frame-by-frame paths that collapse to it (Graves 2012,
"Supervised sequence labelling with recurrent neural networks", section 7.5; Hannun et al. 2014,
"First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs").
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from earshot.decoding.automaton import DEAD
from earshot.decoding.beam import Found
from earshot.decoding.constraint import TokenConstraint
from earshot.decoding.ctc import LogProbs

_NEVER = -math.inf


@dataclass(slots=True)
class _Prefix:
    """Log-probabilities of the paths that end in the blank and in the last token."""

    blank: float = _NEVER
    token: float = _NEVER

    @property
    def total(self) -> float:
        return float(np.logaddexp(self.blank, self.token))


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
    start = constraint.advance(constraint.start, delimiter) if delimiter is not None else constraint.start
    prefixes: dict[tuple[int, ...], _Prefix] = {(): _Prefix(blank=0.0)}
    states: dict[tuple[int, ...], int] = {(): start}
    for frame in log_probs:
        prefixes = _extended(prefixes, states, frame, blank, constraint, delimiter)
        best = sorted(prefixes.items(), key=lambda item: -item[1].total)[:width]
        prefixes = dict(best)
        states = {tokens: states[tokens] for tokens in prefixes}
    return _finished(prefixes, states, constraint, delimiter)


def _extended(
    prefixes: dict[tuple[int, ...], _Prefix],
    states: dict[tuple[int, ...], int],
    frame: LogProbs,
    blank: int,
    constraint: TokenConstraint,
    delimiter: int | None,
) -> dict[tuple[int, ...], _Prefix]:
    """The prefixes after one more frame; ``states`` gains those of new prefixes."""
    reached: dict[tuple[int, ...], _Prefix] = defaultdict(_Prefix)
    for tokens, prefix in prefixes.items():
        total = prefix.total
        here = reached[tokens]
        here.blank = float(np.logaddexp(here.blank, total + frame[blank]))
        last = tokens[-1] if tokens else None
        if last is not None:
            here.token = float(np.logaddexp(here.token, prefix.token + frame[last]))
        for token in _options(constraint, states[tokens], delimiter):
            longer = (*tokens, token)
            if longer not in states:
                states[longer] = _advanced(constraint, states[tokens], token, delimiter)
            if states[longer] == DEAD:
                continue
            before = prefix.blank if token == last else total
            there = reached[longer]
            there.token = float(np.logaddexp(there.token, before + frame[token]))
    return reached


_AFTER_END = -2
"""A state: the sentence is over and the delimiter behind it is written."""


def _options(constraint: TokenConstraint, state: int, delimiter: int | None) -> Iterable[int]:
    if state == _AFTER_END:
        return ()
    options: list[int] = constraint.options(state).tolist()
    if delimiter is not None and constraint.is_accepting(state) and delimiter not in options:
        options.append(delimiter)
    return options


def _advanced(constraint: TokenConstraint, state: int, token: int, delimiter: int | None) -> int:
    target = constraint.advance(state, token)
    is_end = target == DEAD and token == delimiter and constraint.is_accepting(state)
    return _AFTER_END if is_end else target


def _finished(
    prefixes: dict[tuple[int, ...], _Prefix],
    states: dict[tuple[int, ...], int],
    constraint: TokenConstraint,
    delimiter: int | None,
) -> list[Found]:
    found: dict[str, Found] = {}
    lead = constraint.spelled((delimiter,)) if delimiter is not None else ""
    for tokens, prefix in prefixes.items():
        said = tokens[:-1] if tokens and tokens[-1] == delimiter else tokens
        is_over = states[tokens] == _AFTER_END or constraint.is_accepting(states.get(said, DEAD))
        if not said or not is_over:
            continue
        text = lead + constraint.spelled(said)
        total = prefix.total
        if (before := found.get(text)) is not None:
            total = float(np.logaddexp(before.log_prob, total))
        found[text] = Found(text, said, total, total)
    return sorted(found.values(), key=lambda one: -one.log_prob)
