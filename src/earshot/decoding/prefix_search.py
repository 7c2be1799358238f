"""Prefix search over the frames of a CTC net: all prefixes of the beam at once, in arrays.

A text's probability is the sum over all frame-by-frame paths that collapse to it (Graves 2012, "Supervised
sequence labelling with recurrent neural networks", section 7.5; Hannun et al. 2014, "First-pass large
vocabulary continuous speech recognition using bi-directional recurrent DNNs"). What is likely to be said, or
allowed, comes in as a ``Fusion``: a language model of words or letters, hot words, a grammar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.decoding.ctc import LogProbs

Numbers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Hashes of prefixes: of 64 bits, so that two of a million texts are confused once in 10⁷ searches."""

NEVER = -1e30
"""The score of what may not be: no infinity, so that differences are numbers."""


class Fusion(Protocol):
    """What knows which texts are likely. States are numbers; all arrays have the shape (n,).

    start: the state before the first token.
    """

    start: int

    def extend(self, states: Numbers, tokens: Numbers) -> tuple[Doubles, Numbers]:
        """What a token adds to the score of a text in this state (``NEVER``: it may not); the next state."""
        ...

    def finish(self, states: Numbers) -> Doubles:
        """What ending adds to the score (``NEVER``: the text may not end here)."""
        ...


@dataclass(frozen=True, slots=True)
class BeamOptions:
    """How wide to search. width: prefixes that live on from frame to frame.

    margin: nats behind the best at which a prefix is given up. token_floor: log-probability below which a token
    is not looked at in a frame, and sure_blank: probability of the blank above which no token is: nets are sure
    of most frames, and three in four then cost next to nothing.
    """

    width: int = 100
    margin: float = 14.0
    token_floor: float = -9.2
    sure_blank: float = 0.999

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a beam is at least one wide, not {self.width}")
        if not self.margin > 0:
            raise ValueError(f"a margin is above 0 nats, not {self.margin}")


EXHAUSTIVE = BeamOptions(margin=math.inf, token_floor=-math.inf, sure_blank=1.0)
"""Nothing is left out but by the width: for grammars, of which the net may hold little."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that was found. log_prob: of all its paths under the net; score: with what the fusion added."""

    tokens: tuple[int, ...]
    log_prob: float
    score: float


@dataclass(slots=True)
class _Beam:
    """Living prefixes, one a row. blank, token: log-probabilities of paths that end in the blank, in ``last``.

    fused: what the fusion has added. nodes: where each stands in the history; parents: hashes without ``last``.
    """

    blank: Doubles
    token: Doubles
    fused: Doubles
    states: Numbers
    last: Numbers
    nodes: Numbers
    hashes: Hashes
    parents: Hashes

    def taken(self, rows: Numbers) -> _Beam:
        return _Beam(*(getattr(self, name)[rows] for name in _FIELDS))


_FIELDS = tuple(_Beam.__dataclass_fields__)


