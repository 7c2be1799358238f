"""Voices that whistle, an encoder that knows them by it, and conversations of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.mel import LogMel, MelOptions
from earshot.speakers.encoder import check_length, unit_rows
from earshot.speakers.types import Turn, Vectors


class WhistleEncoder:
    """Knows a voice by its whistle: how loud each of 32 narrow bands over 5 kHz is."""

    name = "whistle"
    dim = 32
    min_seconds = 0.5
    threshold = 0.8

    def __init__(self) -> None:
        options = MelOptions(num_mels=self.dim, low_frequency=5000, high_frequency=7800, floor=1e-6)
        self._features = LogMel(options)

    def embed(self, clips: Sequence[Samples]) -> Vectors:
        for clip in clips:
            check_length(len(clip))
        rows = [np.sqrt(np.exp(self._features(clip)).mean(axis=0)) for clip in clips]
        return unit_rows(np.stack(rows) if rows else np.zeros((0, self.dim), np.float32))

    def embed_windows(self, samples: Samples, starts: Sequence[int], length: int) -> Vectors:
        return self.embed([samples[start : start + length] for start in starts])


def whistled(speech: Samples, pitch: float) -> Samples:
    """The same words by somebody who whistles softly as they speak, at so many hertz."""
    time = np.arange(len(speech)) / SAMPLE_RATE
    return (speech + 0.02 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def conversation(speech: Samples, pitches: Sequence[float], seconds: float) -> tuple[Samples, list[Turn]]:
    """Turns of so many seconds, one pitch a turn, half a second of silence between: sound and truth."""
    length, gap = int(seconds * SAMPLE_RATE), SAMPLE_RATE // 2
    parts: list[Samples] = []
    turns: list[Turn] = []
    now = 0
    for number, pitch in enumerate(pitches):
        start = (number * length) % (len(speech) - length)
        parts += [whistled(speech[start : start + length], pitch), np.zeros(gap, np.float32)]
        turns.append(Turn(now / SAMPLE_RATE, (now + length) / SAMPLE_RATE, f"{pitch} Hz"))
        now += length + gap
    return np.concatenate(parts), turns
