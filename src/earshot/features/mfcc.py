"""Mel-frequency cepstral coefficients (Davis and Mermelstein 1980), in two common definitions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.filters import Floats, RowMixer, dct
from earshot.features.front_end import FeatureStream, FrontEnd
from earshot.features.mel import LogMel, MelOptions, log_floored
from earshot.features.stft import BLOCK_FRAMES, Matrix, StftOptions


@dataclass(frozen=True, slots=True)
class MfccOptions:
    """What cepstra are made of.

    num_ceps: coefficients kept, from the zeroth. lifter: HTK's L, which scales coefficient n by
    1 + L/2·sin(πn/L); 0 leaves them. first_is_energy: the zeroth is the log of the frame's power instead.
    """

    mel: MelOptions = field(default_factory=MelOptions)
    num_ceps: int = 13
    lifter: int = 0
    first_is_energy: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.num_ceps <= self.mel.num_mels:
            raise ValueError(f"1 to {self.mel.num_mels} cepstra come from as many filters, not {self.num_ceps}")
        if self.lifter < 0:
            raise ValueError(f"a lifter is not negative, but {self.lifter}")
        if self.first_is_energy and self.mel.top_db is not None:
            raise ValueError("the frame's energy and top_db do not go together")

    @classmethod
    def python_speech_features(
        cls, num_ceps: int = 13, *, sample_rate: int = SAMPLE_RATE, scale: float = 32768.0
    ) -> MfccOptions:
        """``mfcc(samples, sample_rate)`` of python_speech_features with its defaults.

        25/10 ms frames without a window, pre-emphasis 0.97, 26 filters, lifter 22, log energy first.
        scale: that library is mostly fed 16-bit integers; 1.0 for one that was fed floats in [−1, 1].
        """
        length = _half_up(sample_rate, 25)
        fft_length = 512 if length <= 512 else 1 << (length - 1).bit_length()
        stft = StftOptions(
            sample_rate=sample_rate,
            window_length=length,
            hop_length=_half_up(sample_rate, 10),
            fft_length=fft_length,
            window="rectangular",
            padding="end",
            pre_emphasis=0.97,
            scale=scale,
            is_periodogram=True,
        )
        floor = float(np.finfo(np.float64).eps)
        return cls(MelOptions(stft, 26, triangles="bins", floor=floor), num_ceps, 22, first_is_energy=True)

    @classmethod
    def librosa(
        cls,
        num_ceps: int = 20,
        *,
        sample_rate: int = SAMPLE_RATE,
        window_length: int = 400,
        hop_length: int = 160,
        fft_length: int = 512,
        top_db: float | None = 80.0,
    ) -> MfccOptions:
        """``librosa.feature.mfcc``: 128 Slaney filters, 80 dB below the loudest, orthonormal DCT-II."""
        mel = MelOptions.librosa(
            sample_rate=sample_rate,
            window_length=window_length,
            hop_length=hop_length,
            fft_length=fft_length,
            top_db=top_db,
        )
        return cls(mel, num_ceps)

    def transform(self) -> Floats:
        """Orthonormal DCT-II times the lifter: (num_ceps, num_mels)."""
        transform = dct(self.num_ceps, self.mel.num_mels)
        if self.lifter:
            order = np.arange(self.num_ceps)[:, None]
            transform *= 1 + self.lifter / 2 * np.sin(np.pi * order / self.lifter)
        return np.asarray(transform)


class Mfcc(FrontEnd):
    """Cepstra: float32 (frames, num_ceps)."""

    def __init__(self, options: MfccOptions | None = None) -> None:
        self.options = options or MfccOptions()
        super().__init__(self.options.mel.stft, self.options.num_ceps)
        self._log_mel = LogMel(self.options.mel)
        self._transform = RowMixer(self.options.transform())

    def __call__(self, samples: Samples) -> Matrix:
        """Cepstra of a whole signal; see FrontEnd."""
        if self.options.mel.top_db is None:
            return super().__call__(samples)
        log_mel = self._log_mel(samples)
        cepstra = np.empty((len(log_mel), self.num_features), np.float32)
        for start in range(0, len(log_mel), BLOCK_FRAMES):
            block = log_mel[start : start + BLOCK_FRAMES]
            cepstra[start : start + len(block)] = self._transform(np.ascontiguousarray(block.T)).T
        return cepstra

    def stream(self) -> FeatureStream:
        """A new stream. Raises ValueError with top_db, which looks at the whole utterance."""
        if self.options.mel.top_db is not None:
            raise ValueError("top_db needs the whole utterance; stream with top_db=None")
        return super().stream()

    def _from_power(self, power: Matrix) -> Matrix:
        cepstra = self._transform(self._log_mel._from_power(power))
        if self.options.first_is_energy:
            energy = power.sum(axis=0, keepdims=True)
            cepstra[:1] = log_floored(energy, self.options.mel.floor, self.options.mel.log)
        return cepstra


def _half_up(sample_rate: int, milliseconds: int) -> int:
    """Samples in so many milliseconds, halves rounded up as python_speech_features does."""
    return (sample_rate * milliseconds + 500) // 1000
