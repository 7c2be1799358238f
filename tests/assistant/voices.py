"""Made voices for tests, and programs that leave a trace."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.core.types import SAMPLE_RATE, Samples


def spoken(text: str, *, voice: str = "en-us", speed: int = 150, pitch: int = 50) -> Samples:
    """A sentence said by espeak-ng, float32 at 16 kHz; skips visibly without it."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("no made voices: apt install espeak-ng")
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdin", "--stdout"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=60)
    return read_audio(io.BytesIO(done.stdout)).samples


def with_pauses(*clips: Samples, pause: float = 1.2) -> Samples:
    """One recording, soft noise in it, a pause after each clip."""
    quiet = np.zeros(round(pause * SAMPLE_RATE), np.float32)
    parts = [quiet[: SAMPLE_RATE // 2], *(part for clip in clips for part in (clip, quiet))]
    joined = np.concatenate(parts)
    noise = np.random.default_rng(1).normal(0, 1e-4, len(joined)).astype(np.float32)
    return joined + noise


def tracing_program(folder: Path) -> Path:
    """Makes the file ``made-ARGUMENT`` beside itself."""
    program = folder / "leave"
    program.write_text('#!/bin/sh\ntouch "$(dirname "$0")/made-$1"\n')
    program.chmod(0o755)
    return program


def made(folder: Path) -> list[str]:
    """What the program was called with."""
    return sorted(path.name.removeprefix("made-") for path in folder.glob("made-*"))


def player_of(folder: Path, seconds: float) -> dict[str, str]:
    """An environment in which a sound takes so long to play, and nobody hears it."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    player = programs / "paplay"
    player.write_text(f"#!/bin/sh\ncat > /dev/null\nexec sleep {seconds:g}\n")
    player.chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
