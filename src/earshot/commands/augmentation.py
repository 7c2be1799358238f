"""Changed copies of a recording, so that few of them stand for many ways to say a word.

Each function changes one thing and leaves its input alone. What is left to chance comes from the generator that
is handed in, so the same seed makes the same copies. docs/images/augmentation.png shows one word after each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from earshot.core.types import Samples

SPEEDS = (0.92, 1.09)
NOISE_DB = 20.0

Colour = Literal["white", "pink", "brown", "blue", "violet"]
COLOURS: tuple[Colour, ...] = get_args(Colour)

_SLOPES: dict[Colour, float] = {"white": 0.0, "pink": -0.5, "brown": -1.0, "blue": 0.5, "violet": 1.0}
"""Exponents of frequency in the amplitude spectrum: 3 dB an octave for each half."""

_WINDOW = 512
_HOP = 128

Matrix = npt.NDArray[np.float32]


def copies(samples: Samples) -> list[Samples]:
    """Slower, faster, and with soft noise 20 dB below: float32 (n,) each, always the same."""
    return [*(change_speed(samples, speed) for speed in SPEEDS), add_noise(samples, NOISE_DB)]


def change_speed(samples: Samples, speed: float) -> Samples:
    """Played that much faster, with the pitch, by linear interpolation: float32 (n / speed,)."""
    positions = np.arange(round(len(samples) / speed)) * speed
    return np.asarray(np.interp(positions, np.arange(len(samples)), samples), np.float32)


def add_noise(samples: Samples, decibels: float) -> Samples:
    """With white noise so many dB below the recording; the same noise for the same length."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples))
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) * 10 ** (-decibels / 20)
    return (samples + level * noise).astype(np.float32)


def change_volume(samples: Samples, rng: np.random.Generator, *, soft_share: float = 0.1) -> Samples:
    """At 70 to 130 % of its volume, and in ``soft_share`` of the cases, [0, 1], at 30 to 50 %."""
    low, high = (0.3, 0.5) if rng.random() < soft_share else (0.7, 1.3)
    return samples * np.float32(rng.uniform(low, high))


def quiet_margins(samples: Samples, *, share: float = 0.1) -> tuple[int, int]:
    """Samples before and after everything that reaches ``share`` of the peak: what a shift may push out.

    Digital silence is all margin: half on each side.
    """
    level = np.abs(samples)
    loud = np.flatnonzero(level > share * level.max()) if len(samples) else level
    if not len(loud):
        return len(samples) // 2, len(samples) - len(samples) // 2
    return int(loud[0]), len(samples) - 1 - int(loud[-1])


def shift(samples: Samples, num_samples: int) -> Samples:
    """Later by so many samples (earlier when negative), zeros where nothing was: float32 (n,)."""
    shifted = np.zeros_like(samples)
    if num_samples >= 0:
        shifted[num_samples:] = samples[: max(0, len(samples) - num_samples)]
    else:
        shifted[:num_samples] = samples[-num_samples:]
    return shifted


def random_shift(samples: Samples, rng: np.random.Generator, *, share: float = 0.1) -> Samples:
    """Shifted within the margins that are quieter than ``share`` of the peak, so that no speech is lost."""
    before, after = quiet_margins(samples, share=share)
    return shift(samples, int(rng.integers(-before, after + 1)))


def stretch(samples: Samples, speed: float) -> Samples:
    """Faster or slower at the same pitch, by a phase vocoder: float32 (round(n / speed),).

    speed: > 0; 2 is twice as fast. Source: Flanagan and Golden 1966, phases as in Laroche and Dolson 1999.
    """
    if speed <= 0:
        raise ValueError(f"a speed is positive, not {speed}")
    num_samples = round(len(samples) / speed)
    if not len(samples) or speed == 1:
        return samples.astype(np.float32)
    spectra = _spectra(samples)
    positions = np.arange(0, len(spectra) - 1, speed)
    before = np.floor(positions).astype(int)
    share = (positions - before)[:, None]
    magnitudes = (1 - share) * np.abs(spectra[before]) + share * np.abs(spectra[before + 1])
    # What each bin turned between two frames beyond its own frequency, wrapped to ±π, is its true frequency.
    expected = 2 * np.pi * _HOP * np.arange(spectra.shape[1]) / _WINDOW
    turns = np.angle(spectra[before + 1]) - np.angle(spectra[before]) - expected
    advances = expected + turns - 2 * np.pi * np.round(turns / (2 * np.pi))
    phases = np.angle(spectra[0]) + np.concatenate([np.zeros((1, spectra.shape[1])), advances[:-1].cumsum(0)])
    return _overlap_add(magnitudes * np.exp(1j * phases), num_samples)


def change_pitch(samples: Samples, semitones: float) -> Samples:
    """Higher (or lower) by so many semitones at the same tempo: float32 (n,)."""
    factor = 2 ** (semitones / 12)
    positions = np.arange(len(samples)) * factor
    longer = stretch(samples, 1 / factor)
    return np.asarray(np.interp(positions, np.arange(len(longer)), longer), np.float32)


