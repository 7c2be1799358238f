"""Plain text: a segment a line."""

from __future__ import annotations

from typing import TextIO

from earshot.core.types import Transcript
from earshot.text.clean import clean_text
from earshot.text.formats.base import FormatOptions


def write_txt(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """The text of each segment on its own line, after ``Anna: `` where the speaker is known."""
    for segment in transcript.segments:
        text = clean_text(segment.text)
        speaker = clean_text(segment.speaker or "") if options.has_speakers else ""
        if text:
            stream.write(f"{speaker}: {text}\n" if speaker else f"{text}\n")
