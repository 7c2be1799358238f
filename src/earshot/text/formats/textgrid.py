"""Praat's TextGrid: interval tiers, tiled from the beginning to the end, empty stretches included."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from earshot.core.types import Transcript
from earshot.text.clean import clean_text
from earshot.text.formats.base import FormatOptions, Source, quoted
from earshot.text.formats.tiers import ReadTier, tiers_of, transcript_of
from earshot.text.timing import Span, to_ms

# --- writing -----------------------------------------------------------------------------------------------


def write_textgrid(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:  # noqa: ARG001
    """Praat's long text format: two tiers a speaker (``segments`` and ``words`` when nobody is named).

    Milliseconds; a word without times gets its share of the room between its neighbours.
    """
    tiers: list[tuple[str, Sequence[Span]]] = []
    for speaker in tiers_of(transcript):
        tiers += [(speaker.segments_name, speaker.segments), (speaker.words_name, speaker.words)]
    tiers = tiers or [("segments", ()), ("words", ())]
    end_ms = max(1, to_ms(transcript.duration or 0.0), *(spans[-1].end_ms for _, spans in tiers if spans))
    stream.write(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f"xmin = 0 \nxmax = {_seconds(end_ms)} \ntiers? <exists> \nsize = {len(tiers)} \nitem []: \n"
    )
    for number, (name, spans) in enumerate(tiers, start=1):
        _write_tier(stream, number, name, _tiled(spans, end_ms), end_ms)


def _write_tier(stream: TextIO, number: int, name: str, intervals: Sequence[Span], end_ms: int) -> None:
    stream.write(
        f'    item [{number}]:\n        class = "IntervalTier" \n        name = {_quote(name)} \n'
        f"        xmin = 0 \n        xmax = {_seconds(end_ms)} \n"
        f"        intervals: size = {len(intervals)} \n"
    )
    for index, interval in enumerate(intervals, start=1):
        stream.write(
            f"        intervals [{index}]:\n            xmin = {_seconds(interval.start_ms)} \n"
            f"            xmax = {_seconds(interval.end_ms)} \n            text = {_quote(interval.text)} \n"
        )


def _tiled(spans: Sequence[Span], end_ms: int) -> list[Span]:
    """The spans, and empty ones between them, from 0 to the end."""
    intervals: list[Span] = []
    clock = 0
    for span in spans:
        if span.start_ms > clock:
            intervals.append(Span(clock, span.start_ms, ""))
        intervals.append(span)
        clock = span.end_ms
    if clock < end_ms:
        intervals.append(Span(clock, end_ms, ""))
    return intervals


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".")


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


# --- reading -----------------------------------------------------------------------------------------------

# Praat reads quoted strings, flags and numbers that stand free; all else ("xmin =", "item [1]:") is for
# people. So the long and the short form are one to it, and to us.
_TOKEN = re.compile(
    r'(?P<string>"[^"]*(?:""[^"]*)*")|(?P<flag><[a-z]{1,20}>)|(?P<comment>![^\n]*)|(?P<bare>[^\s"]+)'
)
_FREE_NUMBER = re.compile(r"[+-]?(?:\d|\.\d)[^\s]*%?", re.ASCII)


@dataclass(slots=True)
class _Tokens:
    """The values of a file, one after the other."""

    source: Source
    values: Iterator[tuple[str, str, int]]

    def _next(self, kind: str, what: str) -> tuple[str, int]:
        found, text, line = next(self.values, ("end", "the end of the file", 0))
        if found != kind:
            raise self.source.error(f"expected {what}, found {quoted(text)}", line=line or None)
        return text, line

    def string(self, what: str) -> str:
        text, _ = self._next("string", what)
        return text[1:-1].replace('""', '"')

    def flag(self, what: str) -> str:
        return self._next("flag", what)[0]

    def number(self, what: str) -> float:
        text, line = self._next("number", what)
        return self.source.seconds(text, line=line)

    def count(self, what: str) -> int:
        text, line = self._next("number", what)
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
            raise self.source.error(f"expected {what}, found {quoted(text)}", line=line)
        return int(text)


def _values(source: Source) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of each value."""
    line, position, end = 1, 0, 0
    text = source.text
    for match in _TOKEN.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        if '"' in text[end:position]:  # a quote that began no string has no second one
            raise source.error("a text in quotes has no end", line=line)
        end = match.end()
        kind = match.lastgroup or ""
        if kind == "bare" and _FREE_NUMBER.fullmatch(match[0]):
            yield "number", match[0], line
        elif kind in ("string", "flag"):
            yield kind, match[0], line
    if '"' in text[end:]:
        raise source.error("a text in quotes has no end", line=line)


def read_textgrid(source: Source) -> Transcript:
    """The interval tiers of a long or short text file; empty intervals are silence.

    Tiers named ``words`` or ``Anna - words`` give words; those of phones and points are left out.
    """
    if source.text.startswith("ooBinaryFile"):
        raise source.error("a binary TextGrid", fix="save it as a text file in Praat")
    tokens = _Tokens(source, _values(source))
    if not tokens.string('"ooTextFile"').startswith("ooTextFile"):
        raise source.error('no text file of Praat: it begins without "ooTextFile"')
    if (kind := tokens.string('"TextGrid"')) != "TextGrid":
        raise source.error(f"expected a TextGrid, found a {quoted(kind)}")
    tokens.number("the beginning")
    duration = tokens.number("the end")
    tiers: list[ReadTier] = []
    if tokens.flag("<exists>") == "<exists>":
        for _ in range(tokens.count("the number of tiers")):
            tier = _read_tier(tokens)
            if tier is not None:
                tiers.append(tier)
    return transcript_of(tiers, duration)


def _read_tier(tokens: _Tokens) -> ReadTier | None:
    kind = tokens.string("the class of a tier")
    if kind not in ("IntervalTier", "TextTier"):
        raise tokens.source.error(f"there is no tier of class {quoted(kind)}")
    name = tokens.string("the name of a tier")
    tokens.number("the beginning of a tier")
    tokens.number("the end of a tier")
    spans: list[tuple[float, float, str]] = []
    clock = -math.inf
    for _ in range(tokens.count("the number of intervals")):
        start = tokens.number("a time")
        end = tokens.number("a time") if kind == "IntervalTier" else start
        text = clean_text(tokens.string("a text"))
        tokens.source.span(start, end)
        if start < clock:
            raise tokens.source.error(f"the tier {quoted(name)} runs backwards at {start:g} s")
        clock = start
        if text:
            spans.append((start, end, text))
    is_phonetic = re.search(r"(?:^|\W)(?:phone(?:me)?s?|syllables?)$", name.lower())
    return None if kind == "TextTier" or is_phonetic else ReadTier(name, tuple(spans))
