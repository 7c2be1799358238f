"""Mel power without a logarithm: what both voice encoders start from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earshot.features.filters import RowMixer, mel_filters
from earshot.features.front_end import FrontEnd
from earshot.features.stft import Matrix, StftOptions

HOP = 160
"""Samples between two frames, 10 ms; frame t has its middle on sample t × HOP."""


class MelPower(FrontEnd):
    """Filters on the power of centred Hann frames of 25 ms: float32 (frames, filters).

    fft_length: samples. filters: float32 (filters, fft_length // 2 + 1).
    """

    def __init__(self, fft_length: int, filters: npt.NDArray[np.floating]) -> None:
        stft = StftOptions(window_length=400, hop_length=HOP, fft_length=fft_length, padding="center")
        super().__init__(stft, len(filters))
        self._filters = RowMixer(filters)

    def _from_power(self, power: Matrix) -> Matrix:
        return self._filters(power)


def ge2e_filters() -> Matrix:
    """The 40 filters of the GE2E encoder, librosa's default ones: (40, 201)."""
    return mel_filters(40, 400, 16_000, scale="slaney", has_unit_area=True)


def voice_filters() -> Matrix:
    """The 64 filters of Earshot's own encoder: (64, 257)."""
    return mel_filters(64, 512, 16_000, low=40.0, high=7600.0)


def levelled_log(power: Matrix) -> Matrix:
    """Log-mel at a level of 1 around each frame, so that far and near voices look alike.

    The level is the mean over 3 s around the frame, at least a hundredth of the mean over all frames.
    power: float32 (frames, filters). Returns float32 of that shape.
    """
    energy = power.mean(axis=1, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    frames = np.arange(len(energy))
    low, high = np.maximum(frames - _REACH, 0), np.minimum(frames + _REACH + 1, len(energy))
    level = (sums[high] - sums[low]) / np.maximum(high - low, 1)
    level = np.maximum(level, max(0.01 * float(energy.mean()) if len(energy) else 0.0, 1e-9))
    levelled: Matrix = np.log(power / level[:, None].astype(np.float32) + _FLOOR)
    return levelled


_REACH = 150  # frames
_FLOOR = np.float32(1e-5)  # 50 dB below the level
