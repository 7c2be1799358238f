"""The small programs that reach a desktop: found, run by argument lists, and given up where they hang."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from earshot.core.errors import ActionError

TIME_LIMIT = 10.0
"""Seconds; the programs here answer in milliseconds unless something hangs."""

_PACKAGES = {
    "import": "imagemagick",
    "notify-send": "libnotify-bin",
    "swaymsg": "sway",
    "wl-copy": "wl-clipboard",
    "wl-paste": "wl-clipboard",
    "xmodmap": "x11-xserver-utils",
}
"""Debian packages that bear another name than their program."""


class Programs:
    """Runs programs of one desktop. environment: what they get, and where PATH finds them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def has(self, name: str) -> bool:
        """Whether it is installed."""
        return self._find(name) is not None

    def choose(self, *names: str, purpose: str) -> str:
        """The first that is installed. purpose: what it is needed for. Raises ActionError where none is."""
        for name in names:
            if self.has(name):
                return name
        packages = " or ".join(dict.fromkeys(_PACKAGES.get(name, name) for name in names))
        wanted = " or ".join(names)
        raise ActionError(f"{purpose} needs {wanted}, which is not installed", fix=f"apt install {packages}")

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        has_output: bool = True,
        time_limit: float = TIME_LIMIT,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one to its end, whatever its status.

        stdin: text that it reads. has_output: False for a program that leaves a child behind, which would keep
        the pipes open. time_limit: seconds. Raises ActionError where it is missing or takes longer.
        """
        name = argv[0]
        path = self._find(name)
        if path is None:
            self.choose(name, purpose="this")
        output = subprocess.PIPE if has_output else subprocess.DEVNULL
        try:
            return subprocess.run(
                [path or name, *argv[1:]],
                input=stdin.encode() if stdin is not None else b"",
                stdout=output,
                stderr=output,
                env=dict(self.environment),
                timeout=time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ActionError(
                f"{name} gave no answer in {time_limit:g} s", fix="is the window or the desktop frozen?"
            ) from error
        except (OSError, ValueError) as error:
            raise ActionError(f"{name} cannot be run: {error}") from error

    def call(self, argv: Sequence[str], *, stdin: str | None = None, time_limit: float = TIME_LIMIT) -> str:
        """What it prints. Raises ActionError where it fails."""
        return decoded(self.call_bytes(argv, stdin=stdin, time_limit=time_limit))

    def call_bytes(
        self, argv: Sequence[str], *, stdin: str | None = None, time_limit: float = TIME_LIMIT
    ) -> bytes:
        """The same for what is no text."""
        done = self.run(argv, stdin=stdin, time_limit=time_limit)
        if done.returncode != 0:
            reason = decoded(done.stderr).strip().splitlines()
            raise ActionError(f"{argv[0]} failed: {reason[0] if reason else f'status {done.returncode}'}")
        return done.stdout

    def _find(self, name: str) -> str | None:
        return shutil.which(name, path=self.environment.get("PATH"))


def decoded(output: bytes | None) -> str:
    """Text of a program, whatever bytes a hostile window title puts into it."""
    return (output or b"").decode("utf-8", "replace")
