"""How well does a recognizer do? Error rates with intervals, by speaker and by length, and where it errs.

Intervals come from resampling whole utterances, and where there are enough of them whole speakers, after Bisani
and Ney ("Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004): the
utterances of one voice err alike, so the interval over speakers is the honest one for voices yet unheard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from earshot.core.errors import CorpusError
from earshot.corpora.findings import Finding, Findings
from earshot.text.error_rate import (
    ErrorRate,
    character_error_rate,
    confidence_interval,
    difference_interval,
    probability_of_improvement,
    total,
    word_error_rate,
)
from earshot.text.normalise import normalise, normalise_english

MIN_SPEAKERS: Final = 10
"""From so many on speakers are resampled too: of fewer the interval is too narrow to be honest."""

_FEWEST: Final = 5
"""Utterances; of fewer there is no interval: resampling one utterance would claim certainty."""

_SECONDS: Final = (2, 5, 10, 20)
_WORDS: Final = (3, 7, 15, 30)
"""Borders between lengths, in seconds or, where these are unknown, in words."""

Interval: TypeAlias = tuple[float, float]
Of: TypeAlias = Literal["words", "letters"]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How texts are made comparable. description: for the reader of a figure."""

    apply: Callable[[str], str]
    description: str


NORMALISATIONS: Final[Mapping[str, Normalisation]] = MappingProxyType(
    {
        "plain": Normalisation(normalise, "lower case, no punctuation"),
        "english": Normalisation(
            normalise_english, "lower case, no punctuation, English numbers, contractions and spelling unified"
        ),
        "none": Normalisation(lambda text: " ".join(text.split()), "as they are written"),
    }
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Errors over many utterances. interval: of 95 %, utterances resampled; over_speakers: speakers resampled,
    None where there are fewer than ``MIN_SPEAKERS``. Either is None for fewer than five utterances.
    """

    errors: ErrorRate
    interval: Interval | None = None
    over_speakers: Interval | None = None

    @property
    def value(self) -> float | None:
        """Errors over the references' length."""
        return self.errors.rate


@dataclass(frozen=True, slots=True)
class Scored:
    """An utterance and its errors. words: with their alignment; letters: without."""

    finding: Finding
    words: ErrorRate
    letters: ErrorRate


@dataclass(frozen=True, slots=True)
class Group:
    """Utterances of one speaker, or of one length. seconds: of all of them, None where some is unknown."""

    name: str
    num_utterances: int
    seconds: float | None
    words: Rate
    letters: Rate


@dataclass(frozen=True, slots=True)
class Spelling:
    """Letters of what was recognized at all.

    confused: pairs (letter, what was written for it) with their counts, the commonest first; left_out, added:
    letters with their counts. never: letters of the references that were not written once, and how often they
    should have been. A space is " ".
    """

    confused: tuple[tuple[tuple[str, str], int], ...]
    left_out: tuple[tuple[str, int], ...]
    added: tuple[tuple[str, int], ...]
    never: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """utterances: the worst first. num_speakers: 0 where none is known. by_length: the short ones first."""

    findings: Findings
    normalisation: str
    utterances: tuple[Scored, ...]
    words: Rate
    letters: Rate
    num_speakers: int
    seconds: float | None
    by_speaker: tuple[Group, ...]
    by_length: tuple[Group, ...]
    spelling: Spelling

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What could not be recognized; it counts as left out, every word of it."""
        return tuple(one.finding for one in self.utterances if one.finding.failure is not None)


def evaluate(findings: Findings, normalisation: str = "plain") -> Evaluation:
    """Score what was heard. normalisation: of ``NORMALISATIONS``.

    Raises CorpusError where the texts hold no word.
    """
    scored, spelling = _scored(findings.findings, NORMALISATIONS[normalisation].apply)
    if not any(one.words.reference_length for one in scored):
        raise CorpusError(f"the texts of {findings.manifest} hold no word", fix="name a manifest with texts")
    speakers = {one.finding.speaker for one in scored if one.finding.speaker}
    return Evaluation(
        findings,
        normalisation,
        tuple(sorted(scored, key=_badness, reverse=True)),
        _rate(scored, "words"),
        _rate(scored, "letters"),
        len(speakers),
        _seconds(scored),
        _by_speaker(scored) if speakers else (),
        _by_length(scored),
        spelling,
    )


def _scored(findings: Iterable[Finding], normalised: Callable[[str], str]) -> tuple[list[Scored], Spelling]:
    scored = []
    pairs: Counter[tuple[str | None, str | None]] = Counter()
    wanted: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for finding in findings:
        text, heard = normalised(finding.text), normalised(finding.heard)
        letters = character_error_rate(text, heard)
        # The alignment of every letter of a large corpus would fill the memory.
        scored.append(Scored(finding, word_error_rate(text, heard), replace(letters, alignment=())))
        wanted.update(text)
        written.update(heard)
        if finding.failure is None:
            pairs.update((edit.reference, edit.hypothesis) for edit in letters.alignment if edit.kind != "hit")
    return scored, _spelling(pairs, wanted, written)


def _spelling(
    pairs: Counter[tuple[str | None, str | None]], wanted: Counter[str], written: Counter[str]
) -> Spelling:
    confused: list[tuple[tuple[str, str], int]] = []
    left_out: list[tuple[str, int]] = []
    added: list[tuple[str, int]] = []
    for (letter, instead), count in sorted(pairs.items(), key=lambda item: -item[1]):
        if letter is None:
            added.append((instead or "", count))
        elif instead is None:
            left_out.append((letter, count))
        else:
            confused.append(((letter, instead), count))
    never = [(letter, count) for letter, count in wanted.most_common() if not written[letter]]
    return Spelling(tuple(confused), tuple(left_out), tuple(added), tuple(never))


def _badness(one: Scored) -> tuple[bool, float, int]:
    rate = one.letters.rate
    if rate is None:  # nothing is said in it, so every word is one too many
        rate = float(one.letters.num_errors > 0)
    return one.finding.failure is not None, rate, one.letters.num_errors


# --- groups ------------------------------------------------------------------------------------------------


def _errors(scored: Iterable[Scored], of: Of) -> list[ErrorRate]:
    return [one.words if of == "words" else one.letters for one in scored]


def _by_name(scored: Iterable[Scored]) -> dict[str | None, list[Scored]]:
    parts: dict[str | None, list[Scored]] = defaultdict(list)
    for one in scored:
        parts[one.finding.speaker or None].append(one)
    return parts


def _units(scored: Sequence[Scored], of: Of) -> list[ErrorRate] | None:
    """The errors of each speaker, None where too few are known. Nameless utterances stand for themselves."""
    parts = _by_name(scored)
    nameless = parts.pop(None, [])
    if len(parts) < MIN_SPEAKERS:
        return None
    return [*(total(_errors(part, of)) for part in parts.values()), *_errors(nameless, of)]


def _rate(scored: Sequence[Scored], of: Of) -> Rate:
    errors = _errors(scored, of)
    units = _units(scored, of)
    return Rate(total(errors), _interval(errors), None if units is None else _interval(units))


def _interval(errors: Sequence[ErrorRate]) -> Interval | None:
    return confidence_interval(errors) if len(errors) >= _FEWEST else None


def _seconds(scored: Iterable[Scored]) -> float | None:
    lengths = [one.finding.duration for one in scored]
    return None if None in lengths else sum(length or 0.0 for length in lengths)


def _group(name: str, scored: Sequence[Scored]) -> Group:
    words, letters = _errors(scored, "words"), _errors(scored, "letters")
    rates = (Rate(total(errors), _interval(errors)) for errors in (words, letters))
    return Group(name, len(scored), _seconds(scored), *rates)


def _by_speaker(scored: Sequence[Scored]) -> tuple[Group, ...]:
    """The one who is understood worst first."""
    groups = [_group(name or "unknown", part) for name, part in _by_name(scored).items()]
    return tuple(sorted(groups, key=lambda group: -(group.words.value or 0.0)))


def _by_length(scored: Sequence[Scored]) -> tuple[Group, ...]:
    in_seconds = _seconds(scored) is not None
    borders, unit = (_SECONDS, "s") if in_seconds else (_WORDS, "words")
    parts: dict[int, list[Scored]] = defaultdict(list)
    for one in scored:
        length = (one.finding.duration or 0.0) if in_seconds else one.words.reference_length
        parts[sum(length >= border for border in borders)].append(one)
    names = [f"under {borders[0]} {unit}"]
    names += [f"{low} to {high} {unit}" for low, high in pairwise(borders)]
    names.append(f"{borders[-1]} {unit} and more")
    return tuple(_group(names[place], parts[place]) for place in sorted(parts))


# --- two of them -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two recognizers on the same utterances. change: the new rate less the old one; below 0 is better.

    interval: of the change, 95 %, both resampled together. probability: that the new one is better.
    resampled: what was drawn, speakers where there are enough of them.
    """

    old: Rate
    new: Rate
    change: float
    interval: Interval
    probability: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """over_speakers: whether speakers were resampled. num_better, num_worse: utterances, by their words."""

    words: Difference
    letters: Difference
    over_speakers: bool
    num_better: int
    num_worse: int


def compare(old: Evaluation, new: Evaluation) -> Comparison:
    """Whether ``new`` does better than ``old``. Raises CorpusError where their utterances are not the same."""
    if old.findings.id != new.findings.id:
        raise CorpusError(
            f"{old.findings.manifest} and {new.findings.manifest} are not the same manifest",
            fix="evaluate both on one",
        )
    olds, news = _in_order(old), _in_order(new)
    if [one.finding.index for one in olds] != [one.finding.index for one in news]:
        raise CorpusError(
            f"one has {len(olds)} utterances, the other {len(news)}, and not the same ones",
            fix="evaluate the rest of both",
        )
    steps = [two.words.num_errors - one.words.num_errors for one, two in zip(olds, news, strict=True)]
    return Comparison(
        _difference(old.words, new.words, olds, news, "words"),
        _difference(old.letters, new.letters, olds, news, "letters"),
        _units(olds, "words") is not None,
        sum(step < 0 for step in steps),
        sum(step > 0 for step in steps),
    )


def _in_order(evaluation: Evaluation) -> list[Scored]:
    return sorted(evaluation.utterances, key=lambda one: one.finding.index)


def _difference(old: Rate, new: Rate, olds: list[Scored], news: list[Scored], of: Of) -> Difference:
    # Speakers as the old one tells them: the same for both.
    named = [replace(two, finding=one.finding) for one, two in zip(olds, news, strict=True)]
    before = _units(olds, of) or _errors(olds, of)
    after = _units(named, of) or _errors(news, of)
    interval = difference_interval(after, before)
    probability = probability_of_improvement(after, before)
    assert interval is not None
    assert probability is not None  # both have words, or they could not be evaluated
    return Difference(old, new, (new.value or 0.0) - (old.value or 0.0), interval, probability)
