"""Is a corpus fit to learn from? Every utterance is looked at and listened to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum

from earshot.core.errors import AudioError
from earshot.core.progress import ProgressCallback
from earshot.core.runtime import num_cores
from earshot.corpora.letters import count_letters, letters_of, usual_alphabet
from earshot.corpora.manifest import Manifest
from earshot.corpora.measuring import Measured, Sound, measure
from earshot.corpora.utterance import Utterance
from earshot.decoding.ctc import frames_needed
from earshot.visual.level import decibels


class Defect(StrEnum):
    """What can be wrong with an utterance."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    OUTSIDE = "outside"
    DURATION = "duration"
    EMPTY_TEXT = "empty-text"
    FOREIGN = "foreign-letters"
    CLIPPED = "clipped"
    SILENT = "silent"
    DUPLICATE = "duplicate"
    TOO_SHORT = "too-short"


UNUSABLE = frozenset(
    {Defect.MISSING, Defect.UNREADABLE, Defect.OUTSIDE, Defect.EMPTY_TEXT, Defect.SILENT, Defect.TOO_SHORT}
)
"""Nothing can be learned from these."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What counts as a defect.

    alphabet: the letters that may occur, None to find out by their frequencies. frame_shift: seconds from one
    output of the net to the next, which says how short a recording of so many letters may be; a net that takes
    one in four frames of 10 ms has 0.04. tolerance: seconds by which a duration may be wrong.
    silence_db: dBFS; a louder peak is no silence. clipped_share: of the samples, from which on it counts.
    """

    alphabet: frozenset[str] | None = None
    frame_shift: float = 0.02
    tolerance: float = 0.1
    silence_db: float = -50.0
    clipped_share: float = 1e-3


