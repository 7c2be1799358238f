"""Recordings that tests make: tones with gaps, of known length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile


def tone(
    seconds: float, *, level: float = 0.3, rate: int = 16_000, pitch: float = 220.0
) -> npt.NDArray[np.float32]:
    times = np.arange(round(seconds * rate)) / rate
    # A little noise, or a recording would look like digital silence between its zeros.
    noise = np.random.default_rng(int(pitch)).normal(0, 1e-3, len(times))
    return (level * np.sin(2 * np.pi * pitch * times) + noise).astype(np.float32)


def write_tone(
    path: Path, seconds: float = 1.0, *, level: float = 0.3, rate: int = 16_000, pitch: float = 220.0
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, level=level, rate=rate, pitch=pitch), rate)
    return path