def coloured_noise(num_samples: int, colour: Colour, rng: np.random.Generator) -> Samples:
    """Noise of RMS 1: float32 (n,). Power falls by 3 (pink) or 6 dB (brown) an octave, or rises (blue, violet).

    Raises ValueError for an unknown colour.
    """
    if colour not in _SLOPES:
        raise ValueError(f"noise is {', '.join(COLOURS)}, not {colour}")
    if not num_samples:
        return np.empty(0, np.float32)
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    # No colour has power in its mean: brown noise would be nothing else.
    frequencies = np.arange(len(spectrum), dtype=np.float64)
    spectrum[0] = 0
    spectrum[1:] *= frequencies[1:] ** _SLOPES[colour]
    noise = np.fft.irfft(spectrum, num_samples)
    return np.asarray(noise / max(_rms(noise), 1e-12), np.float32)


def overlay(samples: Samples, background: Samples, decibels: float) -> Samples:
    """With background below it, at this ratio of mean powers over the whole clip, in dB: float32 (n,).

    background: float32 (m,), m ≥ 1, repeated or cut to n; silent background changes nothing.
    """
    noise = np.resize(background, len(samples))
    level = _rms(noise)
    if level < 1e-9:
        return samples.copy()
    return (samples + noise * np.float32(_rms(samples) * 10 ** (-decibels / 20) / level)).astype(np.float32)


def reverberate(samples: Samples, response: Samples) -> Samples:
    """In the room of an impulse response, at the same level and without its delay: float32 (n,).

    response: float32 (m,); its loudest sample is taken for the direct sound.
    """
    peak = int(np.argmax(np.abs(response)))
    wet = fftconvolve(samples, response)[peak : peak + len(samples)]
    return np.asarray(wet * (_rms(samples) / max(_rms(wet), 1e-12)), np.float32)


def mask_features(
    features: Matrix,
    rng: np.random.Generator,
    *,
    num_masks: int = 2,
    max_frames: int = 20,
    max_bands: int = 8,
    fill: float | None = None,
) -> Matrix:
    """SpecAugment (Park et al. 2019) without its warp: bands and stretches of time covered.

    features: (frames, bands). num_masks: of each kind, each 0 to max_* wide. fill: None is the mean.
    """
    masked = features.copy()
    value = float(features.mean()) if fill is None else fill
    for _ in range(num_masks):
        for axis, most in enumerate((max_frames, max_bands)):
            width = int(rng.integers(0, min(most, features.shape[axis]) + 1))
            first = int(rng.integers(0, features.shape[axis] - width + 1))
            index = [slice(None), slice(None)]
            index[axis] = slice(first, first + width)
            masked[tuple(index)] = value
    return masked


def mixup(
    inputs: Matrix, targets: Matrix, rng: np.random.Generator, *, alpha: float = 0.2
) -> tuple[Matrix, Matrix]:
    """Each example of a batch mixed with another, and so their targets (Zhang et al. 2018).

    inputs: (batch, …); targets: (batch, classes), probabilities. alpha: of the Beta distribution, > 0.
    """
    share = np.float32(rng.beta(alpha, alpha))
    order = rng.permutation(len(inputs))
    return share * inputs + (1 - share) * inputs[order], share * targets + (1 - share) * targets[order]


def at_shifts(samples: Samples, shifts: Sequence[int]) -> Samples:
    """For test time: the clip at several places, whose predictions are averaged: float32 (shifts, n).

    shifts: in samples, positive is later.
    """
    return np.stack([shift(samples, offset) for offset in shifts])


def _rms(samples: npt.NDArray[np.floating]) -> float:
    if not len(samples):
        return 0.0
    return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))


def _hann() -> npt.NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)


def _spectra(samples: Samples) -> npt.NDArray[np.complex128]:
    """Centred frames: complex (frames, bins), one more than needed so that each has a next one."""
    padded = np.pad(samples.astype(np.float64), (_WINDOW // 2, _WINDOW + _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return np.asarray(np.fft.rfft(frames * _hann(), axis=1))


def _overlap_add(spectra: npt.NDArray[np.complex128], num_samples: int) -> Samples:
    """The signal of centred frames: float32 (num_samples,)."""
    frames = np.fft.irfft(spectra, _WINDOW, axis=1) * _hann()
    total = np.zeros(max(len(frames) * _HOP + _WINDOW, num_samples + _WINDOW))
    weight = np.zeros_like(total)
    squared = _hann() ** 2
    for index, frame in enumerate(frames):
        total[index * _HOP : index * _HOP + _WINDOW] += frame
        weight[index * _HOP : index * _HOP + _WINDOW] += squared
    start = _WINDOW // 2
    signal = total[start : start + num_samples] / np.maximum(weight[start : start + num_samples], 1e-3)
    return signal.astype(np.float32)
