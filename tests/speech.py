"""Real speech bent into what a test needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr

from earshot.audio.decode import read_audio
from earshot.core.types import Samples


def two_voices(sample_path: Path) -> tuple[Samples, Samples]:
    """The reader of the sample, and somebody who is not: the rest of the tape, a quarter faster and higher.

    16 kHz, some 20 s and some 17 s.
    """
    samples = read_audio(sample_path).samples
    faster = soxr.resample(samples[16_000 * 21 :], 1.25, 1.0)
    return samples[: 16_000 * 21], np.ascontiguousarray(faster, np.float32)
