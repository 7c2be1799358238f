"""Where names of words go, so that none covers another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from earshot.core.types import Segment, Transcript

_WORD_LENGTH = 14
"""Characters; longer texts may be cut."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is said from start to end, in seconds."""

    text: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        """Seconds."""
        return (self.start + self.end) / 2


def labels_of(transcript: Transcript, start: float, end: float) -> list[Label]:
    """The words with times that lie in [start, end], a segment standing in for words that have none."""
    labels = [label for segment in transcript.segments for label in _of_segment(segment)]
    return [label for label in labels if label.end > start and label.start < end]


def _of_segment(segment: Segment) -> list[Label]:
    timed = [
        Label(_printable(word.text), word.start, word.end)
        for word in segment.words
        if word.start is not None and word.end is not None
    ]
    return timed or [Label(_printable(segment.text), segment.start, segment.end)]


def _printable(text: str) -> str:
    """One line without control characters."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def fit(label: Label, width: Callable[[str], float], *, least: float) -> Label:
    """The label with its text cut, if need be, to the width of its time.

    width: of a text, in seconds of the time axis. least: seconds that any text may take. Words stay whole.
    """
    text, room = label.text, max(label.end - label.start, least)
    if len(text) > _WORD_LENGTH and (full := width(text)) > room:
        text = text[: max(_WORD_LENGTH, int(len(text) * room / full) - 1)].rstrip() + "…"
    return replace(label, text=text)


def place(
    labels: Sequence[Label],
    widths: Sequence[float],
    num_lanes: int,
    *,
    gap: float,
    within: tuple[float, float],
) -> list[int | None]:
    """A lane for each label, the first that is free, or None where it has no room.

    widths: of each label's text, in seconds; it is centred on the label's middle and lies ``within``, in
    seconds. gap: kept between neighbours. Labels are in order of time.
    """
    free_from = [within[0]] * num_lanes
    lanes: list[int | None] = []
    for label, width in zip(labels, widths, strict=True):
        left, right = label.middle - width / 2, label.middle + width / 2
        lane = next((lane for lane in range(num_lanes) if free_from[lane] <= left), None)
        lane = lane if label.text and right <= within[1] else None
        if lane is not None:
            free_from[lane] = right + gap
        lanes.append(lane)
    return lanes