@dataclass(frozen=True, slots=True)
class Issue:
    """A defect of one utterance. index: which; place: file and line; detail: one line."""

    index: int
    place: str
    defect: Defect
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.defect}: {self.detail}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found. durations: seconds as measured, None where nothing could be read.

    letters: how often each occurs; foreign: those outside the alphabet.
    """

    issues: tuple[Issue, ...]
    durations: tuple[float | None, ...]
    letters: Counter[str]
    foreign: Counter[str]

    @property
    def counts(self) -> Counter[Defect]:
        """Utterances with each defect."""
        return Counter(issue.defect for issue in self.issues)


def check_manifest(
    manifest: Manifest,
    options: CheckOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
    num_threads: int | None = None,
) -> CheckReport:
    """Look at every utterance. progress: utterances. Recordings are decoded in ``num_threads`` threads."""
    options = options or CheckOptions()
    letters = count_letters(one.text for one in manifest if one.text)
    alphabet = options.alphabet if options.alphabet is not None else usual_alphabet(letters)
    issues: list[Issue] = []
    sounds: dict[int, Sound] = {}

    def note(index: int, defect: Defect, detail: str) -> None:
        issues.append(Issue(index, manifest.place(index), defect, detail))

    for index, utterance in enumerate(manifest):
        for defect, detail in _text_defects(utterance, alphabet):
            note(index, defect, detail)
    done = 0
    for indices, measured in _measured(manifest, num_threads or num_cores()):
        is_whole = len(indices) == 1
        for order, index in enumerate(indices):
            if isinstance(measured, AudioError):
                is_there = manifest.utterances[index].audio.is_file()
                note(index, Defect.UNREADABLE if is_there else Defect.MISSING, measured.message)
                continue
            sounds[index] = measured.sounds[order]
            for defect, detail in _sound_defects(
                manifest.utterances[index], measured, order, is_whole, options
            ):
                note(index, defect, detail)
        done += len(indices)
        if progress:
            progress(done, len(manifest))
    for index, detail in _duplicates(manifest, sounds):
        note(index, Defect.DUPLICATE, detail)
    durations = tuple(sounds[i].duration if i in sounds else None for i in range(len(manifest)))
    foreign = Counter({letter: count for letter, count in letters.items() if letter not in alphabet})
    return CheckReport(tuple(sorted(issues, key=lambda one: one.index)), durations, letters, foreign)


def cleaned(manifest: Manifest, report: CheckReport, drop: Collection[Defect] = UNUSABLE) -> Manifest:
    """The manifest without the utterances that have one of the defects; durations are as measured."""
    dropped = {issue.index for issue in report.issues if issue.defect in drop}
    wrong = {issue.index for issue in report.issues if issue.defect in (Defect.DURATION, Defect.OUTSIDE)}
    kept = [index for index in range(len(manifest)) if index not in dropped]
    utterances = []
    for index in kept:
        utterance, measured = manifest.utterances[index], report.durations[index]
        if measured and (utterance.duration is None or index in wrong):
            utterance = replace(utterance, duration=round(measured, 6))
        utterances.append(utterance)
    return manifest.kept(kept).with_utterances(utterances)


def _text_defects(utterance: Utterance, alphabet: frozenset[str]) -> Iterator[tuple[Defect, str]]:
    if utterance.text is None:
        if utterance.label is None:
            yield Defect.EMPTY_TEXT, "there is neither a text nor a label"
        return
    text = letters_of(utterance.text)
    if not text:
        yield Defect.EMPTY_TEXT, "the text has no letters"
    if foreign := sorted({letter for letter in text if letter != " " and letter not in alphabet}):
        yield Defect.FOREIGN, f"{' '.join(foreign)} in {_short(utterance.text)}"


def _sound_defects(
    utterance: Utterance, measured: Measured, order: int, is_whole: bool, options: CheckOptions
) -> Iterator[tuple[Defect, str]]:
    sound, levels = measured.sounds[order], measured.sounds[order].levels
    if measured.damage:
        yield Defect.DAMAGED, measured.damage[0]
    yield from _time_defects(utterance, measured, is_whole, options)
    if not levels.num_samples:
        return
    if decibels(levels.peak) < options.silence_db:
        yield Defect.SILENT, f"its peak is {decibels(levels.peak):.0f} dBFS"
    if levels.num_clipped > options.clipped_share * levels.num_samples:
        share = 100 * levels.num_clipped / levels.num_samples
        yield Defect.CLIPPED, f"{levels.num_clips} clipped peaks, {share:.1f} % of the sound"
    text = letters_of(utterance.text or "")
    least = frames_needed(text) * options.frame_shift
    if text and sound.duration < least:
        yield (
            Defect.TOO_SHORT,
            f"{sound.duration:.2f} s for {len(text)} letters, which take {least:.2f} s or more",
        )


def _time_defects(
    utterance: Utterance, measured: Measured, is_whole: bool, options: CheckOptions
) -> Iterator[tuple[Defect, str]]:
    whole = measured.duration
    if utterance.start >= whole:
        yield Defect.OUTSIDE, f"it starts at {utterance.start:.2f} s of a recording of {whole:.2f} s"
    elif utterance.end is None:
        return
    elif utterance.end > whole + options.tolerance:
        defect = Defect.OUTSIDE if utterance.start else Defect.DURATION
        yield defect, f"it ends at {utterance.end:.2f} s of a recording of {whole:.2f} s"
    elif is_whole and not utterance.start and utterance.end < whole - options.tolerance:
        yield Defect.DURATION, f"it is to have {utterance.end:.2f} s, and the recording has {whole:.2f} s"


def _measured(manifest: Manifest, num_threads: int) -> Iterator[tuple[tuple[int, ...], Measured | AudioError]]:
    """What each recording is like, with the places of its utterances."""
    groups: dict[tuple[str, int | None], list[int]] = defaultdict(list)
    for index, utterance in enumerate(manifest):
        groups[str(utterance.audio), utterance.channel].append(index)

    def look(indices: list[int]) -> Measured | AudioError:
        first = manifest.utterances[indices[0]]
        spans = [(one.start, one.end) for one in map(manifest.utterances.__getitem__, indices)]
        try:
            return measure(first.audio, first.channel, spans)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(num_threads) as pool:
        for indices, measured in zip(groups.values(), pool.map(look, groups.values()), strict=True):
            yield tuple(indices), measured


def _duplicates(manifest: Manifest, sounds: dict[int, Sound]) -> Iterable[tuple[int, str]]:
    """Utterances whose sound was there before, to the last bit."""
    first: dict[str, int] = {}
    for index in sorted(sounds):
        sound = sounds[index]
        before = first.setdefault(sound.digest, index)
        if before != index and sound.levels.peak:
            is_same = manifest.utterances[before].text == manifest.utterances[index].text
            yield index, f"the same sound as {manifest.place(before)}" + ("" if is_same else ", another text")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
