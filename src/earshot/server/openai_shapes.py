"""Transcripts in the shapes of OpenAI's audio API."""

from __future__ import annotations

import io
import math
import zlib
from typing import Any

from earshot.core.types import Segment, Transcript, Word
from earshot.server.language_names import language_name
from earshot.text.formats import write_transcript


def usage(seconds: float | None) -> dict[str, Any]:
    """What was used: seconds of sound."""
    return {"type": "duration", "seconds": _seconds(seconds)}


def plain_document(transcript: Transcript, *, has_logprobs: bool) -> dict[str, Any]:
    """``response_format=json``."""
    document: dict[str, Any] = {"text": transcript.text, "usage": usage(transcript.duration)}
    if has_logprobs:
        document["logprobs"] = logprobs(transcript.words)
    return document


def verbose_document(
    transcript: Transcript, *, task: str, granularities: frozenset[str], temperature: float
) -> dict[str, Any]:
    """``response_format=verbose_json``; words or segments only where they were asked for."""
    document: dict[str, Any] = {
        "task": task,
        "language": language_name(transcript.language),
        "duration": _seconds(transcript.duration),
        "text": transcript.text,
    }
    if "word" in granularities:
        document["words"] = [
            {"word": word.text, "start": _seconds(word.start), "end": _seconds(word.end)}
            for segment in transcript.segments
            for word in timed_words(segment)
        ]
    if "segment" in granularities:
        segments = enumerate(transcript.segments)
        document["segments"] = [segment_document(index, segment, temperature) for index, segment in segments]
    document["usage"] = usage(transcript.duration)
    return document


def diarized_document(transcript: Transcript) -> dict[str, Any]:
    """``response_format=diarized_json``; the segments have their speakers' names."""
    return {
        "task": "transcribe",
        "duration": _seconds(transcript.duration),
        "text": transcript.text,
        "segments": [diarized_segment(index, segment) for index, segment in enumerate(transcript.segments)],
        "usage": usage(transcript.duration),
    }


def diarized_segment(index: int, segment: Segment) -> dict[str, Any]:
    """A segment of ``diarized_json``, and the event that tells it when it is streamed."""
    return {
        "type": "transcript.text.segment",
        "id": segment_id(index),
        "start": _seconds(segment.start),
        "end": _seconds(segment.end),
        "text": segment.text,
        "speaker": segment.speaker or "",
    }


def segment_id(index: int) -> str:
    """``seg_001`` and on."""
    return f"seg_{index + 1:03}"


def segment_document(index: int, segment: Segment, temperature: float) -> dict[str, Any]:
    """A segment of ``verbose_json``.

    tokens is empty: they would mean nothing outside the engine. avg_logprob is that of the words, 0 where the
    engine does not tell; no_speech_prob is 0, as only what the voice detector takes for speech is decoded.
    """
    known = [word.confidence for word in segment.words if word.confidence]
    packed = zlib.compress(segment.text.encode())
    return {
        "id": index,
        "seek": round(segment.start * 100),
        "start": _seconds(segment.start),
        "end": _seconds(segment.end),
        "text": f" {segment.text}",
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": sum(map(math.log, known)) / len(known) if known else 0.0,
        "compression_ratio": len(segment.text.encode()) / len(packed),
        "no_speech_prob": 0.0,
    }


def subtitles(transcript: Transcript, name: str) -> str:
    """``response_format`` srt, vtt."""
    stream = io.StringIO()
    write_transcript(transcript, stream, name)
    return stream.getvalue()


def logprobs(words: tuple[Word, ...]) -> list[dict[str, Any]]:
    """One entry a word, as words are what has a confidence here; the later ones begin with their space."""
    entries = []
    for index, word in enumerate(words):
        token = word.text if index == 0 else f" {word.text}"
        confidence = 1.0 if word.confidence is None else max(word.confidence, 1e-10)
        entries.append({"token": token, "logprob": math.log(confidence), "bytes": list(token.encode())})
    return entries


def timed_words(segment: Segment) -> list[Word]:
    """The segment's words, all with times: those that nothing could tell share their room evenly."""
    words = list(segment.words)
    timed: list[Word] = []
    position = 0
    clock = segment.start
    while position < len(words):
        word = words[position]
        if word.start is not None and word.end is not None:
            timed.append(word)
            clock = word.end
            position += 1
            continue
        until = position
        while until < len(words) and words[until].start is None:
            until += 1
        end = max(clock, segment.end if until == len(words) else words[until].start or clock)
        room = (end - clock) / (until - position)
        for index, untimed in enumerate(words[position:until]):
            start = clock + index * room
            timed.append(Word(untimed.text, start, start + room, untimed.confidence, "interpolated"))
        clock = end
        position = until
    return timed


def _seconds(value: float | None) -> float:
    return round(value or 0.0, 3)
