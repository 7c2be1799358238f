"""Which command is it, or none? Prototypes in the embedding's space, each with a threshold from background.

A prototype is the mean of a command's examples (Snell, Swersky and Zemel 2017, "Prototypical networks"); the
nearest one names the command. Whether it is a command at all is another question. There a score is taken along
the direction that parts the prototype from background best (Fisher 1936), less the mean cosine to the nearest
pieces of background, so that what sounds like any speech scores low (after T-norm: Auckenthaler, Carey and
Lloyd-Thomas 2000). How often background scores how high is known; the user says how many false alarms an hour
may bring, and the threshold follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earshot.commands.embedding import Background, Matrix, Space
from earshot.commands.store import Command
from earshot.core.errors import CommandError

SHORTEST, LONGEST = 0.55, 1.7
"""A command is said this much shorter or longer than it was taught."""

_NUM_NEAREST = 20
"""Pieces of background that a score is relative to."""

_RIDGE = 1.0
"""Mean variances added to each direction's variance of the background. Commands at the thresholds for 0.05
false alarms an hour: 89 % recognized, 80 % along the prototype itself."""

_TAIL = 0.05
"""Share of the background whose scores are taken for the tail."""

_MARGIN_OF_NEGATIVE = 0.02
"""What was rejected must score at least so much below the threshold."""

_STEEPNESS = 0.04
"""Score beyond the threshold at which a confidence of 0.5 has become 0.73."""


@dataclass(frozen=True, slots=True)
class Decision:
    """label: None for no command. score: of the nearest command, None without one of like duration.

    confidence: 0.5 at the threshold, in [0, 1].
    """

    label: str | None
    score: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Tail:
    """The rate of background scores beyond ``start``: an exponential (Balkema and de Haan 1974).

    rate: pieces an hour above start; scale: mean excess.
    """

    start: float
    rate: float
    scale: float

    def false_alarms(self, threshold: float) -> float:
        """Pieces per hour of speech that score above ``threshold``, at most those above start."""
        return self.rate * math.exp(min(0.0, -(threshold - self.start) / self.scale))

    def threshold(self, false_alarms_per_hour: float) -> float:
        """The score that so many pieces an hour exceed."""
        return self.start + self.scale * max(0.0, math.log(self.rate / false_alarms_per_hour))


class Cohort:
    """Background as a measure of what is nothing special.

    own: more of it, by the user, for which thresholds hold as well.
    """

    def __init__(self, background: Background, own: Background | None = None) -> None:
        self._background = background
        self._backgrounds = [background, *([] if own is None else [own])]
        self._middle = background.vectors.mean(axis=0)
        spread = np.cov(background.vectors.T)
        size = len(spread)
        self._precision = np.linalg.inv(spread + _RIDGE * np.trace(spread) / size * np.eye(size))

    def direction(self, prototype: Matrix) -> Matrix:
        """The unit vector along which a prototype (d,) is parted from background best."""
        return _unit(np.asarray(self._precision @ (prototype - self._middle), np.float32))

    def level(self, embedding: Matrix) -> float:
        """Mean cosine of an embedding (d,) to the background nearest to it."""
        return float(mean_of_largest((self._background.vectors @ embedding)[None])[0])

    def threshold(self, direction: Matrix, duration: float, false_alarms_per_hour: float) -> float:
        """Of the score of commands of about that duration in seconds along a direction (d,)."""
        return max(tail.threshold(false_alarms_per_hour) for tail in self._tails(direction, duration))

    def false_alarms(self, direction: Matrix, duration: float, threshold: float) -> float:
        """An hour, at a threshold."""
        return max(tail.false_alarms(threshold) for tail in self._tails(direction, duration))

    def _tails(self, direction: Matrix, duration: float) -> list[Tail]:
        """How high background of about that duration scores."""
        tails = []
        for background in self._backgrounds:
            durations = background.durations
            is_like = (durations >= SHORTEST * duration) & (durations <= LONGEST * duration)
            scores = background.vectors @ direction - background.levels
            if is_like.sum() >= 100:  # very long commands share the tail of all
                scores = scores[is_like]
            tails.append(tail_of(scores, background.hours))
        return tails


def tail_of(scores: Matrix, hours: float, *, caution: float = 1.0, share: float = _TAIL) -> Tail:
    """Of background scores (n,) from so many hours of speech.

    caution: how many times as many other recordings are taken to bring. share: of the scores, for the tail.
    """
    ordered = np.sort(scores)[::-1]
    num_tail = max(1, round(share * len(ordered)))
    start = float(ordered[num_tail])
    scale = max(float((ordered[:num_tail] - start).mean()), 1e-3)
    return Tail(start, caution * num_tail / hours, scale)


def check_rate(false_alarms_per_hour: float) -> None:
    """Raise CommandError where that is no rate."""
    if not 0 < false_alarms_per_hour < math.inf:
        raise CommandError(
            f"false alarms per hour are positive, not {false_alarms_per_hour:g}", fix="0.5 is usual"
        )


class CommandClassifier:
    """Tells the commands of a store apart and from everything else.

    false_alarms_per_hour: of speech without commands, all commands together; it is shared out among them.
    own: see ``Cohort``. Raises CommandError where that is no rate.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        space: Space,
        *,
        false_alarms_per_hour: float = 0.5,
        own: Background | None = None,
    ) -> None:
        check_rate(false_alarms_per_hour)
        self.commands = tuple(commands)
        self.labels = tuple(command.label for command in commands)
        self._cohort = cohort = Cohort(space.background, own)
        rows = [prototype([example.embeddings for example in command.positives]) for command in commands]
        self._prototypes = np.stack(rows) if rows else np.empty((0, space.size), np.float32)
        # Copies make a command easier to tell from others, and more like any speech: at as many false alarms as
        # were asked for 93.0 % were found with them, 94.4 % without.
        said = [[example.embeddings[:1] for example in command.positives] for command in commands]
        self._directions = [cohort.direction(prototype(examples)) for examples in said]
        self._durations = np.array([command.duration for command in commands])
        share = false_alarms_per_hour / max(1, len(commands))
        self.thresholds = tuple(
            max(cohort.threshold(row, command.duration, share), _over_negatives(command, row, cohort))
            for command, row in zip(commands, self._directions, strict=True)
        )

    def nearest(self, embedding: Matrix) -> str:
        """The most similar command, however far it is. Raises CommandError when there is none."""
        if not self.labels:
            raise CommandError("nothing is taught yet")
        return self.labels[int(np.argmax(self._prototypes @ embedding))]

    def decide(self, embedding: Matrix, duration: float) -> Decision:
        """Of one clip. embedding: (d,); duration: seconds of sound in it."""
        ratio = duration / self._durations
        candidates = np.flatnonzero((ratio >= SHORTEST) & (ratio <= LONGEST))
        if not len(candidates):
            return Decision(None, None, 0.0)
        cosines = self._prototypes[candidates] @ embedding
        best = int(candidates[np.argmax(cosines)])
        score = float(self._directions[best] @ embedding) - self._cohort.level(embedding)
        excess = score - self.thresholds[best]
        confidence = 1 / (1 + math.exp(-max(-50.0, min(50.0, excess / _STEEPNESS))))
        return Decision(self.labels[best] if excess >= 0 else None, score, confidence)


def prototype(embeddings: Sequence[Matrix]) -> Matrix:
    """The unit vector in the middle of a command's examples; each example counts once, copies and all."""
    middle = np.mean([_unit(matrix.mean(axis=0)) for matrix in embeddings], axis=0)
    return _unit(np.asarray(middle, np.float32))


def _unit(vector: Matrix) -> Matrix:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def mean_of_largest(likeness: Matrix) -> Matrix:
    """Of the largest cosines of each row: (n, m) → (n,)."""
    count = min(_NUM_NEAREST, likeness.shape[1])
    return np.asarray(np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1), np.float32)


def _over_negatives(command: Command, row: Matrix, cohort: Cohort) -> float:
    """A threshold that keeps out what the user said was not the command."""
    rejected = [example.embeddings[0] for example in command.negatives]
    scores = [float(vector @ row) - cohort.level(vector) for vector in rejected]
    return max(scores, default=-2.0) + _MARGIN_OF_NEGATIVE
