"""Log-mel through several windows at once: short ones see when, long ones see which frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.mel import LogMel, MelOptions
from earshot.features.stft import StftOptions

Stack: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MultiResolutionOptions:
    """What a stack of log-mel features is made of.

    window_lengths: samples, each at least the hop. hop_length: samples, of all. num_mels: of all, HTK's scale.
    floor: the least power of a filter. Powers are divided by the window's length, so that white noise has the
    same level in all planes; the floor is that of the shortest window.
    """

    sample_rate: int = SAMPLE_RATE
    window_lengths: tuple[int, ...] = (256, 512, 1024)
    hop_length: int = 160
    num_mels: int = 40
    low_frequency: float = 20.0
    floor: float = 1e-10

    def __post_init__(self) -> None:
        if not self.window_lengths or min(self.window_lengths) < self.hop_length:
            raise ValueError(f"windows are at least a hop of {self.hop_length} long, not {self.window_lengths}")

    def planes(self) -> tuple[MelOptions, ...]:
        """The options of each window; all have the hop, and as many bins as the longest window."""
        longest = max(self.window_lengths)
        fft_length = 1 << (longest - 1).bit_length()
        return tuple(
            MelOptions(
                StftOptions(
                    sample_rate=self.sample_rate,
                    window_length=length,
                    hop_length=self.hop_length,
                    fft_length=fft_length,
                ),
                self.num_mels,
                low_frequency=self.low_frequency,
                floor=self.floor * length / min(self.window_lengths),
            )
            for length in self.window_lengths
        )


class MultiResolutionMel:
    """Planes of log-mel features, aligned at the centres of their frames: float32 (windows, frames, num_mels).

    The signal is continued by zeros where a long window reaches over its ends.
    """

    def __init__(self, options: MultiResolutionOptions | None = None) -> None:
        self.options = options or MultiResolutionOptions()
        self._planes = [LogMel(plane) for plane in self.options.planes()]

    def num_frames(self, num_samples: int) -> int:
        """As many as frames of 25 ms fit, so that a plane lies on ordinary log-mel features."""
        frame = self.options.sample_rate * 25 // 1000
        return max(0, 1 + (num_samples - frame) // self.options.hop_length) if num_samples >= frame else 0

    def __call__(self, samples: Samples) -> Stack:
        """Features of a whole signal. samples: float32 (n,) at options.sample_rate."""
        options = self.options
        num_frames = self.num_frames(len(samples))
        stack = np.empty((len(self._planes), num_frames, options.num_mels), np.float32)
        if not num_frames:
            return stack
        centre = options.sample_rate * 25 // 2000
        for plane, (length, log_mel) in zip(
            stack, zip(options.window_lengths, self._planes, strict=True), strict=True
        ):
            before = max(0, length // 2 - centre)
            needed = (num_frames - 1) * options.hop_length + length
            start = max(0, centre - length // 2)
            signal = np.pad(samples[start:], (before, max(0, needed - before - len(samples) + start)))
            plane[:] = log_mel(np.ascontiguousarray(signal[:needed], np.float32))
            plane -= np.float32(np.log(length / min(options.window_lengths)))
        return stack
