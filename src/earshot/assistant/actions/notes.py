"""Notes: lines at the end of a text file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from earshot.assistant.actions.base import FunctionAction, Outcome, Surroundings
from earshot.assistant.actions.reversal import Reversal
from earshot.assistant.actions.values import FilePath, Number, Parameter, Text
from earshot.assistant.actions.wording import said
from earshot.core.errors import ActionError
from earshot.core.files import atomic_text

_MAX_BYTES = 50_000_000


def _read(path: Path) -> str:
    try:
        if path.exists() and path.stat().st_size > _MAX_BYTES:
            raise ActionError(f"{path} is over {_MAX_BYTES} bytes", fix="begin a new file of notes")
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError:
        raise ActionError(f"{path} is no UTF-8 text", fix="name another file for notes") from None
    except OSError as error:
        raise ActionError(f"{path} cannot be read: {error.strerror}") from error


def _add(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    path: Path = values["file"]
    before = _read(path)
    bullet = "- " if path.suffix.lower() in (".md", ".markdown") else ""
    added = f"{bullet}{datetime.now():%Y-%m-%d %H:%M} {values['text']}\n"
    start = "" if not before or before.endswith("\n") else "\n"
    with atomic_text(path) as stream:
        stream.write(before + start + added)
    undo = Reversal(_TAKE_BACK, {"file": path, "line": added.strip()}, surroundings)
    return Outcome("done", "Noted.", ("note.add", str(path), values["text"]), undo)


def _take_back(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    path: Path = values["file"]
    lines = _read(path).splitlines(keepends=True)
    if not lines or lines[-1].strip() != values["line"]:
        raise ActionError(f"{path} was changed since", fix="remove the line yourself, if you want to")
    with atomic_text(path) as stream:
        stream.write("".join(lines[:-1]))
    return Outcome("done", "The note is removed.", ("note.take-back", str(path)))


def _last(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    lines = [line.strip() for line in _read(values["file"]).splitlines() if line.strip()]
    chosen = lines[-int(values.get("count", 3)) :]
    return Outcome(
        "done", "\n".join(chosen) or said("no notes", surroundings), ("note.read", str(values["file"]))
    )


_FILE = Parameter(FilePath(), "a Markdown or text file", is_required=True)
_TAKE_BACK = FunctionAction(
    "note.take-back",
    "remove the last note",
    _take_back,
    {"file": _FILE, "line": Parameter(Text(10_000), "the note", is_required=True)},
)
ACTIONS = (
    FunctionAction(
        "note.add",
        "write a line at the end of a file, with date and time",
        _add,
        {"file": _FILE, "text": Parameter(Text(), "the note", is_required=True, is_spoken=True)},
    ),
    FunctionAction(
        "note.read",
        "tell the last notes",
        _last,
        {"file": _FILE, "count": Parameter(Number(1, 100), "how many; 3 when not given", is_spoken=True)},
    ),
    _TAKE_BACK,
)
