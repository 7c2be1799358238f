"""CTM, NIST's time-marked words: ``recording channel start duration word [confidence]``."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TextIO

from earshot.core.types import Segment, Transcript, Word
from earshot.text.formats.base import FormatOptions, Source, quoted
from earshot.text.timing import group_words, timed_words


def write_ctm(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """A word a line, seconds with three decimals, channel 1, in order of start.

    CTM has no word without times. Those that lack them get their share of the room between their neighbours;
    where that happened, a comment in the first line says of how many words, so that nobody takes them for
    measured. White space within a word becomes ``_``.
    """
    name = _token(PurePath(options.recording).stem if options.recording else "") or "recording"
    words = [word for segment in transcript.segments for word in timed_words(segment)]
    words.sort(key=lambda word: word.start_ms)
    num_interpolated = sum(word.is_interpolated for word in words)
    if num_interpolated:
        stream.write(f";; times of {num_interpolated} of {len(words)} words are interpolated, not measured\n")
    for word in words:
        duration_ms = word.end_ms - word.start_ms
        line = f"{name} 1 {word.start_ms / 1000:.3f} {duration_ms / 1000:.3f} {_token(word.text)}"
        stream.write(line if word.confidence is None else f"{line} {word.confidence:.4f}")
        stream.write("\n")


def _token(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip())


def read_ctm(source: Source) -> Transcript:
    """The words of one recording; a silence of a second begins a new segment.

    Two channels are two speakers, named as the channels are. Of alternatives (``<ALT>``) the first is taken.
    """
    channels: dict[str, list[Word]] = {}
    recording: str | None = None
    is_other_alternative = False
    for number, line in source.lines():
        cells = line.split()
        if not cells or line.startswith(";;"):
            continue
        if not 5 <= len(cells) <= 8:
            raise source.error(
                f"expected recording, channel, start, duration, word (and confidence), found {quoted(line)}",
                line=number,
            )
        if recording not in (None, cells[0]):
            raise source.error(
                f"a second recording {quoted(cells[0])}", line=number, fix="split the file by its first column"
            )
        recording = cells[0]
        if cells[2] == "*":  # <ALT_BEGIN>, <ALT> and <ALT_END> have no times
            is_other_alternative = cells[4].upper() == "<ALT>"
        elif not is_other_alternative:
            channels.setdefault(cells[1], []).append(_word(source, cells, number))
    segments: list[Segment] = []
    for channel, words in channels.items():
        words.sort(key=lambda word: word.start or 0.0)
        segments += group_words(words, speaker=channel if len(channels) > 1 else None)
    return Transcript(tuple(sorted(segments, key=lambda segment: segment.start)))


def _word(source: Source, cells: list[str], number: int) -> Word:
    start = source.seconds(cells[2], line=number)
    end = source.checked(round(start + source.seconds(cells[3], line=number), 6), cells[3], line=number)
    confidence = None
    if len(cells) > 5 and cells[5].upper() != "NA":
        confidence = source.seconds(cells[5], line=number)
        if confidence > 1:
            raise source.error(f"the confidence {confidence:g} is not within 0 to 1", line=number)
    return Word(cells[4], start, end, confidence)
