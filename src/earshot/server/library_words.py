"""Corrections applied: the text that is read, searched and exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from earshot.core.types import Segment, Word


def corrected_text(text: str, words: Sequence[str], corrections: Mapping[int, str]) -> str:
    """``text`` with some of its words replaced; what stands between words stays.

    words: in the order in which they stand in the text. corrections: by index; an empty one removes the word.
    """
    if not corrections:
        return text
    pieces = []
    done = 0
    for index, word in enumerate(words):
        at = text.find(word, done)
        if at < 0:  # the words are not those of the text: then they alone count
            return " ".join(filter(None, (corrections.get(i, other) for i, other in enumerate(words))))
        pieces += [text[done:at], corrections.get(index, word)]
        done = at + len(word)
    return " ".join("".join([*pieces, text[done:]]).split())


def corrected_segment(segment: Segment, corrections: Mapping[int, str]) -> Segment:
    """The segment as corrected. What replaces a word has its times; several share them by length."""
    if not corrections:
        return segment
    text = corrected_text(segment.text, [word.text for word in segment.words], corrections)
    words = [
        new
        for index, word in enumerate(segment.words)
        for new in (_replaced(word, corrections[index]) if index in corrections else (word,))
    ]
    return replace(segment, text=text, words=tuple(words))


def _replaced(word: Word, text: str) -> Iterator[Word]:
    """Somebody has listened, so the engine's doubt is gone with its word."""
    parts = text.split()
    total = sum(map(len, parts))
    done = 0
    for part in parts:
        begin, done = done, done + len(part)
        if word.start is None or word.end is None:
            yield Word(part)
            continue
        length = word.end - word.start
        source = word.time_source if len(parts) == 1 else "interpolated"
        yield Word(part, word.start + length * begin / total, word.start + length * done / total, None, source)
