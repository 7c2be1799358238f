"""The mel scales and the triangular filters on them, in the four definitions in use."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from earshot.features.stft import Matrix

Floats: TypeAlias = npt.NDArray[np.float64]
MelScale: TypeAlias = Literal["htk", "slaney"]
Triangles: TypeAlias = Literal["hertz", "mel", "bins"]

# Slaney, Auditory Toolbox (1998): linear to 1 kHz, 15 mels there, then 27 mels for a factor of 6.4.
_SLANEY_HZ_PER_MEL = 200 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_LOG_STEP = np.log(6.4) / 27


def hz_to_mel(frequency: npt.ArrayLike, scale: MelScale = "htk") -> Floats:
    """Hz to mel.

    ``htk``: 2595·log10(1 + f/700) (O'Shaughnessy 1987), also Kaldi's. ``slaney``: librosa's default.
    """
    hertz = np.asarray(frequency, np.float64)
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hertz / 700))
    above = np.log(np.maximum(hertz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    return np.asarray(np.minimum(hertz, _SLANEY_BREAK_HZ) / _SLANEY_HZ_PER_MEL + above)


def mel_to_hz(mel: npt.ArrayLike, scale: MelScale = "htk") -> Floats:
    """Mel to Hz, the inverse of ``hz_to_mel``."""
    mels = np.asarray(mel, np.float64)
    if scale == "htk":
        return np.asarray(700 * (10 ** (mels / 2595) - 1))
    at_break = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
    above = np.exp(np.maximum(mels - at_break, 0) * _SLANEY_LOG_STEP)
    return np.asarray(np.minimum(mels, at_break) * _SLANEY_HZ_PER_MEL * above)


def mel_edges(num_mels: int, low: float, high: float, scale: MelScale = "htk") -> Floats:
    """Hz of the filters' corners, evenly spaced in mel: (num_mels + 2,); filter m spans edges m … m + 2."""
    return mel_to_hz(np.linspace(hz_to_mel(low, scale), hz_to_mel(high, scale), num_mels + 2), scale)


def mel_filters(
    num_mels: int,
    fft_length: int,
    sample_rate: int,
    *,
    low: float = 0.0,
    high: float | None = None,
    scale: MelScale = "htk",
    triangles: Triangles = "hertz",
    has_unit_area: bool = False,
) -> Matrix:
    """Weights of triangular filters: float32 (num_mels, fft_length // 2 + 1).

    low, high: Hz, high None for half the sample rate.
    triangles: straight in Hz (librosa, HTK book), straight in mel (Kaldi), or between corners floored to
    whole bins (python_speech_features).
    has_unit_area: each triangle's area over Hz is 1 (Slaney's norm) instead of its peak.
    """
    high = sample_rate / 2 if high is None else high
    edges = mel_edges(num_mels, low, high, scale)
    frequencies: Floats = np.arange(fft_length // 2 + 1, dtype=np.float64) * (sample_rate / fft_length)
    if triangles == "mel":
        weights = _triangles(hz_to_mel(frequencies, scale), hz_to_mel(edges, scale))
        weights[:, -1] = 0  # Kaldi leaves the bin at half the sample rate out
    elif triangles == "bins":
        corners: Floats = np.floor((fft_length + 1) * edges / sample_rate).astype(np.float64)
        weights = _triangles(np.arange(len(frequencies), dtype=np.float64), corners)
    else:
        weights = _triangles(frequencies, edges)
    if has_unit_area:
        weights *= (2 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


def _triangles(points: Floats, corners: Floats) -> Floats:
    """Each row rises from 0 at corner m to 1 at m + 1 and falls to 0 at m + 2. Corners may coincide."""
    left, peak, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(points < peak, (points - left) / (peak - left), 0)
        fall = np.where(points >= peak, (right - points) / (right - peak), 0)
    return np.where((points >= left) & (points < right), rise + fall, 0)


def dct(num_ceps: int, num_inputs: int) -> Floats:
    """The first rows of the orthonormal DCT-II: (num_ceps, num_inputs)."""
    order, place = np.arange(num_ceps)[:, None], np.arange(num_inputs)
    transform = np.cos(np.pi * order * (place + 0.5) / num_inputs) * np.sqrt(2 / num_inputs)
    transform[0] /= np.sqrt(2)
    return np.asarray(transform)


class RowMixer:
    """Multiplies blocks by a fixed matrix: (outputs, inputs) @ (inputs, frames).

    Row by row and only over the weights that are not zero: a mel filter has a dozen, so this takes a fortieth
    of a dense product's multiplications; and unlike a BLAS product each frame's result does not depend on how
    many frames stand beside it. Log-mel 80 of 60 s took 6.8 ms with it and 9.0 with a dense float32 product.
    """

    def __init__(self, matrix: npt.NDArray[np.floating]) -> None:
        from scipy.sparse import csr_array

        self._weights = csr_array(np.asarray(matrix, np.float32))

    def __call__(self, block: Matrix) -> Matrix:
        """float32 (inputs, frames), C order → float32 (outputs, frames)."""
        mixed: Matrix = self._weights @ block
        return mixed
