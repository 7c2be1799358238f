"""Programs: started by an argv, never by a shell, ended when they take too long."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from earshot.assistant.actions.arguments import Arguments
from earshot.assistant.actions.base import FunctionAction, Outcome, Risk, Surroundings
from earshot.assistant.actions.plain_text import unfit
from earshot.assistant.actions.values import FilePath, Flag, Number, Parameter, expanded
from earshot.core.errors import ActionError

TIME_LIMIT = 10.0
"""Seconds a program may take that is waited for."""

_SETTLED = 0.4
"""Seconds after which a program that is started and left to itself counts as started."""

_GLIB = re.compile(r"-(CRITICAL|WARNING) \*\*")

_MAX_OUTPUT = 4_000_000
"""Bytes of output after which a program is ended."""

_PACKAGES = {
    "playerctl": "playerctl",
    "wpctl": "wireplumber",
    "pactl": "pulseaudio-utils",
    "xdg-open": "xdg-utils",
    "git": "git",
    "loginctl": "systemd",
}
"""Debian's packages of the programs that the shipped actions use."""


def find_program(name: str, surroundings: Surroundings) -> str:
    """Where a program is. Raises ActionError that names the package, where it is known."""
    found = shutil.which(expanded(name, surroundings.home), path=surroundings.environment.get("PATH"))
    if found is None:
        package = _PACKAGES.get(name)
        fix = f"apt install {package}" if package else "install it, or name another one in the actions file"
        raise ActionError(f"the program {name} is not installed", fix=fix)
    return found


def has_program(name: str, surroundings: Surroundings) -> bool:
    """Whether a program is there."""
    return (
        shutil.which(expanded(name, surroundings.home), path=surroundings.environment.get("PATH")) is not None
    )


def run_program(
    argv: Sequence[str],
    surroundings: Surroundings,
    *,
    time_limit: float = TIME_LIMIT,
    folder: Path | None = None,
    stdin: str = "",
) -> str:
    """Run a program to its end; returns the first line it printed. time_limit: seconds.

    Raises ActionError when it is missing, fails, or is not done in time; then it is ended, and what it started.
    """
    program = find_program(argv[0], surroundings)
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryFile() as given,
    ):
        given.write(stdin.encode())
        given.seek(0)
        process = _started([program, *argv[1:]], surroundings, folder, given, output, errors)
        try:
            _wait(process, argv[0], time_limit, output)
        finally:
            end_group(process)
        if process.returncode != 0:
            reason = _first_line(errors) or _first_line(output) or "it does not tell why"
            raise ActionError(f"{argv[0]} failed with status {process.returncode}", fix=reason)
        return _first_line(output)


def start_program(argv: Sequence[str], surroundings: Surroundings, *, folder: Path | None = None) -> None:
    """Start a program and leave it running; it outlives us.

    Raises ActionError when it is missing, or fails at once.
    """
    program = find_program(argv[0], surroundings)
    with tempfile.TemporaryFile() as errors, Path(os.devnull).open("r+b") as nothing:
        process = _started([program, *argv[1:]], surroundings, folder, nothing, nothing, errors)
        try:
            status = process.wait(_SETTLED)
        except subprocess.TimeoutExpired:
            threading.Thread(target=process.wait, daemon=True).start()  # else its end would leave a zombie
            return
        if status != 0:
            reason = _first_line(errors) or "it does not tell why"
            raise ActionError(f"{argv[0]} failed with status {status}", fix=reason)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, and whatever it started in its group."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGTERM)
        _settle(process, 1.0)
        with contextlib.suppress(ProcessLookupError):  # none is left who would not listen
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _started(
    argv: Sequence[str],
    surroundings: Surroundings,
    folder: Path | None,
    stdin: IO[bytes],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            env=dict(surroundings.environment),
            cwd=folder or (surroundings.home if surroundings.home.is_dir() else None),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ActionError(f"{Path(argv[0]).name} cannot be started: {reason}") from error


def _wait(process: subprocess.Popen[bytes], name: str, time_limit: float, output: IO[bytes]) -> None:
    end = time.monotonic() + time_limit
    while process.poll() is None:
        _settle(process, 0.02)
        if time.monotonic() > end and process.poll() is None:
            raise ActionError(
                f"{name} was not done in {time_limit:g} s and was ended", fix="raise its time_limit"
            )
        if os.fstat(output.fileno()).st_size > _MAX_OUTPUT:
            raise ActionError(f"{name} prints without end and was ended")


def _settle(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _first_line(stream: IO[bytes]) -> str:
    """The first line with something in it, warnings of GLib left out; nothing that a terminal would obey."""
    stream.seek(0)
    text = stream.read(4096).decode("utf-8", errors="replace")
    line = next((line.strip() for line in text.splitlines() if line.strip() and not _GLIB.search(line)), "")
    return "".join(character for character in line if not unfit(character))[:300]


# --- actions ---

_ARGV = Parameter(Arguments(), 'the program and what it is given: ["program", "{slot}"]', is_required=True)
_FOLDER = Parameter(FilePath(), "where it runs")


def _plan(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:  # noqa: ARG001
    return tuple(values["argv"])


def _run(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    argv = values["argv"]
    limit = values.get("time_limit", TIME_LIMIT)
    line = run_program(argv, surroundings, time_limit=limit, folder=values.get("folder"))
    return Outcome("done", line if values.get("says_output") else "", argv)


def _start(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    start_program(values["argv"], surroundings, folder=values.get("folder"))
    return Outcome("done", "", values["argv"])


ACTIONS = (
    FunctionAction(
        "program.run",
        "run a program to its end",
        _run,
        {
            "argv": _ARGV,
            "folder": _FOLDER,
            "time_limit": Parameter(Number(0.1, 3600, is_whole=False), "seconds; 10 when not given"),
            "says_output": Parameter(Flag(), "the first line it prints is the answer"),
        },
        risk=Risk.CONFIRM,
        planner=_plan,
    ),
    FunctionAction(
        "program.start",
        "start a program and leave it running",
        _start,
        {"argv": _ARGV, "folder": _FOLDER},
        risk=Risk.CONFIRM,
        planner=_plan,
    ),
)
