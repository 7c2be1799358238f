"""Framing, windows and power spectra: the first half of every front end.

The arithmetic is float32 and works on blocks of frames that stay in a core's second-level cache. Frames are
padded to multiples of ``QUANTUM`` so that every frame goes through the same vector code wherever it stands in
a block: features do not depend on how the signal was cut, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Samples

Matrix: TypeAlias = npt.NDArray[np.float32]
Window: TypeAlias = Literal["rectangular", "hann", "hann_symmetric", "hamming", "povey", "blackman"]
Padding: TypeAlias = Literal["none", "end", "center", "mirror"]

BLOCK_FRAMES = 256
"""Frames worked on together: 256 of 512 samples and their spectra fit 1 MiB. Log-mel 80 of 60 s on one core
took 10.8 ms with 64, 9.6 with 128, 8.2 with 256 and 7.9 with 384 (medians of 15 interleaved runs)."""

QUANTUM = 16
"""Frames in the widest float32 vector (AVX-512)."""

MAX_AMPLITUDE = 1e9
"""Samples beyond it could overflow a float32 power; full scale is 1 (or 32,768)."""


@dataclass(frozen=True, slots=True)
class StftOptions:
    """How a signal is cut into windowed frames, and what length their Fourier transform has.

    sample_rate: Hz. window_length, hop_length, fft_length: samples; hop ≤ window ≤ FFT length.
    window: ``hann`` is periodic (librosa, torch), the symmetric ones are those of HTK and Kaldi; ``povey`` is
    Kaldi's default, a symmetric Hann to the power 0.85.
    padding: ``none`` takes whole windows only (HTK; Kaldi's snip_edges), ``end`` completes the last frame
    with zeros (python_speech_features), ``center`` puts frame t's middle on sample t × hop, zeros outside
    (librosa), ``mirror`` on sample (t + ½) × hop, the signal mirrored at its ends (Kaldi without snip_edges).
    pre_emphasis: a in x[i] − a·x[i−1], over the whole signal, or inside each frame with
    pre_emphasis_per_frame (Kaldi). removes_dc: subtracts each frame's mean first (Kaldi).
    scale: factor on the samples, 32768 for the units of 16-bit audio. is_periodogram: divides the power by
    fft_length (python_speech_features).
    """

    sample_rate: int = SAMPLE_RATE
    window_length: int = 400
    hop_length: int = 160
    fft_length: int = 512
    window: Window = "hann"
    padding: Padding = "none"
    pre_emphasis: float = 0.0
    pre_emphasis_per_frame: bool = False
    removes_dc: bool = False
    scale: float = 1.0
    is_periodogram: bool = False

    def __post_init__(self) -> None:
        if self.sample_rate <= 0:
            raise ValueError(f"a sample rate is positive, not {self.sample_rate}")
        if not 1 <= self.hop_length <= self.window_length <= self.fft_length:
            raise ValueError(
                "1 ≤ hop_length ≤ window_length ≤ fft_length does not hold for "
                f"{self.hop_length}, {self.window_length}, {self.fft_length}"
            )
        if not 0 <= self.pre_emphasis < 1:
            raise ValueError(f"pre-emphasis is in [0, 1), not {self.pre_emphasis}")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"a scale is positive and finite, not {self.scale}")

    @property
    def num_bins(self) -> int:
        """Bins of the spectrum: from 0 Hz to half the sample rate, both included."""
        return self.fft_length // 2 + 1

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_length

    @property
    def left_padding(self) -> int:
        """Samples that stand before the signal's first."""
        if self.padding == "center":
            return self.fft_length // 2 - (self.fft_length - self.window_length) // 2
        if self.padding == "mirror":
            return self.window_length // 2 - self.hop_length // 2
        return 0

    def num_frames(self, num_samples: int) -> int:
        """Frames of a signal of ``num_samples``; 0 for an empty one."""
        if num_samples <= 0:
            return 0
        if self.padding == "center":
            return 1 + num_samples // self.hop_length
        if self.padding == "mirror":
            return (num_samples + self.hop_length // 2) // self.hop_length
        if self.padding == "end":
            return 1 + max(0, -(-(num_samples - self.window_length) // self.hop_length))
        return self.num_whole_frames(num_samples)

    def num_whole_frames(self, num_samples: int) -> int:
        """Frames that ``num_samples`` determine, whatever follows."""
        spare = num_samples + self.left_padding - self.window_length
        return 1 + spare // self.hop_length if num_samples > 0 and spare >= 0 else 0

    def frame_time(self, frame: int) -> float:
        """Seconds from the start of the signal to the middle of frame ``frame``."""
        middle = frame * self.hop_length - self.left_padding + self.window_length / 2
        return middle / self.sample_rate

    def bin_frequencies(self) -> npt.NDArray[np.float64]:
        """Hz of each bin: (num_bins,)."""
        return np.arange(self.num_bins, dtype=np.float64) * (self.sample_rate / self.fft_length)


def window_samples(window: Window, length: int) -> npt.NDArray[np.float64]:
    """The window's values: (length,), at most 1."""
    if window == "rectangular" or length == 1:
        return np.ones(length)
    period = length if window == "hann" else length - 1
    phase = 2 * np.pi * np.arange(length, dtype=np.float64) / period
    if window == "hamming":
        return 0.54 - 0.46 * np.cos(phase)
    if window == "blackman":
        return 0.42 - 0.5 * np.cos(phase) + 0.08 * np.cos(2 * phase)
    hann = 0.5 - 0.5 * np.cos(phase)
    return hann**0.85 if window == "povey" else hann


def check_samples(samples: Samples) -> None:
    """Raise ValueError for another type or shape, AudioError for NaN, infinity or an absurd amplitude."""
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise ValueError(f"samples are float32 of shape (n,), not {samples.dtype} of {samples.shape}")
    if len(samples) and not (samples.min() >= -MAX_AMPLITUDE and samples.max() <= MAX_AMPLITUDE):
        raise AudioError(
            f"the audio holds NaN, infinity or values beyond {MAX_AMPLITUDE:g}",
            fix="export the recording again as 16-bit PCM",
        )


def emphasize(samples: Samples, coefficient: float, previous: float = 0.0) -> Samples:
    """First difference x[i] − coefficient·x[i−1], which lifts high frequencies by 6 dB an octave.

    samples: float32 (n,). previous: the sample before the first. Returns float32 (n,).
    """
    emphasized = np.empty_like(samples)
    if len(samples):
        emphasized[0] = samples[0] - np.float32(coefficient) * np.float32(previous)
        np.multiply(samples[:-1], np.float32(-coefficient), out=emphasized[1:])
        emphasized[1:] += samples[1:]
    return emphasized


class PowerSpectra:
    """Power spectra of a signal's frames, by blocks. Holds the window and no state, so threads may share it."""

    def __init__(self, options: StftOptions) -> None:
        self.options = options
        # Scale and periodogram are linear, so the window carries them for nothing.
        factor = options.scale / (math.sqrt(options.fft_length) if options.is_periodogram else 1.0)
        window = window_samples(options.window, options.window_length) * factor
        self._window = window.astype(np.float32)

    def workspace(self) -> Matrix:
        """A buffer for one caller's blocks: zeros (BLOCK_FRAMES, fft_length)."""
        return np.zeros((BLOCK_FRAMES, self.options.fft_length), np.float32)

    def block(self, signal: Samples, num_frames: int, workspace: Matrix) -> Matrix:
        """Spectra of the ``num_frames`` ≤ BLOCK_FRAMES frames that start at signal[0].

        Returns |X|², (num_bins, frames): bins first, frames padded to a multiple of QUANTUM with columns
        that mean nothing.
        """
        from scipy.fft import rfft

        rows = -(-num_frames // QUANTUM) * QUANTUM
        self._cut(signal, workspace[:num_frames, : self.options.window_length])
        spectra = rfft(workspace[:rows], axis=1, workers=1)
        squares = spectra.view(np.float32)
        np.square(squares, out=squares)
        # Bins first: the filters then run along frames, where a sum per filter is one vector operation.
        power: Matrix = np.add(squares[:, 0::2].T, squares[:, 1::2].T, order="C")
        return power

    def _cut(self, signal: Samples, out: Matrix) -> None:
        """Write the windowed frames to ``out``: (frames, window_length)."""
        options, num_frames = self.options, len(out)
        frames = _frames(signal, num_frames, options.window_length, options.hop_length)
        if not options.pre_emphasis_per_frame and not options.removes_dc:
            np.multiply(frames, self._window, out=out)
            return
        means = frames.mean(axis=1, keepdims=True) if options.removes_dc else np.zeros((1, 1), np.float32)
        if options.pre_emphasis_per_frame:
            # (x[i] − m) − a(x[i−1] − m) = (x[i] − a·x[i−1]) − (1 − a)m, and the bracket is shared by all
            # frames. The sample before a frame counts as equal to its first.
            keep = np.float32(1 - options.pre_emphasis)
            means *= keep
            emphasized = emphasize(signal, options.pre_emphasis)[1:]
            tails = _frames(emphasized, num_frames, options.window_length - 1, options.hop_length)
            np.subtract(tails, means, out=out[:, 1:])
            np.subtract(frames[:, :1] * keep, means, out=out[:, :1])
        else:
            np.subtract(frames, means, out=out)
        out *= self._window


def _frames(signal: Samples, num_frames: int, length: int, hop: int) -> Matrix:
    """A view of the overlapping frames: (num_frames, length)."""
    if num_frames and (num_frames - 1) * hop + length > len(signal):
        raise IndexError(f"{len(signal)} samples do not hold {num_frames} frames")
    step = signal.strides[0]
    return np.lib.stride_tricks.as_strided(signal, (num_frames, length), (hop * step, step), writeable=False)
