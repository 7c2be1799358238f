"""Was anything said at all? A recognizer that must answer something invents a word for every sneeze.

Two signs tell invention from speech: how the decoder and the voice activity detector scored the clip, and
whether the answer survives small changes of the sound. A spoken word does; an invented one turns into another.
The weights are a logistic regression on about 140 short clips (ESC-10 and household noises against isolated
words at 0 to −20 dB); ``benchmarks/noise.py`` measures what passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from earshot.audio.vad import VoiceActivityDetector
from earshot.core.types import Samples

LONG_SPEECH = 48
"""Frames (1.5 s) that the detector finds to be speech; noise never got so far in any clip tried."""

_HOPELESS = -1.7
"""Mean log-probability of tokens below which even long clips are noise; read speech in noise keeps above −1."""

DOUBTFUL = (-1.0, 3.5)
"""Scores between these are looked at twice; below is noise, above is speech."""

ACCEPTED = 2.5
"""The least score of speech when changed copies were heard as well."""


class SpeechEvidence:
    """What the voice activity detector says of one clip. samples: float32 (n,), 16 kHz."""

    def __init__(self, samples: Samples) -> None:
        detector = VoiceActivityDetector()
        probabilities = np.concatenate([detector.probabilities(samples), detector.flush()])
        heard = probabilities[probabilities > 0.2]
        self.strength = float(heard.mean()) if len(heard) else 0.0
        self.num_frames = int((probabilities > 0.5).sum())
        self.num_clear_frames = int((probabilities > 0.8).sum())

    def score(self, log_probs: Sequence[float]) -> float:
        """Log odds of speech, from the decoder's log-probabilities (not empty) and the detector."""
        return (
            0.953 * math.fsum(log_probs) / len(log_probs)
            + 1.801 * log_probs[0]
            + 7.857 * self.strength
            + 0.585 * math.log1p(self.num_frames)
            + 0.416 * math.log1p(self.num_clear_frames)
            - 4.548
        )

    def second_score(self, log_probs: Sequence[float], num_agreeing: int) -> float:
        """The same when ``num_agreeing`` of the three changed copies gave the same words."""
        return (
            0.815 * math.fsum(log_probs) / len(log_probs)
            + 1.368 * log_probs[0]
            + 6.944 * self.strength
            + 0.468 * math.log1p(self.num_frames)
            + 0.665 * math.log1p(self.num_clear_frames)
            + 0.538 * num_agreeing
            - 5.146
        )


def is_hopeless(log_probs: Sequence[float]) -> bool:
    """Whether the decoder guessed all along."""
    return math.fsum(log_probs) / len(log_probs) < _HOPELESS


def changed_copies(samples: Samples) -> list[Samples]:
    """Three copies that a listener calls the same: with 0.3 s of silence around, 7 % faster, 7 % slower."""
    silence = np.zeros(4_800, np.float32)
    return [np.concatenate([silence, samples, silence]), _at_speed(samples, 1.07), _at_speed(samples, 0.93)]


def _at_speed(samples: Samples, factor: float) -> Samples:
    """Linear interpolation is good enough for speech that is only compared with itself."""
    positions = np.arange(int(len(samples) / factor)) * factor
    changed: Samples = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return changed
