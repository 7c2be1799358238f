"""A meeting as JSON: a transcript as every reader of Earshot takes it, and beside it what minutes add."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from earshot.core.errors import FormatError
from earshot.meetings.minutes import RULES
from earshot.meetings.types import Meeting
from earshot.meetings.wording import share
from earshot.text.formats import FormatOptions
from earshot.text.formats.base import read_source
from earshot.text.formats.json_document import write_json

VERSION = 1


def write_meeting_json(meeting: Meeting, stream: TextIO) -> None:
    """The transcript's own JSON with one more key, ``meeting``; readers of transcripts pass over it."""
    text = io.StringIO()
    write_json(meeting.transcript, text, FormatOptions())
    body = text.getvalue().rstrip()
    assert body.endswith("}"), "a transcript is a JSON object"
    more = json.dumps(meeting_fields(meeting), ensure_ascii=False, allow_nan=False, indent=1)
    safe = more.encode("utf-8", "backslashreplace").decode("utf-8")
    stream.write(f'{body[:-1].rstrip()},\n  "meeting": {safe}\n}}\n')


def meeting_fields(meeting: Meeting) -> dict[str, Any]:
    """What minutes add to a transcript. Times are seconds."""
    return {
        "version": VERSION,
        "title": meeting.title,
        "date": meeting.date,
        "sources": [os.fspath(path.absolute()) for path in meeting.sources],
        "participants": [
            {**asdict(one), "share": round(share(meeting, one.seconds), 4)} for one in meeting.participants
        ],
        "overlap": meeting.overlap,
        "turns": [[turn.start, turn.end, turn.speaker] for turn in meeting.turns],
        "summary": [asdict(sentence) for sentence in meeting.summary.sentences],
        "actions": [asdict(item) for item in meeting.actions],
        "rules": {key: {"title": rule.title, "explanation": rule.explanation} for key, rule in RULES.items()},
        "warnings": list(meeting.warnings),
    }


def read_sources(path: Path) -> tuple[Path, ...]:
    """The recordings that a meeting's JSON was made of, as far as they are still there; () for other JSON.

    Relative paths are looked for beside the file. Raises FormatError when it is no JSON.
    """
    source = read_source(path, None)
    try:
        document = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: no JSON of a transcript", fix="name another file") from error
    meeting = document.get("meeting") if isinstance(document, Mapping) else None
    listed = meeting.get("sources") if isinstance(meeting, Mapping) else None
    if not isinstance(listed, list):
        return ()
    found = []
    for name in listed:
        if isinstance(name, str) and "\0" not in name:
            candidates = (path.parent / name, Path(name))
            found += [candidate for candidate in candidates if candidate.is_file()][:1]
    return tuple(found)
