"""Real voices for tests that need several: what an installed dependency carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.core.types import Samples

_NAGG = ((4.4, 8.3), (11.7, 14.3), (20.2, 22.2), (23.5, 27.7))
_NELL = ((8.5, 11.7), (14.4, 17.2))
"""Seconds of the scene in which he and she speak."""


FIRST_SENTENCES, MORE_SENTENCES = slice(0, 137_600), slice(138_400, 208_000)
"""Of the reader: what ends where a sentence ends, 8.6 s and 4.3 s."""

TWO_LINES = slice(0, 104_000)
"""Of the man: 6.5 s."""


def three_voices(sample_path: Path) -> tuple[Samples, Samples, Samples]:
    """The reader of the sample, a man and a woman: 44, 12 and 6 s at 16 kHz."""
    scene = read_audio(sample_path.with_name("endgame_nagg_nell.wav")).samples
    return read_audio(sample_path).samples, _cut(scene, _NAGG), _cut(scene, _NELL)


def _cut(samples: Samples, spans: tuple[tuple[float, float], ...]) -> Samples:
    return np.concatenate([samples[round(16_000 * start) : round(16_000 * end)] for start, end in spans])
