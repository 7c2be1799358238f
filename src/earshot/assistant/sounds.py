"""Short tones: I am listening, it is done, I refuse."""

from __future__ import annotations

import numpy as np

from earshot.assistant.replies import Tone
from earshot.core.types import SAMPLE_RATE, Samples

_LEVEL = 0.12
"""Of full scale, −18 dBFS: heard, not startling."""

_NOTES: dict[Tone, tuple[tuple[float, float], ...]] = {
    "listening": ((660.0, 0.07), (880.0, 0.09)),
    "done": ((880.0, 0.06), (1_174.7, 0.12)),
    "refused": ((440.0, 0.1), (311.1, 0.16)),
}
"""Hertz and seconds: rising for what goes well, falling for what does not."""

_RING = ((880.0, 0.12), (0.0, 0.06), (880.0, 0.12), (0.0, 0.06), (1_174.7, 0.2), (0.0, 0.25))


def tone(name: Tone) -> Samples:
    """A tone: float32 (n,) at 16 kHz, under 0.3 s."""
    return _played(_NOTES[name])


def ring() -> Samples:
    """A timer is over: float32 (n,) at 16 kHz, 0.8 s."""
    return _played(_RING)


def _played(notes: tuple[tuple[float, float], ...]) -> Samples:
    return np.concatenate([_note(frequency, duration) for frequency, duration in notes])


def _note(frequency: float, duration: float) -> Samples:
    """A sine with a soft beginning and a decay, so that nothing clicks."""
    time = np.arange(round(duration * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.minimum(1, time / 0.008) * np.minimum(1, (duration - time) / 0.03)
    return (_LEVEL * envelope * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
