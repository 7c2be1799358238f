"""What a meeting is once it was listened to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from earshot.core.types import Segment, Transcript
from earshot.speakers.types import Turn
from earshot.text.clean import clean_text
from earshot.text.summary import Summary

UNKNOWN = "Unknown speaker"
"""Who says what lies outside of all voices that were found."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who spoke. label: "S1" …, or the name of the file; name: as shown; is_known: by voice.

    seconds: of speech, overlaps counted for everybody who speaks. num_turns: of the dialogue.
    num_words: as recognized.
    """

    label: str
    name: str
    is_known: bool = False
    seconds: float = 0.0
    num_turns: int = 0
    num_words: int = 0


@dataclass(frozen=True, slots=True)
class ActionItem:
    """Something that somebody is to do, as it was said.

    text: the sentence. rule: the key of the rule that found it, see ``minutes.RULES``. trigger: the words that
    the rule goes by. owner: who is to do it where the rule tells, else None. due: when, as it was said.
    speaker: who said it. start: seconds.
    """

    text: str
    rule: str
    trigger: str
    start: float
    end: float
    owner: str | None = None
    due: str | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class DialogueTurn:
    """What somebody says until somebody else does. segments: at least one, all of that speaker."""

    speaker: str | None
    segments: tuple[Segment, ...]

    @property
    def start(self) -> float:
        """Seconds."""
        return self.segments[0].start

    @property
    def end(self) -> float:
        """Seconds."""
        return max(segment.end for segment in self.segments)

    @property
    def text(self) -> str:
        """On one line."""
        return clean_text(" ".join(segment.text for segment in self.segments))


@dataclass(frozen=True, slots=True)
class Meeting:
    """Minutes and what they are made of.

    title: never empty. date: as the user gave it or the file has it, None when unknown. transcript: segments
    with ``speaker`` as shown. turns: who spoke when, by sound, names as shown; they may overlap.
    participants: in order of their first turn. sources: the recordings. warnings: what to know of them.
    """

    title: str
    transcript: Transcript
    turns: tuple[Turn, ...] = ()
    participants: tuple[Participant, ...] = ()
    summary: Summary = field(default_factory=Summary)
    actions: tuple[ActionItem, ...] = ()
    date: str | None = None
    sources: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds."""
        ends = [self.transcript.duration or 0.0, *(turn.end for turn in self.turns)]
        return max([*ends, *(segment.end for segment in self.transcript.segments)])

    @property
    def overlap(self) -> float:
        """Seconds in which at least two people speak."""
        return overlap_seconds(self.turns)

    def dialogue(self) -> list[DialogueTurn]:
        """The transcript by speaker: neighbouring segments of one speaker are one turn."""
        segments = [segment for segment in self.transcript.segments if clean_text(segment.text)]
        return [
            DialogueTurn(speaker, tuple(group))
            for speaker, group in groupby(segments, key=lambda segment: segment.speaker)
        ]


def overlap_seconds(turns: Sequence[Turn]) -> float:
    """Time in which at least two different speakers speak."""
    edges = sorted(
        [(turn.start, 1, turn.speaker) for turn in turns] + [(turn.end, -1, turn.speaker) for turn in turns]
    )
    counts: dict[str, int] = {}
    total, before = 0.0, 0.0
    for time, step, speaker in edges:
        if sum(count > 0 for count in counts.values()) >= 2:
            total += time - before
        counts[speaker] = counts.get(speaker, 0) + step
        before = time
    return total
