"""JSON: the one format that holds all of a transcript, exactly.

    {
      "format": "earshot-transcript", "version": 1,
      "language": "en", "duration": 44.1, "engine": "moonshine/tiny-en",
      "text": "all of it, for readers that want no more; ignored when read back",
      "segments": [
        {"text": "Hello there.", "start": 0.52, "end": 1.4, "speaker": null, "language": "en", "words": [
          {"text": "Hello", "start": 0.52, "end": 0.9, "confidence": 0.98, "time_source": "aligned"}, …
        ]}, …
      ]
    }

Times are seconds, unknown is null, numbers have all their digits, so that what is read equals what was
written. A higher version is refused; keys that are not listed here are ignored. The reader also takes
whisper's own JSON (words named ``word`` with a ``probability``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TextIO, TypeAlias, get_args

from earshot.core.errors import FormatError
from earshot.core.types import Segment, TimeSource, Transcript, Word
from earshot.text.formats.base import FormatOptions, Source, quoted

FORMAT = "earshot-transcript"
VERSION = 1

_Json: TypeAlias = Any  # what json.loads gives; checked key by key below

# --- writing -----------------------------------------------------------------------------------------------


def write_json(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:  # noqa: ARG001 - a Writer
    """All fields, a word a line. Raises FormatError for a number that is not finite."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "language": transcript.language,
        "duration": transcript.duration,
        "engine": transcript.engine,
        "text": transcript.text,
    }
    fields = ",\n".join(f"  {_dump(key)}: {_dump(value)}" for key, value in head.items())
    stream.write(f'{{\n{fields},\n  "segments": [')
    for index, segment in enumerate(transcript.segments):
        stream.write((",\n    " if index else "\n    ") + _segment_text(segment))
    stream.write("\n  ]\n}\n" if transcript.segments else "]\n}\n")


def _segment_text(segment: Segment) -> str:
    head = {
        "text": segment.text,
        "start": segment.start,
        "end": segment.end,
        "speaker": segment.speaker,
        "language": segment.language,
    }
    words = ",\n".join(f"      {_dump(_word_fields(word))}" for word in segment.words)
    return _dump(head)[:-1] + (f', "words": [\n{words}\n    ]}}' if words else ', "words": []}')


def _word_fields(word: Word) -> dict[str, str | float | None]:
    return {
        "text": word.text,
        "start": word.start,
        "end": word.end,
        "confidence": word.confidence,
        "time_source": word.time_source,
    }


def _dump(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise FormatError(
            "the transcript holds a number that is not finite", fix="report this: an engine gave no real time"
        ) from error
    # A lone surrogate cannot be UTF-8; "\udc80" is at once Python's and JSON's way to write it.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# --- reading -----------------------------------------------------------------------------------------------


def read_json(source: Source) -> Transcript:
    """Our own JSON or whisper's."""
    try:
        document = json.loads(source.text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise source.error(f"no JSON ({error.msg})", line=error.lineno) from error
    except (ValueError, RecursionError) as error:  # NaN, numbers of thousands of digits, endless brackets
        raise source.error("no JSON of a transcript", fix="name another file") from error
    root = _object(source, document, "the document")
    _check_version(source, root)
    segments = root.get("segments")
    if not isinstance(segments, list):
        raise source.error('expected a list "segments"', fix="this JSON is no transcript")
    return Transcript(
        tuple(_segment(source, item, f"segment {index}") for index, item in enumerate(segments, start=1)),
        _optional_text(source, root, "language", "the document"),
        _optional_number(source, root, "duration", "the document"),
        _optional_text(source, root, "engine", "the document"),
    )


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _check_version(source: Source, root: Mapping[str, _Json]) -> None:
    if root.get("format", FORMAT) != FORMAT:
        raise source.error(f"the format {quoted(root['format'])} is not {FORMAT!r}")
    version = root.get("version", VERSION)
    if version != VERSION and "format" in root:
        raise source.error(
            f"version {quoted(version)} of the format; known is {VERSION}", fix="upgrade earshot"
        )


def _segment(source: Source, item: _Json, where: str) -> Segment:
    fields = _object(source, item, where)
    start, end = (_time(source, fields, key, where) for key in ("start", "end"))
    if start is None or end is None:
        raise source.error(f"{where}: start and end are missing")
    words = fields.get("words") or []
    if not isinstance(words, list):
        raise source.error(f"{where}: words are no list")
    text = _optional_text(source, fields, "text", where)
    if text is None:
        raise source.error(f"{where}: the text is missing")
    return Segment(
        text.strip() if "id" in fields else text,  # whisper's, which have an id, begin with a space
        *source.span(start, end),
        tuple(_word(source, word, f"{where}, word {index}") for index, word in enumerate(words, start=1)),
        _optional_text(source, fields, "speaker", where),
        _optional_text(source, fields, "language", where),
    )


def _word(source: Source, item: _Json, where: str) -> Word:
    fields = _object(source, item, where)
    text = _optional_text(source, fields, "text", where)
    if text is None:
        text = (_optional_text(source, fields, "word", where) or "").strip()
    start, end = (_time(source, fields, key, where) for key in ("start", "end"))
    if start is not None and end is not None:
        source.span(start, end)
    confidence = _optional_number(source, fields, "confidence", where)
    if confidence is None:
        confidence = _optional_number(source, fields, "probability", where)
    if confidence is not None and not 0 <= confidence <= 1:
        raise source.error(f"{where}: the confidence {confidence:g} is not within 0 to 1")
    return Word(text, start, end, confidence, _time_source(source, fields, where))


def _time_source(source: Source, fields: Mapping[str, _Json], where: str) -> TimeSource | None:
    value = _optional_text(source, fields, "time_source", where)
    for known in get_args(TimeSource):
        if value == known:
            return known  # type: ignore[no-any-return]  # get_args gives Any
    if value is not None:
        raise source.error(f"{where}: there is no source of times {quoted(value)}")
    return None


def _object(source: Source, value: _Json, where: str) -> dict[str, _Json]:
    if not isinstance(value, dict):
        raise source.error(f"{where} is no JSON object", fix="this JSON is no transcript")
    return value


def _optional_text(source: Source, fields: Mapping[str, _Json], key: str, where: str) -> str | None:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise source.error(f"{where}: {key} is no text")
    return value


def _time(source: Source, fields: Mapping[str, _Json], key: str, where: str) -> float | None:
    value = _optional_number(source, fields, key, where)
    return None if value is None else source.checked(value, value)


def _optional_number(source: Source, fields: Mapping[str, _Json], key: str, where: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    # An integer of hundreds of digits does not fit a float; a true is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        raise source.error(f"{where}: {key} is no number")
    return float(value)
