"""Installed applications, by their desktop entries (freedesktop.org, Desktop Entry Specification 1.5)."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from earshot.assistant.actions.base import Surroundings
from earshot.assistant.actions.programs import has_program
from earshot.core.errors import ActionError, nearest

_MAX_BYTES = 200_000
_FIELD = re.compile(r"%(.)")
_TERMINALS = ("x-terminal-emulator", "gnome-terminal", "konsole", "xfce4-terminal", "xterm")


@dataclass(frozen=True, slots=True)
class Application:
    """An installed application. names: in the languages that were asked for. argv: without files to open."""

    names: tuple[str, ...]
    argv: tuple[str, ...]
    needs_terminal: bool = False


def installed(environment: Mapping[str, str], home: Path, *, language: str = "en") -> list[Application]:
    """Those that a menu would show; of entries with the same file name the user's own counts."""
    found: dict[str, Application | None] = {}
    for folder in _folders(environment, home):
        for path in sorted(folder.rglob("*.desktop")) if folder.is_dir() else ():
            name = str(path.relative_to(folder))
            if name not in found:
                found[name] = _read(path, language)
    return [application for application in found.values() if application is not None]


def application_argv(
    name: str, programs: Mapping[str, tuple[str, ...]], surroundings: Surroundings
) -> tuple[str, ...]:
    """How an application is started. programs: what may be said, and programs in the order of preference.

    Raises ActionError where nothing of that name is installed.
    """
    wanted = name.casefold()
    choices = next((found for said, found in programs.items() if said.casefold() == wanted), ())
    for program in choices:
        if has_program(program, surroundings):
            return (program,)
    applications = installed(surroundings.environment, surroundings.home, language=surroundings.language)
    for application in applications:
        if wanted in (known.casefold() for known in application.names):
            return _with_terminal(application, surroundings)
    known = {spoken for application in applications for spoken in application.names} | set(programs)
    fix = f"install one of {', '.join(choices)}" if choices else nearest(name, known)
    raise ActionError(f"no application {name!r} is installed", fix=fix)


def _folders(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    yield Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "applications"
    shared = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for folder in shared.split(":"):
        if folder.startswith("/"):
            yield Path(folder) / "applications"


def _read(path: Path, language: str) -> Application | None:
    """None for what a menu would hide, and for what cannot be read."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        parser.read_string(path.read_text(encoding="utf-8"))
        entry = parser["Desktop Entry"]
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError):
        return None
    is_hidden = any(entry.get(key, "false").strip() == "true" for key in ("NoDisplay", "Hidden"))
    if entry.get("Type") != "Application" or is_hidden:
        return None
    argv = _argv(entry.get("Exec", ""))
    names = tuple(dict.fromkeys(filter(None, (entry.get("Name"), entry.get(f"Name[{language}]")))))
    return Application(names, argv, entry.get("Terminal") == "true") if argv and names else None


def _argv(line: str) -> tuple[str, ...]:
    """Exec without its field codes, which stand for files; empty where it is none."""
    try:
        words = shlex.split(line)
    except ValueError:
        return ()
    kept = (_FIELD.sub(lambda code: "%" if code[1] == "%" else "", word) for word in words)
    return tuple(word for word in kept if word)


def _with_terminal(application: Application, surroundings: Surroundings) -> tuple[str, ...]:
    if not application.needs_terminal:
        return application.argv
    for terminal in _TERMINALS:
        if has_program(terminal, surroundings):
            option = "--" if terminal == "gnome-terminal" else "-e"
            return (terminal, option, *application.argv)
    raise ActionError(
        f"{application.names[0]} needs a terminal, and none is installed", fix="apt install xterm"
    )
