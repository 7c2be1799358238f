"""Word and character error rate: one rich result, from which every figure can be had.

The alignment is the Levenshtein one (each edit costs 1), found bit-parallel after Hyyrö ("A bit-vector
algorithm for computing Levenshtein and Damerau edit distances", Nordic Journal of Computing 10, 2003) on
Python's long integers; texts too long to keep all bit vectors are halved after Hirschberg (Communications of
the ACM 18, 1975). Uncertainty comes from resampling utterances after Bisani and Ney ("Bootstrap estimates for
confidence intervals in ASR performance evaluation", ICASSP 2004).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

EditKind: TypeAlias = Literal["hit", "substitution", "deletion", "insertion"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One column of an alignment. reference is None for an insertion, hypothesis for a deletion."""

    kind: EditKind
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The errors of a hypothesis against its reference, in words or characters.

    alignment: every edit in order; empty in a sum over utterances.
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    alignment: tuple[Edit, ...] = ()

    @property
    def num_errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Words or characters of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis_length(self) -> int:
        """Words or characters of the hypothesis."""
        return self.hits + self.substitutions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors over the reference's length: 0 or more, over 1 with many insertions.

        None when the reference is empty: then there is nothing to divide by.
        """
        return self.num_errors / self.reference_length if self.reference_length else None


def word_error_rate(
    reference: str, hypothesis: str, *, normalise: Callable[[str], str] | None = None
) -> ErrorRate:
    """Errors in words, parted at white space. normalise: applied to both texts first."""
    if normalise is not None:
        reference, hypothesis = normalise(reference), normalise(hypothesis)
    return _counted(align(reference.split(), hypothesis.split()))


def character_error_rate(
    reference: str, hypothesis: str, *, normalise: Callable[[str], str] | None = None
) -> ErrorRate:
    """Errors in characters (code points); white space counts, a run of it as one space."""
    if normalise is not None:
        reference, hypothesis = normalise(reference), normalise(hypothesis)
    return _counted(align(" ".join(reference.split()), " ".join(hypothesis.split())))


def total(rates: Iterable[ErrorRate]) -> ErrorRate:
    """The errors of a corpus: all utterances' edits over all their words, long utterances weighing more."""
    rates = list(rates)
    return ErrorRate(
        sum(rate.hits for rate in rates),
        sum(rate.substitutions for rate in rates),
        sum(rate.deletions for rate in rates),
        sum(rate.insertions for rate in rates),
    )


def _counted(alignment: tuple[Edit, ...]) -> ErrorRate:
    counts = Counter(edit.kind for edit in alignment)
    return ErrorRate(counts["hit"], counts["substitution"], counts["deletion"], counts["insertion"], alignment)


# --- alignment ---------------------------------------------------------------------------------------------

_MAX_BITS = 1_600_000_000  # 200 MB for the two bit vectors a hypothesis token


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Edit, ...]:
    """The edits that make the hypothesis of the reference, fewest first of all, in order.

    10,000 words take about 0.1 s, 55,000 characters about 2 s.
    """
    edits: list[Edit] = []
    pending = [(0, len(reference), 0, len(hypothesis))]
    while pending:
        start, end, first, last = pending.pop()
        # What both ends share is aligned in every best alignment that matters.
        prefix = _common_prefix(reference[start:end], hypothesis[first:last])
        edits += [Edit("hit", token, token) for token in reference[start : start + prefix]]
        part, other = reference[start + prefix : end], hypothesis[first + prefix : last]
        if 2 * len(part) * len(other) > _MAX_BITS and len(other) > 1:
            middle = len(other) // 2
            cut = start + prefix + _best_cut(part, other, middle)
            pending.append((cut, end, first + prefix + middle, last))
            pending.append((start + prefix, cut, first + prefix, first + prefix + middle))
        else:
            edits += _traced(part, other)
    return tuple(edits)