class PrefixSearch:
    """The search of one recording: ``accept`` frames, then ``found``."""

    def __init__(self, blank: int, fusion: Fusion, options: BeamOptions | None = None) -> None:
        self._blank = blank
        self._fusion = fusion
        self._options = options or BeamOptions()
        one = np.zeros(1, np.int64)
        self._beam = _Beam(
            np.zeros(1),
            np.full(1, -np.inf),
            np.zeros(1),
            one + fusion.start,
            one - 1,
            one,
            *(np.ones(1, np.uint64),) * 2,
        )
        self._history: list[tuple[Numbers, Numbers]] = [(one - 1, one - 1)]  # parent nodes, tokens
        self._num_nodes = 1

    def accept(self, log_probs: LogProbs) -> None:
        """Take frames: (frames, tokens), natural logarithms."""
        frames = np.asarray(log_probs, np.float64)
        is_sure = frames[:, self._blank] > math.log(self._options.sure_blank)
        for frame, sure in zip(frames, is_sure, strict=True):
            if not len(self._beam.blank):
                return  # all that was left is impossible
            if sure:
                self._stay(frame)
            else:
                self._step(frame)

    def found(self, num_best: int = 1) -> list[Hypothesis]:
        """The texts that may end here, the best first; none where nothing may."""
        beam = self._beam
        log_probs = np.logaddexp(beam.blank, beam.token)
        scores = log_probs + beam.fused + self._fusion.finish(beam.states)
        order = np.argsort(-scores, kind="stable")
        return [
            Hypothesis(self._tokens(int(beam.nodes[row])), float(log_probs[row]), float(scores[row]))
            for row in order[:num_best].tolist()
            if scores[row] > NEVER / 2
        ]

    def _tokens(self, node: int) -> tuple[int, ...]:
        parents = np.concatenate([part[0] for part in self._history])
        tokens = np.concatenate([part[1] for part in self._history])
        self._history = [(parents, tokens)]
        path: list[int] = []
        while node > 0:
            path.append(int(tokens[node]))
            node = int(parents[node])
        return tuple(reversed(path))

    def _stay(self, frame: Doubles) -> None:
        beam = self._beam
        total = np.logaddexp(beam.blank, beam.token)
        beam.token = beam.token + frame[beam.last]  # the empty prefix has no such paths, whatever is added
        beam.blank = total + frame[self._blank]

    def _step(self, frame: Doubles) -> None:
        beam, options = self._beam, self._options
        total = np.logaddexp(beam.blank, beam.token)
        tokens = self._likely(frame)
        longer = np.where(beam.last[:, None] == tokens, beam.blank[:, None], total[:, None]) + frame[tokens]
        self._stay(frame)
        self._merge(longer, tokens)
        stayed = np.logaddexp(beam.blank, beam.token) + beam.fused
        scores = longer + beam.fused[:, None]
        rows, columns = np.nonzero(scores > max(stayed.max(), scores.max(initial=-np.inf)) - options.margin)
        gains, states = self._fusion.extend(beam.states[rows], tokens[columns])
        together = np.concatenate([stayed, scores[rows, columns] + gains])
        chosen = self._chosen(together)
        kept, new = chosen[chosen < len(stayed)], chosen[chosen >= len(stayed)] - len(stayed)
        self._beam = self._joined(
            beam.taken(kept),
            rows[new],
            tokens[columns[new]],
            longer[rows[new], columns[new]],
            gains[new],
            states[new],
        )

    def _likely(self, frame: Doubles) -> Numbers:
        is_likely = frame > self._options.token_floor
        is_likely[self._blank] = False
        return np.flatnonzero(is_likely)

    def _merge(self, longer: Doubles, tokens: Numbers) -> None:
        """Give prefixes of the beam what reaches them from their parents in the beam, and take it out."""
        beam = self._beam
        order = np.argsort(beam.hashes)
        places = np.minimum(beam.hashes.searchsorted(beam.parents, sorter=order), len(order) - 1)
        parents = order[places]
        columns = np.minimum(tokens.searchsorted(beam.last), max(len(tokens) - 1, 0))
        if not len(tokens):
            return
        children = np.flatnonzero((beam.hashes[parents] == beam.parents) & (tokens[columns] == beam.last))
        cells = parents[children], columns[children]
        beam.token[children] = np.logaddexp(beam.token[children], longer[cells])
        longer[cells] = -np.inf

    def _chosen(self, scores: Doubles) -> Numbers:
        """The best ones, in their order, none further behind than the margin."""
        floor = max(float(scores.max()) - self._options.margin, NEVER / 2)
        width = self._options.width
        if len(scores) > width:
            floor = max(floor, float(np.partition(scores, -width)[-width]))
        return np.flatnonzero(scores >= floor)

    def _joined(
        self, kept: _Beam, rows: Numbers, tokens: Numbers, paths: Doubles, gains: Doubles, states: Numbers
    ) -> _Beam:
        """The next beam: prefixes that stay and prefixes that are new, children of ``rows``."""
        if not len(rows):
            return kept
        before = self._beam
        self._history.append((before.nodes[rows], tokens))
        nodes = np.arange(self._num_nodes, self._num_nodes + len(rows))
        self._num_nodes += len(rows)
        parents = before.hashes[rows]
        hashes = parents * _FACTOR + tokens.astype(np.uint64) + np.uint64(1)
        fused = before.fused[rows] + gains
        new = (np.full(len(rows), -np.inf), paths, fused, states, tokens, nodes, hashes, parents)
        return _Beam(
            *(np.concatenate([getattr(kept, name), values]) for name, values in zip(_FIELDS, new, strict=True))
        )
