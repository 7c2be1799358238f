"""``earshot listen`` and ``earshot record`` while they run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from earshot.live.stored import StoredSession, list_sessions
from tests.cli.command import TIMEOUT, Result, command, read_aloud
from tests.live.virtual_microphone import wait_for

PHRASES = {
    "times": (1.05, 4.75, "it was the best of times it was the worst of times"),
    "wisdom": (4.85, 8.6, "it was the age of wisdom it was the age of foolishness"),
    "belief": (8.65, 13.0, "it was the epoch of belief it was the epoch of incredulity"),
    "before": (21.05, 24.5, "we had everything before us we had nothing before us"),
}
"""Start and end in the sample recording, and what is said."""


class Running:
    """A started command. home: its EARSHOT_HOME."""

    def __init__(self, *arguments: str | Path, environment: Mapping[str, str]) -> None:
        self.home = Path(environment["EARSHOT_HOME"])
        self._known = self._folders()
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )

    def _folders(self) -> set[Path]:
        """Of sessions that are complete enough to be read."""
        return {path.parent for path in self.home.glob("sessions/*/meta.json")}

    def wait_until_it_records(self) -> StoredSession:
        """Sound arrives on the disk."""

        def new() -> list[StoredSession]:
            sessions = list_sessions(self.home / "sessions")[0]
            return [one for one in sessions if one.folder not in self._known and one.duration > 0]

        assert wait_for(lambda: new() or self.process.poll() is not None), "it never records"
        assert new(), self.end()
        return new()[0]

    def interrupt(self, number: int = signal.SIGINT) -> Result:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Result:
        output, errors = self.process.communicate(timeout=TIMEOUT)
        return Result(self.process.returncode, output.decode(), errors.decode())


def json_lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.output.splitlines()]


def phrase(name: str) -> npt.NDArray[np.float32]:
    start, end, _ = PHRASES[name]
    return read_aloud()[round(start * 16_000) : round(end * 16_000)]


def write_phrases(path: Path, *names: str, pause: float = 1.5) -> Path:
    """Each followed by silence."""
    silence = np.zeros(round(pause * 16_000), np.float32)
    soundfile.write(path, np.concatenate([part for name in names for part in (phrase(name), silence)]), 16_000)
    return path
