"""Power-normalised cepstral coefficients: cepstra that noise and rooms change less.

Kim and Stern 2016, "Power-normalized cepstral coefficients (PNCC) for robust speech recognition", IEEE/ACM
Transactions on Audio, Speech, and Language Processing 24 (7), 1315–1329; the form that needs no future but half
a medium-time window. Equations are numbered as there. Filters: gammatones (Slaney 1993, Apple TR 35) by their
magnitude response, spaced evenly on the scale of Glasberg and Moore 1990.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.filters import Floats, RowMixer, dct
from earshot.features.front_end import FrontEnd
from earshot.features.stft import BLOCK_FRAMES, Matrix, StftOptions

_EAR_Q = 9.26449  # Glasberg and Moore 1990
_MIN_BANDWIDTH = 24.7
_ORDER = 4
_START = np.float32(0.9)
"""Of the first frame's power: where envelopes begin."""


def _stft() -> StftOptions:
    return StftOptions(SAMPLE_RATE, 410, 160, 1024, "hamming", pre_emphasis=0.97)


@dataclass(frozen=True, slots=True)
class PnccOptions:
    """What the cepstra are made of; the names of the paper behind each.

    stft: 25.6 ms Hamming windows each 10 ms. num_channels: gammatone filters (L) from low_frequency to
    high_frequency, Hz; None is half the sample rate. num_ceps: coefficients kept, from the zeroth.
    num_context: frames on both sides in medium-time power (M). rise, fall: forgetting factors of the lower
    envelope while the power lies above and below it (λa, λb). mask_decay, mask_floor: temporal masking (λt,
    μt). excitation: how far above the envelope speech lies (c). num_neighbours: channels on both sides over
    which weights are smoothed (N). mean_decay: forgetting factor of the mean power (λμ). initial_power: the
    mean power before the first frame, of samples in [−1, 1]; the paper takes it from its training data, this
    is the median of 13 LibriSpeech clips. exponent: of the loudness, 1/15.
    """

    stft: StftOptions = field(default_factory=_stft)
    num_channels: int = 40
    low_frequency: float = 200.0
    high_frequency: float | None = None
    num_ceps: int = 13
    num_context: int = 2
    rise: float = 0.999
    fall: float = 0.5
    mask_decay: float = 0.85
    mask_floor: float = 0.2
    excitation: float = 2.0
    num_neighbours: int = 4
    mean_decay: float = 0.999
    initial_power: float = 0.05
    exponent: float = 1 / 15

    def __post_init__(self) -> None:
        if not 1 <= self.num_ceps <= self.num_channels:
            raise ValueError(f"1 to {self.num_channels} cepstra come from as many filters, not {self.num_ceps}")
        if min(self.num_context, self.num_neighbours) < 0:
            raise ValueError("numbers of neighbouring frames and channels are not negative")
        factors = (self.rise, self.fall, self.mask_decay, self.mean_decay)
        if not all(0 <= factor < 1 for factor in factors):
            raise ValueError(f"forgetting factors are in [0, 1), not {factors}")
        if not (self.initial_power > 0 and self.exponent > 0):
            raise ValueError("the initial power and the exponent are positive")

    def filters(self) -> Floats:
        """Squared gammatone responses: (num_channels, stft.num_bins), each of sum 1.

        What is under 0.5 % of a filter's peak is left out.
        """
        half = self.stft.sample_rate / 2
        high = half if self.high_frequency is None else self.high_frequency
        if not 0 < self.low_frequency < high <= half:
            raise ValueError(f"0 < low < high ≤ {half:g} Hz does not hold for {self.low_frequency}, {high}")
        shift = _EAR_Q * _MIN_BANDWIDTH
        steps = np.arange(self.num_channels, 0, -1) / self.num_channels
        centres = -shift + (high + shift) * ((self.low_frequency + shift) / (high + shift)) ** steps
        widths = 1.019 * (centres / _EAR_Q + _MIN_BANDWIDTH)
        distances = (self.stft.bin_frequencies() - centres[:, None]) / widths[:, None]
        amplitudes = (1 + distances**2) ** (-_ORDER / 2)
        amplitudes[amplitudes < 0.005 * amplitudes.max(axis=1, keepdims=True)] = 0
        weights = amplitudes**2
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class Pncc:
    """The front end: float32 (frames, num_ceps); see ``FrontEnd``, whose methods it has.

    Streams give each frame ``num_context`` frames late, and the same bits as the whole recording.
    """

    def __init__(self, options: PnccOptions | None = None) -> None:
        self.options = options or PnccOptions()
        self.stft = self.options.stft
        self.num_features = self.options.num_ceps
        self._powers = _Gammatones(self.options)
        self._transform = RowMixer(dct(self.num_features, self.options.num_channels))

    def __call__(self, samples: Samples) -> Matrix:
        """Cepstra of a whole signal: float32 (stft.num_frames(n), num_ceps). Raises as ``FrontEnd`` does."""
        stream = self.stream()
        parts = [stream.accept(samples), stream.finish()]
        return np.concatenate(parts)

    def stream(self) -> PnccStream:
        """A new stream, for audio that comes in blocks."""
        return PnccStream(self)


