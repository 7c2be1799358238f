"""Subtitles: SubRip (srt) and WebVTT (vtt).

The writers set cues for readers (see ``earshot.text.subtitles``); the readers give a segment a cue and take
what is found in the wild: cues without numbers, hours or blank lines between, ``.`` for ``,``, tags.
"""

from __future__ import annotations

import html
import re
from typing import TextIO

from earshot.core.types import Segment, Transcript
from earshot.text.clean import clean_text
from earshot.text.formats.base import FormatOptions, Source, quoted
from earshot.text.subtitles import make_cues

# --- writing -----------------------------------------------------------------------------------------------


def write_srt(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """SubRip: numbered cues, ``00:00:01,500 --> 00:00:03,000``, whole milliseconds."""
    cues = make_cues(
        transcript, options.subtitles, has_labels=options.has_speakers, prepare=_without_srt_markup
    )
    for number, cue in enumerate(cues, start=1):
        times = f"{_timestamp(cue.start_ms, ',')} --> {_timestamp(cue.end_ms, ',')}"
        text = _without_srt_markup(cue.label) + "\n".join(cue.lines)
        stream.write(f"{number}\n{times}\n{text}\n\n")


def write_vtt(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """WebVTT: ``<v Anna>`` names the speaker; ``&``, ``<`` and ``>`` are escaped."""
    stream.write("WEBVTT\n\n")
    for cue in make_cues(transcript, options.subtitles):
        times = f"{_timestamp(cue.start_ms, '.')} --> {_timestamp(cue.end_ms, '.')}"
        speaker = clean_text(cue.speaker or "") if options.has_speakers else ""
        gap = " " if speaker.endswith("--") else ""  # "-->" would begin another cue
        voice = f"<v {_escape(speaker)}{gap}>" if speaker else ""
        lines = "\n".join(_escape(line) for line in cue.lines)
        stream.write(f"{times}\n{voice}{lines}\n\n")


def _timestamp(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


_SRT_TAG = re.compile(r"<(?=[/a-zA-Z])")


def _without_srt_markup(text: str) -> str:
    """SubRip has no escapes, so what players take for a tag, a style or a time is written a little apart."""
    text = text.replace("-->", "→").replace("{\\", "(\\")
    return _SRT_TAG.sub("‹", text)


# --- reading -----------------------------------------------------------------------------------------------

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
# Some writers put positions after the end ("X1:40 …", "align:start"): they are not ours to keep.
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?", re.ASCII)
_TAG = re.compile(r"<[^<>]{0,1000}>")
_SRT_STYLE = re.compile(r"\{\\[^{}]{0,1000}\}")  # {\an8}
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,200})?\s+([^<>]{1,1000})>")
_VTT_BLOCK = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def read_srt(source: Source) -> Transcript:
    """A segment a cue. Tags are dropped; a speaker's label stays in the text, where it cannot be told."""
    return _read_cues(source, is_vtt=False)


def read_vtt(source: Source) -> Transcript:
    """A segment a cue; the first ``<v Anna>`` of a cue is its speaker."""
    first = source.text.split("\n", 1)[0]
    if not re.match(r"WEBVTT(?:\s|$)", first):
        raise source.error("no WebVTT file: it begins without WEBVTT", line=1)
    return _read_cues(source, is_vtt=True)


def _read_cues(source: Source, *, is_vtt: bool) -> Transcript:
    segments: list[Segment] = []
    times: tuple[float, float] | None = None
    held: list[str] = []  # the lines of the open cue
    in_header = is_vtt  # until a blank line or the first times
    in_block = False  # a NOTE, STYLE or REGION, until a blank line
    was_blank = True
    for number, line in source.lines():
        if is_vtt and was_blank and _VTT_BLOCK.match(line):
            in_block = True
        elif "-->" in line and not in_block and not (in_header and not _TIMING.fullmatch(line)):
            in_header = False
            if times is not None:
                segments += _segment(times, _without_number(held), is_vtt)
            times, held = _timing(source, line, number), []
        elif not line.strip():
            in_header = in_block = False
            held += [""] if not held or held[-1] else []
        elif not in_header and not in_block:
            if times is None and not is_vtt and not re.fullmatch(r"\s*\d{1,9}\s*", line, re.ASCII):
                raise source.error(
                    f"expected a cue (a number, then 00:00:01,000 --> 00:00:02,000), found {quoted(line)}",
                    line=number,
                )
            held.append(line)
        was_blank = not line.strip()
    if times is not None:
        segments += _segment(times, held, is_vtt)
    elif not is_vtt and any(held):
        raise source.error("the file ends before the times of its first cue")
    return Transcript(tuple(sorted(segments, key=lambda segment: segment.start)))


def _timing(source: Source, line: str, number: int) -> tuple[float, float]:
    match = _TIMING.fullmatch(line)
    if not match:
        raise source.error(
            f"expected times such as 00:00:01,000 --> 00:00:02,000, found {quoted(line)}", line=number
        )
    parts = match.groups()
    start, end = _seconds(parts[:4]), _seconds(parts[4:])
    return source.span(start, end, line=number)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    milliseconds = int(fraction.ljust(3, "0"))
    return (int(hours) * 3_600_000 + int(minutes) * 60_000 + int(seconds) * 1000 + milliseconds) / 1000


def _without_number(held: list[str]) -> list[str]:
    """The lines of a cue, without the number (or identifier) of the one that follows."""
    if len(held) >= 2 and held[-1].strip() and not held[-2].strip():
        return held[:-1]
    return held


def _segment(times: tuple[float, float], lines: list[str], is_vtt: bool) -> list[Segment]:
    text = " ".join(lines)
    voice = _VOICE.search(text) if is_vtt else None
    text = _TAG.sub("", text)
    speaker = voice[1] if voice else None
    if not is_vtt:
        text = _SRT_STYLE.sub("", text)
    else:
        text = html.unescape(text)
        speaker = clean_text(html.unescape(speaker)) if speaker else None
    text = clean_text(text)
    return [Segment(text, *times, speaker=speaker or None)] if text else []
