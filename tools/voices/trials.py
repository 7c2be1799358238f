"""Trials: segments of 3 to 10 s, all pairs of them, and the equal error rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpora import Utterance
from earshot.speakers.mel_power import MelPower, levelled_log, voice_filters

_FRONT_END = MelPower(512, voice_filters())


def features_of(samples: np.ndarray) -> np.ndarray:
    """What the net reads: float32 (frames, 64)."""
    return levelled_log(_FRONT_END(samples))


def segments(
    utterances: Sequence[Utterance], rng: np.random.Generator, longest: float = 7.0
) -> list[tuple[np.ndarray, str]]:
    """Each utterance cut, without overlap, into pieces of 3 s to ``longest``, with its speaker."""
    found = []
    for utterance in utterances:
        start, end = 0, len(utterance.samples)
        while end - start >= 3 * 16_000:
            length = int(rng.uniform(3, longest) * 16_000)
            if end - start - length < 3 * 16_000:
                length = min(end - start, 10 * 16_000)
            found.append((utterance.samples[start : start + length], utterance.speaker))
            start += length
    return found


def pairs(vectors: np.ndarray, speakers: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of all pairs: of one voice, of two voices."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.asarray(speakers)
    rows, columns = np.triu_indices(len(unit), 1)
    cosines = (unit @ unit.T)[rows, columns]
    same = labels[rows] == labels[columns]
    return cosines[same], cosines[~same]


def equal_error_rate(vectors: np.ndarray, speakers: Sequence[str]) -> tuple[float, float]:
    """The rate at which misses and false alarms are as frequent, and its threshold."""
    same, other = pairs(vectors, speakers)
    thresholds = np.unique(np.concatenate([same, other[np.argsort(-other)[: 20 * len(same)]]]))
    misses = np.searchsorted(np.sort(same), thresholds) / len(same)
    alarms = 1 - np.searchsorted(np.sort(other), thresholds) / len(other)
    best = np.argmin(np.abs(misses - alarms))
    return float(misses[best] + alarms[best]) / 2, float(thresholds[best])