class PnccStream:
    """The state of one stream. Its memory does not grow."""

    def __init__(self, front_end: Pncc) -> None:
        self._front_end = front_end
        self._powers = front_end._powers.stream()
        self._enhancer = Enhancer(front_end.options)
        num_channels = front_end.options.num_channels
        self._waiting = np.zeros((0, num_channels), np.float32)  # frames that lack their context, and context
        self._num_before = 0  # of them, frames that have been given out

    def accept(self, samples: Samples) -> Matrix:
        """The frames that became complete: float32 (k, num_ceps). Raises AudioError for NaN and the like."""
        self._waiting = np.concatenate([self._waiting, self._powers.accept(samples)])
        return self._given(self._front_end.options.num_context)

    def finish(self) -> Matrix:
        """The last frames; accepting afterwards is a ValueError."""
        self._waiting = np.concatenate([self._waiting, self._powers.finish()])
        return self._given(0)

    def _given(self, num_kept: int) -> Matrix:
        """Cepstra of all frames but the last ``num_kept``."""
        context = self._front_end.options.num_context
        first, end = self._num_before, len(self._waiting) - num_kept
        if end <= first:
            return np.zeros((0, self._front_end.num_features), np.float32)
        powers = self._waiting
        medium = medium_time_power(powers, context)[first:end]
        loudness = self._enhancer.accept(powers[first:end], medium)
        kept = max(0, end - context)
        self._waiting, self._num_before = powers[kept:], end - kept
        cepstra = np.empty((len(loudness), self._front_end.num_features), np.float32)
        for start in range(0, len(loudness), BLOCK_FRAMES):
            block = np.ascontiguousarray(loudness[start : start + BLOCK_FRAMES].T)
            cepstra[start : start + BLOCK_FRAMES] = self._front_end._transform(block).T
        return cepstra


class _Gammatones(FrontEnd):
    """Short-time power in each channel, P[m, l] (equation 2)."""

    def __init__(self, options: PnccOptions) -> None:
        super().__init__(options.stft, options.num_channels)
        self._filters = RowMixer(options.filters())

    def _from_power(self, power: Matrix) -> Matrix:
        return self._filters(power)


def medium_time_power(powers: Matrix, num_context: int) -> Matrix:
    """Running mean over ``num_context`` frames on both sides, of those that are there (equation 3).

    powers: (frames, channels). Returns the same shape.
    """
    sums, counts = np.zeros_like(powers), np.zeros((len(powers), 1), np.float32)
    for shift in range(-num_context, num_context + 1):  # always in this order, for the same bits
        there = slice(max(0, -shift), len(powers) - max(0, shift))
        here = slice(max(0, shift), len(powers) + min(0, shift))
        sums[there] += powers[here]
        counts[there] += 1
    return sums / counts


class Enhancer:
    """From power to loudness: without what steady noise and echoes add, and without level. Holds a stream."""

    def __init__(self, options: PnccOptions) -> None:
        self._options = options
        self._envelope: Matrix | None = None
        self._floor: Matrix | None = None
        self._peak = np.zeros(options.num_channels, np.float32)
        self._mean = np.float32(options.initial_power)

    def accept(self, powers: Matrix, medium: Matrix) -> Matrix:
        """Loudness V[m, l] of the next frames, zero where there is no power.

        powers, medium: float32 (frames, channels), short- and medium-time.
        """
        suppressed = np.empty_like(medium)
        for row, power in enumerate(medium):
            suppressed[row] = self._suppressed(power)
        ratios = np.divide(suppressed, medium, out=np.zeros_like(medium), where=medium > 0)
        weighted = powers * smoothed_weights(ratios, self._options.num_neighbours)
        for row in weighted:
            self._normalise(row)
        return weighted

    def _suppressed(self, power: Matrix) -> Matrix:
        """R[m, l] of one frame: asymmetric noise suppression with temporal masking (equations 4 to 10)."""
        options = self._options
        if self._envelope is None:
            self._envelope = power * _START
        self._envelope = lower_envelope(self._envelope, power, options.rise, options.fall)
        above = np.maximum(power - self._envelope, 0)
        if self._floor is None:
            self._floor = above * _START
        self._floor = lower_envelope(self._floor, above, options.rise, options.fall)
        decayed = self._peak * np.float32(options.mask_decay)
        masked = np.where(above >= decayed, above, self._peak * np.float32(options.mask_floor))
        self._peak = np.maximum(decayed, above)
        is_speech = power >= self._envelope * np.float32(options.excitation)
        return np.where(is_speech, np.maximum(masked, self._floor), self._floor)

    def _normalise(self, row: Matrix) -> None:
        """U and V of one frame, in place: divided by the running mean power, to the power 1/15 (13 to 15)."""
        decay = np.float32(self._options.mean_decay)
        self._mean = decay * self._mean + (np.float32(1) - decay) * row.mean()
        row /= self._mean
        np.power(row, np.float32(self._options.exponent), out=row)


def lower_envelope(before: Matrix, power: Matrix, rise: float, fall: float) -> Matrix:
    """One step of the asymmetric filter: slow upwards, quick downwards (equation 4)."""
    factor = np.where(power >= before, np.float32(rise), np.float32(fall))
    envelope: Matrix = factor * before + (np.float32(1) - factor) * power
    return envelope


def smoothed_weights(ratios: Matrix, num_neighbours: int) -> Matrix:
    """Mean over the channels nearby, of those that are there (equation 11). ratios: (frames, channels)."""
    # In C order: the power function's last bit depends on how its numbers lie.
    return np.ascontiguousarray(medium_time_power(ratios.T, num_neighbours).T)
