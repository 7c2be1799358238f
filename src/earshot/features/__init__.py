"""Front ends: spectrogram, log-mel, MFCC, PNCC; one implementation for offline, streaming and training use.

>>> from earshot.features import LogMel, MelOptions
>>> LogMel(MelOptions.kaldi(80))(samples)         # doctest: +SKIP
"""

from earshot.features.deltas import deltas, with_deltas
from earshot.features.front_end import FeatureStream, FrontEnd, Spectrogram
from earshot.features.mel import LogMel, MelOptions
from earshot.features.mfcc import Mfcc, MfccOptions
from earshot.features.multi_resolution import MultiResolutionMel, MultiResolutionOptions
from earshot.features.normalise import RunningNormaliser, Statistics, normalise
from earshot.features.pncc import Pncc, PnccOptions, PnccStream
from earshot.features.stft import StftOptions

__all__ = [
    "FeatureStream",
    "FrontEnd",
    "LogMel",
    "MelOptions",
    "Mfcc",
    "MfccOptions",
    "MultiResolutionMel",
    "MultiResolutionOptions",
    "Pncc",
    "PnccOptions",
    "PnccStream",
    "RunningNormaliser",
    "Spectrogram",
    "Statistics",
    "StftOptions",
    "deltas",
    "normalise",
    "with_deltas",
]
