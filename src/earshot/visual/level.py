"""How loud a recording is, and what is wrong with its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from earshot.core.types import Samples

CLIP_LEVEL = 0.98
CLIP_RUN = 3
"""This many equal samples in a row at that level or above are a clipped peak. Sound that merely reaches full
scale does not stay there: not one place in half an hour of LibriSpeech normalised to a peak of 1."""

SILENCE_RUN = 0.02
"""Seconds of exact zeros that no microphone produces; shorter ones occur in 8-bit and quiet recordings."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Amplitudes are linear, full scale 1.

    mean: the DC offset. num_clipped: samples in num_clips clipped peaks. silence, longest_silence: seconds of
    digital silence, in all and at once.
    """

    num_samples: int
    peak: float
    rms: float
    mean: float
    num_clipped: int
    num_clips: int
    silence: float
    longest_silence: float


class LevelMeter:
    """Measures a stream in constant memory; block sizes do not matter."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._num_samples = 0
        self._peak = 0.0
        self._sum = 0.0
        self._squares = 0.0
        self._num_clipped = 0
        self._num_clips = 0
        self._num_silent = 0
        self._longest_silence = 0
        # The run of equal samples that the stream ends with so far.
        self._run_value = math.nan
        self._run_length = 0

    def accept(self, samples: Samples) -> None:
        """Take float32 (n,), finite."""
        if not len(samples):
            return
        self._num_samples += len(samples)
        self._peak = max(self._peak, float(np.abs(samples).max()))
        # float64: a float32 sum over an hour has lost its last digits.
        self._sum += float(samples.sum(dtype=np.float64))
        self._squares += float(np.einsum("i,i->", samples, samples, dtype=np.float64))
        self._follow_runs(samples)

    def levels(self) -> Levels:
        """What was measured so far."""
        num_clipped, num_clips, num_silent, longest = self._with_open_run()
        count = max(1, self._num_samples)
        return Levels(
            num_samples=self._num_samples,
            peak=self._peak,
            rms=math.sqrt(self._squares / count),
            mean=self._sum / count,
            num_clipped=num_clipped,
            num_clips=num_clips,
            silence=num_silent / self._sample_rate,
            longest_silence=longest / self._sample_rate,
        )

    def _follow_runs(self, samples: Samples) -> None:
        starts = np.concatenate([[0], np.flatnonzero(samples[1:] != samples[:-1]) + 1])
        lengths = np.diff(starts, append=len(samples))
        values = samples[starts]
        if values[0] == self._run_value:
            lengths[0] += self._run_length
        else:
            self._close_run()
        clips = lengths[:-1][(np.abs(values[:-1]) >= CLIP_LEVEL) & (lengths[:-1] >= CLIP_RUN)]
        self._num_clipped += int(clips.sum())
        self._num_clips += len(clips)
        silences = lengths[:-1][(values[:-1] == 0) & (lengths[:-1] >= SILENCE_RUN * self._sample_rate)]
        if len(silences):
            self._num_silent += int(silences.sum())
            self._longest_silence = max(self._longest_silence, int(silences.max()))
        self._run_value, self._run_length = float(values[-1]), int(lengths[-1])

    def _close_run(self) -> None:
        self._num_clipped, self._num_clips, self._num_silent, self._longest_silence = self._with_open_run()

    def _with_open_run(self) -> tuple[int, int, int, int]:
        """The counts, were the stream to end here."""
        length = self._run_length
        is_clip = abs(self._run_value) >= CLIP_LEVEL and length >= CLIP_RUN
        is_silence = self._run_value == 0 and length >= SILENCE_RUN * self._sample_rate
        return (
            self._num_clipped + (length if is_clip else 0),
            self._num_clips + is_clip,
            self._num_silent + (length if is_silence else 0),
            max(self._longest_silence, length if is_silence else 0),
        )


def decibels(amplitude: float) -> float:
    """Level of an amplitude re full scale, in dB; −inf for 0."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
