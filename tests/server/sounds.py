"""Recordings as clients send them."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr

from earshot.core.types import Audio, Samples


def silence(seconds: float, sample_rate: int = 16_000) -> Samples:
    return np.zeros(round(seconds * sample_rate), np.float32)


def pcm(samples: Samples) -> bytes:
    """16 bit, little-endian."""
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def resampled(audio: Audio, sample_rate: int) -> Samples:
    return np.ascontiguousarray(soxr.resample(audio.samples, audio.sample_rate, sample_rate), np.float32)


def recording(samples: Samples, sample_rate: int = 16_000, *, kind: str = "WAV") -> bytes:
    """A file of that kind."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, sample_rate, format=kind)
    return stream.getvalue()


def letters(text: str) -> str:
    """What was said, without marks and capitals."""
    return " ".join("".join(c for c in text.lower() if c.isalpha() or c.isspace()).split())
