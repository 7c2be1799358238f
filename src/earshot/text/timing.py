"""Times for every word, in whole milliseconds, as the files that need them all ask for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earshot.core.errors import FormatError
from earshot.core.types import Segment, Word
from earshot.text.clean import clean_text


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with times in milliseconds. is_interpolated: they were guessed from the word's neighbours."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None
    is_interpolated: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled stretch of a tier, in milliseconds."""

    start_ms: int
    end_ms: int
    text: str


def to_ms(seconds: float) -> int:
    """Whole milliseconds, never negative. Raises FormatError for a time that is no finite number."""
    if not math.isfinite(seconds):
        raise FormatError(
            f"the transcript holds the time {seconds}", fix="report this: an engine gave no real time"
        )
    return max(0, round(seconds * 1000))


def segment_span_ms(segment: Segment) -> tuple[int, int]:
    """Start and end of a segment, the end not before the start."""
    start = to_ms(segment.start)
    return start, max(start, to_ms(segment.end))


def timed_words(segment: Segment) -> list[TimedWord]:
    """Every word of a segment with times that never run backwards.

    Words without times share the room between their timed neighbours (or the segment's ends) in proportion
    to their letters; a segment without words is split at white space first. Words without text are left out.
    """
    words = [(clean_text(word.text), word) for word in segment.words]
    if not words:
        words = [(text, Word(text)) for text in clean_text(segment.text).split(" ")]
    words = [(text, word) for text, word in words if text]
    known = [_known_span(word) for _, word in words]
    spans = _fill([text for text, _ in words], known, segment_span_ms(segment))
    return [
        TimedWord(text, start, end, word.confidence, is_interpolated=span is None)
        for (text, word), span, (start, end) in zip(words, known, spans, strict=True)
    ]


def _known_span(word: Word) -> tuple[int, int] | None:
    if word.start is None or word.end is None:
        return None
    start = to_ms(word.start)
    return start, max(start, to_ms(word.end))


def _fill(
    texts: Sequence[str], known: Sequence[tuple[int, int] | None], bounds: tuple[int, int]
) -> list[tuple[int, int]]:
    """Times for all texts: the known ones (made monotonic), the others spread between them."""
    spans: list[tuple[int, int]] = []
    clock = bounds[0]
    index = 0
    while index < len(texts):
        span = known[index]
        if span is not None:
            start = max(span[0], spans[-1][0] if spans else 0)
            spans.append((start, max(start, span[1])))
            clock = max(clock, spans[-1][1])
            index += 1
            continue
        stop = index
        while stop < len(texts) and known[stop] is None:
            stop += 1
        following = known[stop] if stop < len(texts) else None
        room_end = following[0] if following is not None else bounds[1]
        spans += spread(texts[index:stop], clock, max(clock, room_end))
        clock = spans[-1][1]
        index = stop
    return spans


def spread(texts: Sequence[str], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Adjacent stretches of [start, end] in proportion to the texts' letters (one more each, for the gap)."""
    total = sum(len(text) + 1 for text in texts)
    edges = [start_ms]
    letters = 0
    for text in texts:
        letters += len(text) + 1
        edges.append(start_ms + (end_ms - start_ms) * letters // total)
    return list(itertools.pairwise(edges))


def separate(spans: Iterable[Span], *, start_ms: int = 0, end_ms: int | None = None) -> list[Span]:
    """The spans in order, none overlapping, none empty, all within the bounds: what a tier may hold.

    A later span begins where the earlier ends. A span for which no millisecond is left joins the one before,
    so that no text is lost. The bounds are at least 1 ms apart.
    """
    separated: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start_ms):
        start = max(span.start_ms, separated[-1].end_ms if separated else start_ms)
        if end_ms is not None and not separated:
            start = min(start, end_ms - 1)
        end = max(span.end_ms, start + 1)
        end = end if end_ms is None else min(end, end_ms)
        if end > start:
            separated.append(Span(start, end, span.text))
        else:
            last = separated.pop()
            separated.append(Span(last.start_ms, last.end_ms, f"{last.text} {span.text}"))
    return separated


def group_words(words: Sequence[Word], *, speaker: str | None = None, max_gap: float = 1.0) -> list[Segment]:
    """Segments from timed words alone: a new one after each silence of ``max_gap`` seconds."""
    groups: list[list[Word]] = []
    clock = -math.inf
    for word in words:
        start, end = word.start or 0.0, word.end or 0.0
        if start - clock >= max_gap:
            groups.append([])
        groups[-1].append(word)
        clock = max(clock, end) if groups[-1][:-1] else end
    return [
        Segment(
            " ".join(word.text for word in group),
            min(word.start or 0.0 for word in group),
            max(word.end or 0.0 for word in group),
            tuple(group),
            speaker,
        )
        for group in groups
    ]
