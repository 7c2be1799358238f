"""Parts of a corpus: what fits a description, and what is kept apart for judging."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from earshot.core.errors import CorpusError
from earshot.corpora.letters import letters_of
from earshot.corpora.manifest import Manifest
from earshot.corpora.utterance import Utterance


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """What to keep; an empty set and None keep everything.

    Times in seconds; max_letters: of the normalised text. min_rate, max_rate: letters a second, outside of
    which a text hardly belongs to its recording. text: a pattern that occurs in the text. An utterance of
    unknown duration fits no limit of time. not_speakers: left out.
    """

    min_duration: float | None = None
    max_duration: float | None = None
    min_rate: float | None = None
    max_rate: float | None = None
    max_letters: int | None = None
    text: re.Pattern[str] | None = None
    speakers: frozenset[str] = frozenset()
    not_speakers: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()

    def fits(self, utterance: Utterance) -> bool:
        """Whether an utterance is to be kept."""
        letters = len(letters_of(utterance.text or ""))
        rate = letters / utterance.duration if utterance.duration else None
        return (
            _within(utterance.duration, self.min_duration, self.max_duration)
            and _within(rate, self.min_rate, self.max_rate)
            and (self.max_letters is None or letters <= self.max_letters)
            and (self.text is None or self.text.search(utterance.text or "") is not None)
            and (not self.speakers or utterance.speaker in self.speakers)
            and utterance.speaker not in self.not_speakers
            and (not self.languages or utterance.language in self.languages)
            and (not self.labels or utterance.label in self.labels)
        )


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def filter_manifest(manifest: Manifest, options: FilterOptions) -> Manifest:
    """The utterances that fit, in order."""
    return manifest.kept([index for index, one in enumerate(manifest) if options.fits(one)])


SplitBy: TypeAlias = Literal["speaker", "recording"]


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How to part a corpus.

    shares: of each part, over 0; they are brought to the sum of 1. by: what stays on one side; None: speakers
    where they are known, recordings else. seed: another one gives another split. speakers: which part named
    speakers go to, whatever their hash says.
    """

    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 0.8, "dev": 0.1, "test": 0.1})
    by: SplitBy | None = None
    seed: str = ""
    speakers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """parts: by their names. by: what was kept on one side. num_nameless: utterances without a speaker."""

    parts: dict[str, Manifest]
    by: SplitBy
    num_nameless: int


def split_manifest(manifest: Manifest, options: SplitOptions | None = None) -> Split:
    """Part a corpus so that no speaker (or no recording) is on two sides.

    Where one goes depends on its name and the seed alone, so that a corpus that grows never moves anybody
    from the training to the test; the shares are met in the long run only. Speech Commands does the same
    (Warden 2018). Raises CorpusError when a part stays empty, or an option makes no sense.
    """
    options = options or SplitOptions()
    if len(options.shares) < 2 or not all(share > 0 for share in options.shares.values()):
        raise CorpusError("a split has two parts or more, each with a share over 0", fix="train=0.9,test=0.1")
    _check_speakers(manifest, options)
    num_nameless = sum(one.speaker is None for one in manifest)
    by: SplitBy = options.by or ("recording" if num_nameless == len(manifest) else "speaker")
    chosen: dict[str, list[int]] = {name: [] for name in options.shares}
    for index, utterance in enumerate(manifest):
        named = options.speakers.get(utterance.speaker or "")
        chosen[named or _part(_side(utterance, by), options)].append(index)
    if empty := [name for name, indices in chosen.items() if not indices]:
        count = len({_side(one, by) for one in manifest})
        raise CorpusError(
            f"{' and '.join(empty)} stay empty: {count} {by}{'' if count == 1 else 's'} are too few for a hash",
            fix=f"name speakers for it with --speakers {empty[0]}=NAME, or try --seed 2, or --by recording",
        )
    return Split({name: manifest.kept(indices) for name, indices in chosen.items()}, by, num_nameless)


def _check_speakers(manifest: Manifest, options: SplitOptions) -> None:
    known = {one.speaker for one in manifest}
    for speaker, part in options.speakers.items():
        if part not in options.shares:
            raise CorpusError(f"there is no part {part!r}", fix=f"the parts are {', '.join(options.shares)}")
        if speaker not in known:
            raise CorpusError(f"there is no speaker {speaker!r}", fix="'earshot corpus stats' lists them")


def _side(utterance: Utterance, by: SplitBy) -> str:
    """What stays together. Of a recording its file name: where it lies differs from one machine to another."""
    if by == "speaker" and utterance.speaker is not None:
        return f"speaker {utterance.speaker}"
    return f"recording {utterance.audio.name}"


def _part(side: str, options: SplitOptions) -> str:
    digest = hashlib.sha256(f"{options.seed}\0{side}".encode("utf-8", "replace")).digest()
    point = int.from_bytes(digest[:8]) / 2**64 * sum(options.shares.values())
    for name, share in options.shares.items():
        point -= share
        if point < 0:
            return name
    return list(options.shares)[-1]
