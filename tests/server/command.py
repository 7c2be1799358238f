"""``earshot serve`` as a process of its own, as users start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx


class ServeCommand:
    """Runs while it is entered; ends by SIGKILL where nothing else ended it."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self._arguments = ("--port", "0", *arguments)
        self.lines: list[str] = []

    def __enter__(self) -> ServeCommand:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "earshot", "serve", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "EARSHOT_HOME": str(self.home)},
        )
        assert self.process.stdout is not None
        self.lines.append(self.process.stdout.readline())
        found = re.search(r"http://\S+:\d+", self.lines[0])
        assert found, self.lines[0] + self.process.stdout.read()
        self.address = found[0]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._reader.join(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += self.process.stdout

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit status."""
        status = self.process.wait(60)
        self._reader.join(30)
        return status

    def uploads(self) -> list[Path]:
        """Files that wait."""
        found = (self.home / "server" / "uploads").rglob("*")
        return [path for path in found if path.is_file() and path.name != "lock"]

    def is_well(self) -> bool:
        return httpx.get(f"{self.address}/healthz").status_code == 200