def wrong_letters(edit: Edit) -> list[tuple[str, bool]]:
    """The hypothesis of an edit in pieces, and whether each is wrong: for colours within a word.

    Marks stay with the letter before them. Empty for a deletion.
    """
    letters: list[tuple[str, bool]] = []
    for one in align(edit.reference or "", edit.hypothesis or ""):
        if one.hypothesis is None:
            continue
        is_wrong = one.kind != "hit"
        if letters and unicodedata.category(one.hypothesis)[0] == "M":
            before, was_wrong = letters.pop()
            letters.append((before + one.hypothesis, was_wrong or is_wrong))
        else:
            letters.append((one.hypothesis, is_wrong))
    groups = groupby(letters, key=lambda letter: letter[1])
    return [("".join(letter for letter, _ in group), is_wrong) for is_wrong, group in groups]


def _common_prefix(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    pairs = zip(reference, hypothesis, strict=False)
    return next(
        (index for index, (one, other) in enumerate(pairs) if one != other),
        min(len(reference), len(hypothesis)),
    )


def _columns(reference: Sequence[str], hypothesis: Iterable[str]) -> Iterable[tuple[int, int]]:
    """For each hypothesis token the vertical differences of its column of the distance matrix.

    Bit i of the first is set where D[i + 1] - D[i] = 1, of the second where it is -1.
    """
    mask = (1 << len(reference)) - 1
    positions = _Positions(reference)
    rises, falls = mask, 0
    for token in hypothesis:
        matches = positions.bits(token)
        diagonal = (((matches & rises) + rises) ^ rises) | matches | falls
        right_rises = falls | (mask & ~(diagonal | rises))
        right_falls = diagonal & rises
        right_rises = ((right_rises << 1) | 1) & mask
        right_falls = (right_falls << 1) & mask
        rises = right_falls | (mask & ~(diagonal | right_rises))
        falls = right_rises & diagonal
        yield rises, falls


class _Positions:
    """For each token of a text a long integer with the bits of its positions set."""

    # Rare tokens are set anew each time: kept, 100,000 words of a book would take 600 MB.
    _RARE = 8

    def __init__(self, text: Sequence[str]) -> None:
        self._num_bytes = len(text) // 8 + 1
        self._places: dict[str, list[int]] = {}
        self._kept: dict[str, int] = {}
        for index, token in enumerate(text):
            self._places.setdefault(token, []).append(index)

    def bits(self, token: str) -> int:
        """0 for a token that does not occur."""
        places = self._places.get(token)
        if places is None:
            return 0
        if len(places) <= self._RARE:
            return sum(1 << place for place in places)
        if token not in self._kept:
            # Through bytes: setting the bits of a long integer one by one copies it each time.
            field = bytearray(self._num_bytes)
            for place in places:
                field[place >> 3] |= 1 << (place & 7)
            self._kept[token] = int.from_bytes(field, "little")
        return self._kept[token]


def _traced(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """The alignment, walked back from the end through the stored columns."""
    columns = list(_columns(reference, hypothesis))
    edits: list[Edit] = []
    row, column = len(reference), len(hypothesis)
    while row and column:
        rises, _ = columns[column - 1]
        if rises >> (row - 1) & 1:
            row -= 1
            edits.append(Edit("deletion", reference[row], None))
            continue
        column -= 1
        if column and columns[column - 1][1] >> (row - 1) & 1:
            edits.append(Edit("insertion", None, hypothesis[column]))
            continue
        row -= 1
        kind: EditKind = "hit" if reference[row] == hypothesis[column] else "substitution"
        edits.append(Edit(kind, reference[row], hypothesis[column]))
    edits += [Edit("deletion", token, None) for token in reversed(reference[:row])]
    edits += [Edit("insertion", None, token) for token in reversed(hypothesis[:column])]
    return edits[::-1]


def _best_cut(reference: Sequence[str], hypothesis: Sequence[str], middle: int) -> int:
    """Where a best alignment cuts the reference when it cuts the hypothesis at ``middle``."""
    before = _last_column(reference, hypothesis[:middle])
    after = _last_column(reference[::-1], hypothesis[: middle - 1 : -1] if middle else hypothesis[::-1])
    return int((before + after[::-1]).argmin())


def _last_column(reference: Sequence[str], hypothesis: Sequence[str]) -> npt.NDArray[np.int64]:
    """Distances of all prefixes of the reference, (m + 1,), to the whole hypothesis."""
    rises, falls = (1 << len(reference)) - 1, 0
    for column in _columns(reference, hypothesis):
        rises, falls = column
    steps = _bits(rises, len(reference)) - _bits(falls, len(reference))
    return np.concatenate([[len(hypothesis)], len(hypothesis) + np.cumsum(steps)])


def _bits(number: int, count: int) -> npt.NDArray[np.int64]:
    raw = np.frombuffer(number.to_bytes(count // 8 + 1, "little"), np.uint8)
    return np.unpackbits(raw, bitorder="little")[:count].astype(np.int64)


# --- uncertainty -------------------------------------------------------------------------------------------


def confidence_interval(
    rates: Sequence[ErrorRate], *, level: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> tuple[float, float] | None:
    """Within which the corpus's error rate lies with probability ``level``, by resampling its utterances.

    Utterances are drawn as if independent; those of one speaker are not quite, so it is a little narrow. To
    resample speakers instead, give the ``total`` of each.
    Returns None when no reference holds a word. Equal seeds give equal intervals.
    """
    if not 0 < level < 1 or num_resamples < 1:
        raise ValueError("a level lies between 0 and 1, and there is at least one resample")
    resampled = _resampled_rates([rates], num_resamples, seed)
    return None if resampled is None else _middle(resampled[0], level)


def difference_interval(
    new: Sequence[ErrorRate],
    old: Sequence[ErrorRate],
    *,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Within which the rate of ``new`` less that of ``old`` lies with probability ``level``.

    new, old: as ``probability_of_improvement`` takes them; it sees the same resamples for the same seed.
    """
    _check_pairs(new, old)
    resampled = _resampled_rates([new, old], num_resamples, seed)
    return None if resampled is None else _middle(resampled[0] - resampled[1], level)


def probability_of_improvement(
    new: Sequence[ErrorRate], old: Sequence[ErrorRate], *, num_resamples: int = 1000, seed: int = 0
) -> float | None:
    """How probable it is that ``new`` is better on such utterances than ``old``; 0.5 for no difference.

    new, old: of the same utterances in the same order, resampled together. None when no reference holds a word.
    """
    _check_pairs(new, old)
    resampled = _resampled_rates([new, old], num_resamples, seed)
    if resampled is None:
        return None
    return float(np.mean(resampled[0] < resampled[1]) + np.mean(resampled[0] == resampled[1]) / 2)


def _check_pairs(new: Sequence[ErrorRate], old: Sequence[ErrorRate]) -> None:
    if len(new) != len(old):
        raise ValueError(f"{len(new)} and {len(old)} utterances cannot be compared one by one")


def _middle(values: npt.NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


_MOST_DRAWN = 20_000
"""Numbers drawn at once: resamples of a few utterances are quick together, and of many stay in the cache."""


def _resampled_rates(
    systems: Sequence[Sequence[ErrorRate]], num_resamples: int, seed: int
) -> list[npt.NDArray[np.float64]] | None:
    """Error rates of each system in each resample, (num_resamples,); the same utterances for all systems."""
    errors = np.array([[rate.num_errors for rate in rates] for rates in systems], np.float64)
    lengths = np.array([[rate.reference_length for rate in rates] for rates in systems], np.float64)
    if not errors.size or not lengths.sum(axis=1).all():
        return None
    generator = np.random.default_rng(seed)
    num_utterances = errors.shape[1]
    sums = np.empty((2, len(systems), num_resamples))
    step = max(1, _MOST_DRAWN // num_utterances)
    for start in range(0, num_resamples, step):
        part = slice(start, min(start + step, num_resamples))
        drawn = generator.integers(num_utterances, size=(part.stop - start, num_utterances))
        sums[0, :, part] = errors[:, drawn].sum(axis=2)
        sums[1, :, part] = lengths[:, drawn].sum(axis=2)
    has_words = sums[1].min(axis=0) > 0  # a draw of nothing but empty references says nothing
    return [sums[0, system, has_words] / sums[1, system, has_words] for system in range(len(systems))]
