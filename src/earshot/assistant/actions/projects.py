"""A new project: a folder, a repository, an environment, and the editor with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot.assistant.actions.base import FunctionAction, Outcome, Risk, Surroundings
from earshot.assistant.actions.programs import find_program, has_program, run_program, start_program
from earshot.assistant.actions.reversal import Reversal
from earshot.assistant.actions.values import FilePath, Flag, ListOf, Name, Parameter, TableOf, Text
from earshot.core.errors import ActionError, nearest

_VENV_LIMIT = 180.0
"""Seconds for an environment with pip, on a slow disk."""

_MAX_BYTES = 200


def slug(name: str) -> str:
    """The name of the folder: small letters of any alphabet, digits and hyphens; "Blue Moon" is blue-moon.

    Raises ActionError where nothing is left, or too much.
    """
    words = "".join(c if c.isalnum() or c in "_" else " " for c in name.casefold()).split()
    made = "-".join(words)
    if not made.strip("_-") or len(made.encode()) > _MAX_BYTES:
        raise ActionError(f"{name[:40]!r} is no name for a folder", fix="say a name of a few words")
    return made


def _folder(values: Mapping[str, Any]) -> Path:
    root: Path = values["root"]
    return root / slug(values["name"])


def _plan(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:
    editor = _editor(values, surroundings)
    return ("project.new", str(_folder(values)), *([editor] if editor else []))


def _perform(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    folder = _folder(values)
    editor = _editor(values, surroundings)  # a missing one is told before anything is made
    if values.get("git", True):
        find_program("git", surroundings)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        raise ActionError(f"there is a {folder} already", fix="say another name") from None
    except OSError as error:
        raise ActionError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        _furnish(folder, values, surroundings)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # nothing in it is anyone's but ours
        raise
    undo = Reversal(TAKE_BACK, {"folder": folder, "fingerprint": fingerprint(folder)}, surroundings)
    message = f"The project {folder.name} is made."
    if editor is None:
        return Outcome("done", f"{message} No editor is installed.", ("project.new", str(folder)), undo)
    argv = (editor, str(folder))
    start_program(argv, surroundings, folder=folder)
    return Outcome("done", message, argv, undo)


def _furnish(folder: Path, values: Mapping[str, Any], surroundings: Surroundings) -> None:
    if values.get("git", True):
        run_program(["git", "init", "--quiet"], surroundings, folder=folder)
        (folder / ".gitignore").write_text(".venv/\n", encoding="utf-8")
    if values.get("venv", True):
        python = values.get("python", sys.executable)
        options = [] if values.get("pip", True) else ["--without-pip"]
        argv = [python, "-m", "venv", *options, ".venv"]
        run_program(argv, surroundings, folder=folder, time_limit=_VENV_LIMIT)


def _editor(values: Mapping[str, Any], surroundings: Surroundings) -> str | None:
    """The program of the editor that was asked for, else of the first that is installed; None without any."""
    editors: Mapping[str, tuple[str, ...]] = values.get("editors", {})
    asked = values.get("editor")
    if asked is None:
        programs = [program for choices in editors.values() for program in choices]
        return next((program for program in programs if has_program(program, surroundings)), None)
    known = {name.casefold(): choices for name, choices in editors.items()}
    if asked.casefold() not in known:
        raise ActionError(f"there is no editor {asked!r} in the actions file", fix=nearest(asked, editors))
    choices = known[asked.casefold()]
    for program in choices:
        if has_program(program, surroundings):
            return program
    raise ActionError(
        f"{asked} is not installed ({', '.join(choices)})",
        fix="install it, or name its program below editors in the actions file",
    )


def fingerprint(folder: Path) -> str:
    """Of names, sizes, times and kinds of all that is in a folder; another one after any change."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        size_and_time = () if path.is_dir() and not path.is_symlink() else (state.st_size, state.st_mtime_ns)
        digest.update(repr((os.fspath(path.relative_to(folder)), state.st_mode, *size_and_time)).encode())
    return digest.hexdigest()


def _take_back(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    folder: Path = values["folder"]
    if not folder.is_dir() or folder.is_symlink():
        raise ActionError(f"there is no {folder} any more")
    if fingerprint(folder) != values["fingerprint"]:
        raise ActionError(f"{folder} was changed since it was made", fix="remove it yourself, if you want to")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ActionError(f"{folder} cannot be removed: {error.strerror}") from error
    return Outcome("done", f"The project {folder.name} is removed.", ("project.take-back", str(folder)))


TAKE_BACK = FunctionAction(
    "project.take-back",
    "remove a project that nobody has touched since it was made",
    _take_back,
    {
        "folder": Parameter(FilePath(), "where it is", is_required=True),
        "fingerprint": Parameter(Text(), "how it was", is_required=True),
    },
    risk=Risk.CONFIRM,
    is_destructive=True,
)

ACTIONS = (
    FunctionAction(
        "project.new",
        "make a folder, a git repository and a Python environment, and open an editor",
        _perform,
        {
            "name": Parameter(Name(), "what it is called", is_required=True, is_spoken=True),
            "root": Parameter(FilePath(), "the folder of projects", is_required=True),
            "editor": Parameter(Text(60), "one of editors", is_spoken=True),
            "editors": Parameter(TableOf(ListOf(Text())), "what is said, and the programs it may be"),
            "git": Parameter(Flag(), "whether a repository is made"),
            "venv": Parameter(Flag(), "whether an environment is made"),
            "pip": Parameter(Flag(), "whether pip is in it"),
            "python": Parameter(Text(4096), "the interpreter of the environment"),
        },
        planner=_plan,
    ),
    TAKE_BACK,
)
