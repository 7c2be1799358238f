"""Audacity's label track: ``start<TAB>end<TAB>label``, seconds."""

from __future__ import annotations

from typing import TextIO

from earshot.core.types import Segment, Transcript
from earshot.text.clean import clean_text
from earshot.text.formats.base import FormatOptions, Source
from earshot.text.timing import segment_span_ms, timed_words


def write_audacity(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """A label a segment, or with ``options.rows == "word"`` a label a word; milliseconds, six decimals."""
    for segment in transcript.segments:
        labels = [(*segment_span_ms(segment), clean_text(segment.text))]
        if options.rows == "word":
            labels = [(word.start_ms, word.end_ms, word.text) for word in timed_words(segment)]
        for start, end, text in labels:
            stream.write(f"{start / 1000:.6f}\t{end / 1000:.6f}\t{text}\n")


def read_audacity(source: Source) -> Transcript:
    """A segment a label. Lines that begin with a backslash (the label's frequencies) are skipped."""
    segments = []
    for number, line in source.lines():
        if not line.strip() or line.startswith("\\"):
            continue
        cells = line.split("\t", 2)
        if len(cells) < 2:
            raise source.error("expected start, end and label, parted by tabs", line=number)
        # Where the decimal point is a comma, older versions wrote one.
        start, end = (source.seconds(cell.replace(",", "."), line=number) for cell in cells[:2])
        text = clean_text(cells[2]) if len(cells) == 3 else ""
        segments.append(Segment(text, *source.span(start, end, line=number)))
    return Transcript(tuple(sorted(segments, key=lambda segment: segment.start)))
