"""The command, within this process or in one of its own, and engines that tests bring along."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
import soundfile

from earshot.audio.decode import read_audio
from earshot.cli import run
from earshot.cli._sample import sample_path

TIMEOUT = 120.0
SCRIPT = "the quick brown fox jumps over the lazy dog"


@dataclass(frozen=True)
class Result:
    status: int
    output: str
    errors: str

    @property
    def error_lines(self) -> list[str]:
        return self.errors.splitlines()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "earshot", *map(str, arguments)]


def earshot(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """Run ``earshot`` with these arguments to its end, within this process: ten times as fast."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        replaced_stdin(io.TextIOWrapper(io.BytesIO(stdin))),
    ):
        status = run([str(argument) for argument in arguments])
    return Result(status, written(output), written(errors))


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@contextlib.contextmanager
def replaced_stdin(stream: TextIO) -> Iterator[None]:
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before


def earshot_process(
    *arguments: str | Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> Result:
    """The same as users start it. What libraries written in C say on standard error is seen here alone."""
    done = subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=TIMEOUT,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def assert_one_line_error(result: Result, *parts: str, status: int = 1) -> None:
    """One line on standard error that names ``parts``, and that exit status."""
    assert result.status == status, result
    assert len(result.error_lines) == 1, result.errors
    line = result.error_lines[0]
    assert line.startswith("earshot: error: "), line
    assert "Traceback" not in line
    for part in parts:
        assert part in line, line


@cache
def read_aloud() -> npt.NDArray[np.float32]:
    """44 s of real speech at 16 kHz, that an installed dependency carries."""
    return read_audio(sample_path()).samples


def write_speech(path: Path, seconds: float = 3.0, *, gain: float = 1.0) -> Path:
    """A recording of that length. The scripted engine says a word of SCRIPT for each 0.4 s of speech in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    speech = read_aloud()
    num_samples = round(seconds * 16_000)
    repeated = np.tile(speech, 1 + num_samples // len(speech))[:num_samples]
    soundfile.write(path, np.clip(gain * repeated, -1, 1), 16_000)
    return path


def install_engine(folder: Path, name: str, code: str) -> dict[str, str]:
    """A package that brings an engine as any package may; ``code`` defines ENGINE.

    Returns the environment in which the command finds it.
    """
    module = f"earshot_test_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[earshot.engines]\n{name} = {module}:ENGINE\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}


SLOW_ENGINE = """
import time
from earshot.engines import Engine
from earshot.engines.scripted import ScriptedRecognizer

class Slow(ScriptedRecognizer):
    def transcribe(self, audio, **options):
        time.sleep({seconds})
        return super().transcribe(audio, **options)

ENGINE = Engine("slow", "takes its time", lambda options: Slow(), has_default_model=True)
"""

BROKEN_ENGINE = """
from earshot.engines import Engine

def load(options):
    raise ValueError("a bug\\nof two lines")

ENGINE = Engine("broken", "fails as no engine should", load, has_default_model=True)
"""


def names_in(folder: Path) -> Sequence[str]:
    """All files below a folder, hidden ones included, but not the record of what is done."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".earshot-done.jsonl"
    )
