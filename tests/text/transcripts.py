"""Transcripts made by Hypothesis: ordinary ones, and such as an engine should never give."""

from __future__ import annotations

import io

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from earshot.core.types import Segment, Transcript, Word
from earshot.text.formats import FormatOptions, write_transcript

# No deadline: a busy machine is no failure.
examples = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NASTY = (
    "plain words",
    "two\nlines\r\nand\ta tab",
    "00:00:01,000 --> 00:00:02,000",
    "<b>bold</b> {\\an8} &amp; <v Eve>",
    '"quoted" and ""doubled""',
    "=SUM(A1)",
    "'=SUM(A1)",
    "-5 degrees",
    "42",
    "WEBVTT",
    "NOTE x",
    ";; comment",
    "\\ backslash",
    "! exclaimed",
    "مرحبا بالعالم",
    "e\u0301a\u0308 क्षेत्र",
    "这是一个很长的句子，没有空格。",
    "👩\u200d👩\u200d👧\u200d👦👍🏽",
    "zero\u200bwidth\ufeff",
    "nul\0bell\x07esc\x1b[31m",
    "line\u2028separator\x85next",
    "lone \udc80 surrogate",
    "bad \ufffe \uffff",
    "no\u00a0break !",
    "x" * 300,
)

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=60), st.text("ab .,'\"<>&-\n", max_size=60))
confidences = st.none() | st.floats(0, 1)
times = st.floats(0, 10_000)


@st.composite
def words(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Word:
    if draw(st.booleans()):
        return Word(draw(text), confidence=draw(confidences))
    start = draw(times)
    source = draw(st.sampled_from(["engine", "aligned", "interpolated"]))
    return Word(draw(text), start, start + draw(st.floats(0, 20)), draw(confidences), source)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """Of any text, words that need not agree with it, any overlap, also zero-length."""
    start = draw(times)
    return Segment(
        draw(texts),
        start,
        start + draw(st.floats(0, 60)),
        tuple(draw(st.lists(words(), max_size=6))),
        draw(st.none() | texts),
        draw(st.sampled_from([None, "en", "de", "zh"])),
    )


transcripts = st.builds(
    Transcript,
    st.lists(segments(), max_size=6).map(tuple),
    st.none() | st.just("en"),
    st.none() | st.floats(0, 20_000),
    st.none() | st.just("scripted"),
)

tokens = st.text("abcdefgäß字é'\"<>&.,-=", min_size=1, max_size=8)


@st.composite
def tidy_transcripts(
    draw: st.DrawFn, speakers: tuple[str | None, ...] = (None, "Anna", "Bob & <Co>")
) -> Transcript:
    """What a good engine gives: whole milliseconds, nothing overlapping, words that agree with their text."""
    clock = 0
    made: list[Segment] = []
    for _ in range(draw(st.integers(0, 5))):
        clock += draw(st.integers(1500, 5000))  # silences of more than a second: CTM readers see segments
        start = clock
        said: list[Word] = []
        for token in draw(st.lists(tokens, min_size=1, max_size=8)):
            length = draw(st.integers(1, 900))
            said.append(Word(token, clock / 1000, (clock + length) / 1000, draw(confidences), "engine"))
            clock += length + draw(st.integers(0, 300))
        end = round((said[-1].end or 0) * 1000)
        clock = end
        text = " ".join(word.text for word in said)
        speaker = draw(st.sampled_from(speakers))
        made.append(Segment(text, start / 1000, end / 1000, tuple(said), speaker))
    return Transcript(tuple(made), duration=(clock + draw(st.integers(0, 2000))) / 1000)


def written(transcript: Transcript, name: str, options: FormatOptions | None = None) -> str:
    stream = io.StringIO()
    write_transcript(transcript, stream, name, options)
    return stream.getvalue()
