"""Changed copies of a recording, so that three of them stand for more ways to say a word."""

from __future__ import annotations

import numpy as np

from earshot.core.types import Samples

SPEEDS = (0.92, 1.09)
NOISE_DB = 20.0


def copies(samples: Samples) -> list[Samples]:
    """Slower, faster, and with soft noise 20 dB below: float32 (n,) each, always the same."""
    return [*(change_speed(samples, speed) for speed in SPEEDS), add_noise(samples, NOISE_DB)]


def change_speed(samples: Samples, speed: float) -> Samples:
    """Played that much faster, with the pitch, by linear interpolation: float32 (n / speed,)."""
    positions = np.arange(round(len(samples) / speed)) * speed
    return np.asarray(np.interp(positions, np.arange(len(samples)), samples), np.float32)


def add_noise(samples: Samples, decibels: float) -> Samples:
    """With white noise so many dB below the recording; the same noise for the same length."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples))
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) * 10 ** (-decibels / 20)
    return (samples + level * noise).astype(np.float32)
