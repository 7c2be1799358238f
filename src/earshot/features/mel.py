"""Log-mel features, as Kaldi, librosa or python_speech_features compute them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.filters import MelScale, RowMixer, Triangles, mel_edges, mel_filters
from earshot.features.front_end import FeatureStream, FrontEnd
from earshot.features.stft import Matrix, StftOptions

Log: TypeAlias = Literal["natural", "log10", "decibel"]

_LOG_FACTOR: dict[Log, float] = {"natural": 1.0, "log10": 1 / math.log(10), "decibel": 10 / math.log(10)}


@dataclass(frozen=True, slots=True)
class MelOptions:
    """What log-mel features are made of. The default: 80 HTK-scale filters on 25 ms Hann windows each 10 ms.

    low_frequency, high_frequency: Hz; None is half the sample rate.
    triangles, has_unit_area: see ``mel_filters``.
    log: of the power. floor: the least power of a filter, so that silence is log(floor) and never −inf.
    top_db: lifts everything to at most this much (in decibels, log must be "decibel") below the utterance's
    loudest value, as librosa does; None does not, and only that can be streamed.
    """

    stft: StftOptions = field(default_factory=StftOptions)
    num_mels: int = 80
    low_frequency: float = 0.0
    high_frequency: float | None = None
    scale: MelScale = "htk"
    triangles: Triangles = "hertz"
    has_unit_area: bool = False
    log: Log = "natural"
    floor: float = 1e-10
    top_db: float | None = None

    def __post_init__(self) -> None:
        half = self.stft.sample_rate / 2
        high = half if self.high_frequency is None else self.high_frequency
        if self.num_mels < 1:
            raise ValueError(f"there is at least one mel filter, not {self.num_mels}")
        if not 0 <= self.low_frequency < high <= half:
            raise ValueError(f"0 ≤ low < high ≤ {half:g} Hz does not hold for {self.low_frequency}, {high}")
        if not 1e-30 <= self.floor < math.inf:
            raise ValueError(f"a floor is at least 1e-30, which float32 can hold, not {self.floor}")
        if self.top_db is not None and (self.log != "decibel" or self.top_db < 0):
            raise ValueError("top_db is not negative and goes with log='decibel'")

    @classmethod
    def kaldi(
        cls, num_mels: int = 80, *, sample_rate: int = SAMPLE_RATE, snip_edges: bool = True
    ) -> MelOptions:
        """Kaldi's fbank without dither, for float samples in [−1, 1]: 25/10 ms, Povey window, 20 Hz and up.

        Source: compute-fbank-feats of the Kaldi toolkit (Povey et al. 2011); equal to kaldi-native-fbank.
        """
        length = sample_rate * 25 // 1000
        stft = StftOptions(
            sample_rate=sample_rate,
            window_length=length,
            hop_length=sample_rate * 10 // 1000,
            fft_length=1 << (length - 1).bit_length(),
            window="povey",
            padding="none" if snip_edges else "mirror",
            pre_emphasis=0.97,
            pre_emphasis_per_frame=True,
            removes_dc=True,
            scale=32768.0,
        )
        floor = float(np.finfo(np.float32).eps)
        return cls(stft, num_mels, low_frequency=20.0, triangles="mel", floor=floor)

    @classmethod
    def librosa(
        cls,
        num_mels: int = 128,
        *,
        sample_rate: int = SAMPLE_RATE,
        window_length: int = 400,
        hop_length: int = 160,
        fft_length: int = 512,
        top_db: float | None = 80.0,
    ) -> MelOptions:
        """``power_to_db(melspectrogram(…))`` of librosa: centred frames, Slaney's scale and norm, decibels."""
        stft = StftOptions(
            sample_rate=sample_rate,
            window_length=window_length,
            hop_length=hop_length,
            fft_length=fft_length,
            padding="center",
        )
        return cls(stft, num_mels, scale="slaney", has_unit_area=True, log="decibel", top_db=top_db)

    @property
    def edges(self) -> tuple[float, ...]:
        """Hz of the filters' corners, num_mels + 2 of them; filter m has its peak at edges[m + 1]."""
        high = self.stft.sample_rate / 2 if self.high_frequency is None else self.high_frequency
        return tuple(mel_edges(self.num_mels, self.low_frequency, high, self.scale).tolist())

    @property
    def silence(self) -> float:
        """The value of every feature in digital silence."""
        return math.log(self.floor) * _LOG_FACTOR[self.log]

    def filters(self) -> Matrix:
        """The weights: float32 (num_mels, stft.num_bins)."""
        return mel_filters(
            self.num_mels,
            self.stft.fft_length,
            self.stft.sample_rate,
            low=self.low_frequency,
            high=self.high_frequency,
            scale=self.scale,
            triangles=self.triangles,
            has_unit_area=self.has_unit_area,
        )


class LogMel(FrontEnd):
    """Log-mel features: float32 (frames, num_mels)."""

    def __init__(self, options: MelOptions | None = None) -> None:
        self.options = options or MelOptions()
        super().__init__(self.options.stft, self.options.num_mels)
        self._filters = RowMixer(self.options.filters())

    def __call__(self, samples: Samples) -> Matrix:
        """Log-mel of a whole signal; see FrontEnd."""
        features = super().__call__(samples)
        if self.options.top_db is not None and len(features):
            np.maximum(features, features.max() - np.float32(self.options.top_db), out=features)
        return features

    def stream(self) -> FeatureStream:
        """A new stream. Raises ValueError with top_db, which looks at the whole utterance."""
        if self.options.top_db is not None:
            raise ValueError("top_db needs the whole utterance; stream with top_db=None")
        return super().stream()

    def _from_power(self, power: Matrix) -> Matrix:
        return log_floored(self._filters(power), self.options.floor, self.options.log)


def log_floored(power: Matrix, floor: float, log: Log = "natural") -> Matrix:
    """Logarithm in place of ``max(power, floor)``."""
    np.maximum(power, np.float32(floor), out=power)
    np.log(power, out=power)  # numpy's float32 log is vectorised, its log10 is not everywhere
    if log != "natural":
        power *= np.float32(_LOG_FACTOR[log])
    return power
