"""Who speaks in a session that was cut off: all of its sound once more, with the labels that were shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from earshot.core.types import Samples, Segment, Transcript
from earshot.speakers.types import Diarization, Turn
from earshot.transcription import SpeakerOptions

Names = Callable[[Diarization], Mapping[str, str]]
"""The names of those labels whose voices are known."""


def turns_of(
    blocks: Iterable[Samples], options: SpeakerOptions, said: Sequence[Segment], names: Names
) -> tuple[Turn, ...]:
    """Who speaks when, whoever spoke before under the label that he had. blocks: 16 kHz, from the beginning.

    said: what was shown, with labels. Raises MissingExtraError where no encoder is installed.
    """
    diarizer = options.diarizer()
    for block in blocks:
        diarizer.accept(block)
    diarization = diarizer.finish()
    labels = labels_as_before(diarization, said, names(diarization) if options.has_names else {})
    return tuple(replace(turn, speaker=labels[turn.speaker]) for turn in diarization.turns)


def labels_as_before(
    diarization: Diarization, said: Sequence[Segment], names: Mapping[str, str]
) -> dict[str, str]:
    """For each label the one that was shown while he spoke, else a name, else one that is free.

    No two labels become one, unless both have the same name.
    """
    labels: dict[str, str] = {}
    for _, new, old in sorted(_shared_time(diarization.turns, said), key=lambda pair: -pair[0]):
        if new not in labels and old not in labels.values():
            labels[new] = old
    taken = {segment.speaker for segment in said} | set(labels.values()) | set(names.values())
    free = (label for label in _numbered() if label not in taken)
    for new in diarization.speakers:
        if new not in labels:
            labels[new] = names.get(new) or next(free)
    return labels


def _shared_time(turns: Sequence[Turn], said: Sequence[Segment]) -> list[tuple[float, str, str]]:
    """Seconds for which a new label and an old one stand beside each other."""
    seconds: dict[tuple[str, str], float] = {}
    turns = sorted(turns, key=lambda turn: turn.start)
    first = 0
    longest = max((turn.duration for turn in turns), default=0.0)
    for segment in sorted(said, key=lambda segment: segment.start):
        while first < len(turns) and turns[first].start + longest < segment.start:
            first += 1
        for turn in itertools.takewhile(lambda turn: turn.start < segment.end, turns[first:]):  # noqa: B023
            length = min(turn.end, segment.end) - max(turn.start, segment.start)
            if segment.speaker is not None and length > 0:
                pair = turn.speaker, segment.speaker
                seconds[pair] = seconds.get(pair, 0.0) + length
    return [(length, new, old) for (new, old), length in seconds.items()]


def _numbered() -> Iterator[str]:
    return (f"S{number}" for number in itertools.count(1))


def spoken_by(segment: Segment, turns: Sequence[Turn]) -> tuple[Segment, ...]:
    """The segment cut where the speaker changes, each part with its speaker. turns: of the whole recording."""
    from earshot.speakers.assignment import MAX_GAP, assign_speakers

    near = [
        turn for turn in turns if turn.end >= segment.start - MAX_GAP and turn.start <= segment.end + MAX_GAP
    ]
    return assign_speakers(Transcript((segment,)), near).segments
