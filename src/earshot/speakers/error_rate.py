"""How far a diarization is from the truth: diarization error rate, and words given to the wrong speaker.

The rate is that of pyannote.metrics (Bredin 2017), dscore and NIST's md-eval without a collar: overlapping
speech is scored, and labels are mapped one to one so that as much time as possible agrees.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from earshot.speakers.types import Turn

_Activity = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds of speaker time, so that two people at once for a second are two.

    total: what the reference holds. missed: of it, where fewer people were found than spoke. false_alarm: where
    more were found than spoke. confusion: where the number is right and the person wrong.
    mapping: labels of the hypothesis to those of the reference. Sums pool several recordings; they have none.
    """

    total: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0
    mapping: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def rate(self) -> float | None:
        """(missed + false alarm + confusion) / total; may exceed 1; None where nobody spoke."""
        return (self.missed + self.false_alarm + self.confusion) / self.total if self.total > 0 else None

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.total + other.total,
            self.missed + other.missed,
            self.false_alarm + other.false_alarm,
            self.confusion + other.confusion,
        )


def diarization_errors(reference: Sequence[Turn], hypothesis: Sequence[Turn]) -> DiarizationErrors:
    """Score one recording, collar 0, overlap counted, over all of it.

    Turns of one speaker that overlap one another count once. Empty and backward turns count as nothing.
    """
    times = sorted({time for turn in (*reference, *hypothesis) for time in (turn.start, turn.end)})
    durations = np.diff(np.array(times, np.float64))
    reference_names, spoken = _activity(reference, times)
    hypothesis_names, found = _activity(hypothesis, times)
    pairs = _best_pairs((spoken * durations) @ found.T.astype(np.float64))
    num_spoken, num_found = spoken.sum(axis=0), found.sum(axis=0)
    num_right = np.zeros(len(durations), np.int64)
    for row, column in pairs:
        num_right += spoken[row] & found[column]
    return DiarizationErrors(
        total=float(num_spoken @ durations),
        missed=float(np.maximum(num_spoken - num_found, 0) @ durations),
        false_alarm=float(np.maximum(num_found - num_spoken, 0) @ durations),
        confusion=float((np.minimum(num_spoken, num_found) - num_right) @ durations),
        mapping=MappingProxyType({hypothesis_names[column]: reference_names[row] for row, column in pairs}),
    )


def _activity(turns: Sequence[Turn], times: Sequence[float]) -> tuple[list[str], _Activity]:
    """Who speaks between two neighbouring times: the names, and (names, len(times) - 1)."""
    names = list(dict.fromkeys(turn.speaker for turn in turns))
    rows = {name: row for row, name in enumerate(names)}
    places = {time: place for place, time in enumerate(times)}
    active = np.zeros((len(names), max(0, len(times) - 1)), np.bool_)
    for turn in turns:
        active[rows[turn.speaker], places[turn.start] : places[turn.end]] = True
    return names, active


def _best_pairs(agreement: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """The rows and columns, each at most once, whose sum is largest; pairs that agree nowhere are left out."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(agreement, maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if agreement[r, c] > 0]


@dataclass(frozen=True, slots=True)
class WordSpeakerErrors:
    """Words given to the wrong speaker or to none. Sums pool several recordings."""

    num_words: int = 0
    num_wrong: int = 0

    @property
    def rate(self) -> float | None:
        """None where there are no words."""
        return self.num_wrong / self.num_words if self.num_words else None

    def __add__(self, other: WordSpeakerErrors) -> WordSpeakerErrors:
        return WordSpeakerErrors(self.num_words + other.num_words, self.num_wrong + other.num_wrong)


def word_speaker_errors(
    reference: Sequence[Hashable], hypothesis: Sequence[Hashable | None]
) -> WordSpeakerErrors:
    """Score the speakers of one recording's words, in the same order; None is a word without a speaker.

    Labels are mapped one to one so that as many words as possible agree.
    Raises ValueError when the lengths differ.
    """
    true_names, found_names = list(dict.fromkeys(reference)), list(dict.fromkeys(hypothesis))
    counts = np.zeros((len(true_names), len(found_names)))
    for true, found in zip(reference, hypothesis, strict=True):
        counts[true_names.index(true), found_names.index(found)] += found is not None
    num_right = sum(int(counts[row, column]) for row, column in _best_pairs(counts))
    return WordSpeakerErrors(len(reference), len(reference) - num_right)


def speaker_between(turns: Sequence[Turn], start: float, end: float) -> str | None:
    """Who speaks most of the time from ``start`` to ``end`` seconds; where nobody does, the nearest turn's.

    None where there are no turns. Of two who speak as long, the one whose turn is the shorter: an interjection
    is heard over a long turn, not under it.
    """
    if not turns:
        return None
    shares: dict[str, float] = {}
    shortest: dict[str, float] = {}
    for turn in turns:
        share = min(end, turn.end) - max(start, turn.start)
        if share > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + share
            shortest[turn.speaker] = min(shortest.get(turn.speaker, turn.duration), turn.duration)
    if shares:
        return max(shares, key=lambda name: (round(shares[name], 3), -shortest[name]))
    return min(turns, key=lambda turn: max(turn.start - end, start - turn.end)).speaker
