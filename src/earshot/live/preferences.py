"""The microphone that was chosen last, by name: numbers change when devices come and go."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from earshot.core.errors import OutputError
from earshot.core.files import atomic_text
from earshot.core.paths import data_home

_VERSION = 1


def _path() -> Path:
    return data_home() / "microphone.json"


def remembered_microphone() -> str | None:
    """Its name, None where none was chosen or the file is damaged."""
    with suppress(OSError, ValueError, RecursionError):
        data = json.loads(_path().read_text(encoding="utf-8"))
        if isinstance(data, dict) and data.get("version") == _VERSION and isinstance(data.get("name"), str):
            return str(data["name"])
    return None


def remember_microphone(name: str | None) -> None:
    """Use it from now on; None for the system's default. Where it cannot be written nothing is remembered."""
    with suppress(OutputError, OSError):
        if name is None:
            _path().unlink(missing_ok=True)
        elif name != remembered_microphone():
            with atomic_text(_path()) as file:
                json.dump({"version": _VERSION, "name": name}, file, ensure_ascii=False)
