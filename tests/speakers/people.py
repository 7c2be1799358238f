"""Two people for tests that ship: the sample's reader, deeper and slower, and higher and faster."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from earshot.core.errors import MissingExtraError, ModelError
from earshot.core.types import SAMPLE_RATE, Samples
from tests.cli.command import read_aloud


@cache
def person(name: str) -> Samples:
    """``deep`` or ``high``: 44 s of speech, more or less; encoders hear two people in them."""
    pace = {"deep": 1.25, "high": 1 / 1.35}[name]
    changed: Samples = soxr.resample(read_aloud(), SAMPLE_RATE, SAMPLE_RATE * pace).astype(np.float32)
    return changed


def spoken(name: str, start: float, seconds: float) -> Samples:
    samples = person(name)[round(start * SAMPLE_RATE) : round((start + seconds) * SAMPLE_RATE)]
    return np.concatenate([samples, np.zeros(SAMPLE_RATE // 2, np.float32)])


def write(path: Path, *parts: Samples) -> Path:
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="PCM_16")
    return path


def conversation(path: Path) -> Path:
    """deep, high, deep, high: 27 s."""
    return write(path, spoken("deep", 1, 7), spoken("high", 1, 6), spoken("deep", 20, 7), spoken("high", 15, 6))


def require_encoder() -> None:
    """Skips visibly where no encoder of voices is there."""
    from earshot.speakers.encoder import find_encoder

    try:
        find_encoder(num_threads=1)
    except (MissingExtraError, ModelError) as error:
        pytest.skip(f"no encoder of voices: {error}")
