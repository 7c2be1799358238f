"""A second encoder, to use the room without any weights: means of MFCC, and voices that it tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.mfcc import Mfcc
from earshot.speakers.types import Vectors


class MfccEncoder:
    """The mean and deviation of cepstra, centred on those of many synthetic voices. An encoder as any other."""

    name = "mfcc-means"
    dim = 24
    min_seconds = 0.5
    threshold = 0.6

    def __init__(self) -> None:
        self._mfcc = Mfcc()
        described = np.stack([self._describe(voice(seed, 3.0)) for seed in range(100, 116)])
        self._centre, self._scale = described.mean(axis=0), described.std(axis=0) + 1e-3

    def embed(self, clips: Sequence[Samples]) -> Vectors:
        rows = np.stack([(self._describe(clip) - self._centre) / self._scale for clip in clips])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed_windows(self, samples: Samples, starts: Sequence[int], length: int) -> Vectors:
        return self.embed([samples[start : start + length] for start in starts])

    def _describe(self, clip: Samples) -> np.ndarray:
        frames = self._mfcc(clip)[:, 1:13]
        return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def voice(seed: int, seconds: float, *, take: int = 0) -> Samples:
    """Something like a voice: pulses through formants that belong to ``seed``; ``take`` varies what is said."""
    own, said = np.random.default_rng(seed), np.random.default_rng((seed, take))
    pitch = own.uniform(85, 250)
    formants = own.uniform([300, 900, 2200, 3200], [800, 2000, 3100, 4200])
    num = round(seconds * SAMPLE_RATE)
    knots = np.arange(0, num + 8000, 4000)
    wobble = 1 + 0.05 * np.interp(np.arange(num), knots, said.normal(size=len(knots)))
    pulses = np.diff(np.floor(np.cumsum(pitch * wobble / SAMPLE_RATE)), prepend=0) + 0.01 * said.normal(
        size=num
    )
    sound = np.zeros(num)
    for formant in formants:
        radius = np.exp(-np.pi * 120 / SAMPLE_RATE)
        turn = 2 * np.pi * formant / SAMPLE_RATE
        sound += lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius**2], pulses)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)
