"""Opening files, folders, sites and applications with what the desktop uses for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot.assistant.actions.addresses import AddressPhrase
from earshot.assistant.actions.applications import application_argv
from earshot.assistant.actions.base import FunctionAction, Outcome, Surroundings
from earshot.assistant.actions.programs import start_program
from earshot.assistant.actions.values import Address, FilePath, ListOf, Parameter, TableOf, Text, expanded
from earshot.core.errors import ActionError, nearest

_RUNS = (".desktop", ".sh", ".bat", ".cmd", ".exe", ".com", ".msi", ".ps1", ".vbs", ".scr", ".jar", ".appimage")
"""Endings of files that opening may run."""

_USER_FOLDERS = {
    "desktop": ("DESKTOP", "Desktop"),
    "documents": ("DOCUMENTS", "Documents"),
    "downloads": ("DOWNLOAD", "Downloads"),
    "music": ("MUSIC", "Music"),
    "pictures": ("PICTURES", "Pictures"),
    "videos": ("VIDEOS", "Videos"),
}


def user_folder(name: str, surroundings: Surroundings) -> Path | None:
    """Where music, downloads and so on are, by the names of XDG; None for another name."""
    if name == "home":
        return surroundings.home
    if name not in _USER_FOLDERS:
        return None
    key, usual = _USER_FOLDERS[name]
    config = surroundings.environment.get("XDG_CONFIG_HOME") or str(surroundings.home / ".config")
    try:
        lines = (Path(config) / "user-dirs.dirs").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        variable, _, value = line.strip().partition("=")
        if variable == f"XDG_{key}_DIR":
            return Path(value.strip('"').replace("$HOME", str(surroundings.home)))
    return surroundings.home / usual


def _opener() -> str:
    """The program that knows what opens what."""
    if sys.platform == "darwin":
        return "open"
    if sys.platform == "win32":
        raise ActionError("opening is not supported on Windows yet", fix="use program.start with a program")
    return "xdg-open"


def _folder(values: Mapping[str, Any], surroundings: Surroundings) -> Path:
    name = str(values["folder"]).casefold()
    places: Mapping[str, str] = {key.casefold(): path for key, path in values.get("places", {}).items()}
    if name in places:
        return Path(expanded(places[name], surroundings.home))
    if (found := user_folder(name, surroundings)) is not None:
        return found
    known = [*places, *_USER_FOLDERS, "home"]
    raise ActionError(f"there is no folder {name!r} in the actions file", fix=nearest(name, known))


def _open_folder(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    folder = _folder(values, surroundings)
    if not folder.is_dir():
        raise ActionError(f"there is no folder {folder}", fix="make it, or name another below places")
    return _started((_opener(), os.path.realpath(folder)), surroundings)


def _plan_folder(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:
    return (_opener(), str(_folder(values, surroundings)))


def _open_file(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    path: Path = values["file"]
    if not path.is_file():
        raise ActionError(f"there is no file {path}")
    if path.suffix.lower() in _RUNS or (os.name == "posix" and os.access(path, os.X_OK)):
        raise ActionError(f"{path.name} is refused: it is a program", fix="use program.start")
    return _started((_opener(), str(path)), surroundings)


def _address(values: Mapping[str, Any]) -> str:
    if "address" in values:
        return str(values["address"])
    sites: Mapping[str, str] = {name.casefold(): address for name, address in values.get("sites", {}).items()}
    name = str(values.get("site", "")).casefold()
    if name not in sites:
        raise ActionError(f"there is no site {name!r} in the actions file", fix=nearest(name, sites))
    return sites[name]


def _open_site(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    return _started((_opener(), _address(values)), surroundings)


def _plan_site(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:  # noqa: ARG001
    return (_opener(), _address(values))


def _application(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:
    return application_argv(values["application"], values.get("programs", {}), surroundings)


def _open_application(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    return _started(_application(values, surroundings), surroundings)


def _started(argv: tuple[str, ...], surroundings: Surroundings) -> Outcome:
    start_program(argv, surroundings)
    return Outcome("done", "", argv)


ACTIONS = (
    FunctionAction(
        "open.folder",
        "open a folder",
        _open_folder,
        {
            "folder": Parameter(
                Text(100), "home, downloads …, or one of places", is_required=True, is_spoken=True
            ),
            "places": Parameter(TableOf(Text(4096)), "what is said, and the path"),
        },
        planner=_plan_folder,
    ),
    FunctionAction(
        "open.file",
        "open a file with what the desktop uses for it; never a program",
        _open_file,
        {"file": Parameter(FilePath(), "which", is_required=True)},
    ),
    FunctionAction(
        "open.site",
        "open an address in the browser",
        _open_site,
        {
            "address": Parameter(AddressPhrase(), "the address, with {slot} after the host"),
            "site": Parameter(Text(100), "one of sites", is_spoken=True),
            "sites": Parameter(TableOf(Address()), "what is said, and the address"),
        },
        planner=_plan_site,
    ),
    FunctionAction(
        "open.application",
        "start an application",
        _open_application,
        {
            "application": Parameter(Text(100), "its name", is_required=True, is_spoken=True),
            "programs": Parameter(TableOf(ListOf(Text(4096))), "what is said, and the programs it may be"),
        },
        planner=lambda values, surroundings: _application(values, surroundings),
    ),
)
