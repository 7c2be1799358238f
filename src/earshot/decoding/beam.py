"""Beam search over tokens, with or without a constraint, for engines that write one token after the other.

The engine computes logits; a ``Beam`` decides which hypotheses live on. Hypotheses that spell the same text
(with another comma, a capital, a word cut elsewhere) are one text said once: their probabilities add up and the
likelier one goes on, so that four hypotheses are four different readings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from earshot.decoding.automaton import DEAD
from earshot.decoding.constraint import TokenConstraint

Logits = npt.NDArray[np.float32]

_HOPELESS = 12.0
"""Nats behind the best hypothesis at which one is given up: of a thousand orders none came back from there."""


_MORE_LETTERS = 40
"""Letters that a hypothesis may still bring to overtake one that is finished."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finished hypothesis. text: as the automaton spells it. log_prob: of all its spellings that were met.

    tokens: the likeliest of these spellings. path_log_prob: of that one alone, of which token_log_probs are the
    tokens'; the end has its own.
    """

    text: str
    tokens: tuple[int, ...]
    log_prob: float
    path_log_prob: float
    token_log_probs: tuple[float, ...] = ()


@dataclass(slots=True)
class _Hypothesis:
    text: str
    tokens: tuple[int, ...]
    log_prob: float
    path_log_prob: float
    token_log_probs: tuple[float, ...]
    state: int


class Beam:
    """The search for one recording.

    width: hypotheses that live side by side. end: the token that ends a sentence. control: tokens below this
    number, and ``end``, are never part of a text. max_tokens: longer hypotheses are given up. reward: nats that
    each letter of the text is worth while hypotheses are compared, since a decoder that hears badly would
    rather stop early; it is taken off again at the end.
    constraint: None for free decoding; then texts are told apart by their tokens.
    """

    def __init__(
        self,
        constraint: TokenConstraint | None,
        *,
        width: int,
        end: int,
        control: int,
        max_tokens: int,
        reward: float = 0.0,
    ) -> None:
        self.max_rows = width
        """How many hypotheses there may be."""
        self._constraint = constraint
        self._width = width
        self._end = end
        self._control = control
        self._max_tokens = max_tokens
        self._reward = reward
        start = constraint.start if constraint is not None else 0
        self._alive = [_Hypothesis("", (), 0.0, 0.0, (), start)]
        self._finished: dict[str, Found] = {}

    @property
    def last_tokens(self) -> list[int | None]:
        """The last token of each living hypothesis; None before the first."""
        return [hypothesis.tokens[-1] if hypothesis.tokens else None for hypothesis in self._alive]

    @property
    def texts(self) -> list[str]:
        """What each living hypothesis spells so far; empty without a constraint."""
        return [hypothesis.text for hypothesis in self._alive]

    @property
    def is_done(self) -> bool:
        """Whether no better hypothesis can come."""
        return not self._alive

    def found(self) -> list[Found]:
        """The finished hypotheses, the best first."""
        return sorted(self._finished.values(), key=lambda found: -self._worth(found))

    def extend(self, logits: Logits) -> list[int]:
        """One token more. logits: (living hypotheses, vocabulary). Returns the row that each one came from."""
        following: list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []
        totals = _log_sum_exp(logits)
        best = -math.inf
        for row, hypothesis in enumerate(self._alive):
            if self._may_end(hypothesis):
                self._finish(hypothesis, float(logits[row, self._end] - totals[row]))
            tokens, log_probs = self._best_tokens(hypothesis, logits[row])
            if len(tokens):
                gains = log_probs.astype(np.float64) - float(totals[row])
                best = max(best, hypothesis.log_prob + float(gains.max()))
                following.append((row, tokens, gains))
        candidates: list[tuple[float, int, int, float]] = []
        for row, tokens, gains in following:
            reached = self._alive[row].log_prob + gains
            candidates += [
                (float(reached[index]), row, int(tokens[index]), float(gains[index]))
                for index in np.flatnonzero(reached >= best - _HOPELESS)
            ]
        candidates.sort(reverse=True)
        return self._choose(candidates)

    def _worth(self, found: Found) -> float:
        return found.log_prob + self._reward * len(found.text)

    def _may_end(self, hypothesis: _Hypothesis) -> bool:
        return self._constraint is None or self._constraint.is_accepting(hypothesis.state)

    def _finish(self, hypothesis: _Hypothesis, end_log_prob: float) -> None:
        key = self._key(hypothesis.text, hypothesis.tokens)
        ending = Found(
            hypothesis.text,
            hypothesis.tokens,
            hypothesis.log_prob + end_log_prob,
            hypothesis.path_log_prob + end_log_prob,
            hypothesis.token_log_probs,
        )
        before = self._finished.get(key)
        if before is not None:
            better = max(before, ending, key=lambda found: found.path_log_prob)
            total = float(np.logaddexp(before.log_prob, ending.log_prob))
            ending = replace(better, log_prob=total)
        self._finished[key] = ending

    def _best_tokens(self, hypothesis: _Hypothesis, logits: Logits) -> tuple[npt.NDArray[np.int64], Logits]:
        """The likeliest tokens that may follow: a few more than the beam is wide, as some may lead nowhere."""
        if len(hypothesis.tokens) >= self._max_tokens:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        num_wanted = 4 * self._width
        if self._constraint is None:
            values = logits.copy()
            values[: self._control] = values[self._end] = -np.inf
            best = np.argpartition(-values, num_wanted)[:num_wanted]
            return best, values[best]
        options = self._constraint.options(hypothesis.state)
        values = logits[options]
        if len(options) > num_wanted:
            chosen = np.argpartition(-values, num_wanted)[:num_wanted]
            options, values = options[chosen], values[chosen]
        return options, values

    def _choose(self, candidates: list[tuple[float, int, int, float]]) -> list[int]:
        """The new living hypotheses, of candidates (log-probability, row, token, gain), the best first."""
        best = max((self._worth(found) for found in self._finished.values()), default=-math.inf)
        chosen: dict[str, _Hypothesis] = {}
        parents: list[int] = []
        for log_prob, row, token, gain in candidates:
            parent = self._alive[row]
            if log_prob + self._reward * (len(parent.text) + _MORE_LETTERS) < best:
                continue
            state, text = self._advanced(parent, token)
            if state == DEAD:
                continue
            tokens = (*parent.tokens, token)
            key = self._key(text, tokens)
            if (twin := chosen.get(key)) is not None:
                twin.log_prob = float(np.logaddexp(twin.log_prob, log_prob))
            elif len(chosen) < self._width:
                path = parent.path_log_prob + gain
                gains = (*parent.token_log_probs, gain)
                chosen[key] = _Hypothesis(text, tokens, log_prob, path, gains, state)
                parents.append(row)
        self._alive = list(chosen.values())
        return parents

    def _advanced(self, parent: _Hypothesis, token: int) -> tuple[int, str]:
        if self._constraint is None:
            return 0, ""
        state = self._constraint.advance(parent.state, token)
        return state, parent.text + self._constraint.spelled((token,)) if state != DEAD else ""

    def _key(self, text: str, tokens: tuple[int, ...]) -> str:
        return text if self._constraint is not None else str(tokens)


class Greedy:
    """Free decoding, the likeliest token each time; to be run beside beams.

    A beam would not do: in noise nothing at all is likelier than any one sentence, and greedy decoding goes on
    as long as a further token is likelier than the end.
    """

    max_rows = 1

    def __init__(self, *, end: int, max_tokens: int) -> None:
        self._end = end
        self._max_tokens = max_tokens
        self._tokens: list[int] = []
        self._log_probs: list[float] = []
        self._end_log_prob: float | None = None

    @property
    def last_tokens(self) -> list[int | None]:
        """The last token, while there may be more; None before the first."""
        if self.is_done:
            return []
        return [self._tokens[-1] if self._tokens else None]

    @property
    def is_done(self) -> bool:
        """Whether it came to its end, or to the limit."""
        return self._end_log_prob is not None or len(self._tokens) >= self._max_tokens

    def found(self) -> list[Found]:
        """What was written, ended or not."""
        total = sum(self._log_probs) + (self._end_log_prob or 0.0)
        return [Found("", tuple(self._tokens), total, total, tuple(self._log_probs))]

    def extend(self, logits: Logits) -> list[int]:
        """One token more. logits: (1, vocabulary)."""
        best = int(logits[0].argmax())
        log_prob = float(logits[0, best] - _log_sum_exp(logits)[0])
        if best == self._end:
            self._end_log_prob = log_prob
            return []
        self._tokens.append(best)
        self._log_probs.append(log_prob)
        return [] if self.is_done else [0]


def _log_sum_exp(logits: Logits) -> Logits:
    peak = logits.max(axis=-1)
    total: Logits = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=-1))
    return total
