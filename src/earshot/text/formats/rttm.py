"""RTTM, NIST's who-spoke-when: ``SPEAKER recording 1 start duration <NA> <NA> name <NA> <NA>``."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TextIO

from earshot.core.types import Segment, Transcript
from earshot.text.clean import clean_text
from earshot.text.formats.base import FormatOptions, Source, quoted
from earshot.text.timing import segment_span_ms

_UNKNOWN = "<NA>"


def write_rttm(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """A segment a line, seconds with three decimals; neighbouring segments of one speaker stay apart.

    White space in a name becomes ``_``. A segment without a speaker is that of ``speech``.
    """
    name = (PurePath(options.recording).stem if options.recording else "") or "recording"
    for segment in sorted(transcript.segments, key=lambda segment: segment.start):
        start_ms, end_ms = segment_span_ms(segment)
        stream.write(rttm_line(name, start_ms / 1000, end_ms / 1000, segment.speaker or "speech"))


def rttm_line(recording: str, start: float, end: float, speaker: str) -> str:
    """One line with its end, times in seconds."""
    cells = ("SPEAKER", _token(recording), "1", f"{start:.3f}", f"{max(0.0, end - start):.3f}")
    return " ".join((*cells, _UNKNOWN, _UNKNOWN, _token(speaker), _UNKNOWN, _UNKNOWN)) + "\n"


def _token(text: str) -> str:
    return re.sub(r"\s+", "_", clean_text(text)) or _UNKNOWN


def read_rttm(source: Source) -> Transcript:
    """The turns of one recording as segments without text, by start; lines of other kinds are skipped."""
    recordings = read_rttm_recordings(source)
    if len(recordings) > 1:
        second = list(recordings)[1]
        raise source.error(f"a second recording {quoted(second)}", fix="split the file by its second column")
    return Transcript(tuple(next(iter(recordings.values()), [])))


def read_rttm_recordings(source: Source) -> dict[str, list[Segment]]:
    """The same of any number of recordings, by name."""
    recordings: dict[str, list[Segment]] = {}
    for number, line in source.lines():
        cells = line.split()
        if not cells or line.startswith(";;") or cells[0].upper() != "SPEAKER":
            continue
        if not 8 <= len(cells) <= 10:
            raise source.error(
                "expected SPEAKER, recording, channel, start, duration, <NA>, <NA>, name and two more, "
                f"found {quoted(line)}",
                line=number,
            )
        start = source.seconds(cells[3], line=number)
        end = source.checked(round(start + source.seconds(cells[4], line=number), 6), cells[4], line=number)
        speaker = None if cells[7] == _UNKNOWN else cells[7]
        recordings.setdefault(cells[1], []).append(Segment("", start, end, speaker=speaker))
    for segments in recordings.values():
        segments.sort(key=lambda segment: segment.start)
    return recordings
