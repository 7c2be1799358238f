"""What the nets of commands are fed, by name: a function of one second of sound each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.commands.embedding import FrameEncoder, at_level, mean_and_deviation, sound_of
from earshot.commands.speech_embedding import SpeechEmbeddingMels
from earshot.core.errors import CommandError, nearest
from earshot.core.types import Samples
from earshot.features import LogMel, MelOptions, Mfcc, MfccOptions
from earshot.features.multi_resolution import MultiResolutionMel, MultiResolutionOptions

Array = npt.NDArray[np.float32]
FrontEndFunction = Callable[[Samples], Array]

NUM_MELS = 40
FLOOR = 1e-5
"""Least power of a filter: about the noise of a 16-bit recording, so digital silence is nothing special."""


def _mel_options() -> MelOptions:
    return MelOptions(num_mels=NUM_MELS, low_frequency=20.0, floor=FLOOR)


def _log_mel() -> FrontEndFunction:
    """(1, 98, 40)."""
    front_end = LogMel(_mel_options())
    return lambda samples: front_end(samples)[None]


def _mfcc() -> FrontEndFunction:
    """(1, 98, 20)."""
    front_end = Mfcc(MfccOptions(_mel_options(), num_ceps=20))
    return lambda samples: front_end(samples)[None]


def _waveform() -> FrontEndFunction:
    """(1, 16000)."""
    return lambda samples: samples[None]


def _multi_resolution() -> FrontEndFunction:
    """(3, 98, 40): windows of 16, 32 and 64 ms."""
    return MultiResolutionMel(MultiResolutionOptions(num_mels=NUM_MELS, floor=FLOOR))


def _moonshine() -> FrontEndFunction:
    """(576,): mean and standard deviation of the embedded encoder's frames; 10 ms a clip."""
    encoder = FrameEncoder()
    return lambda samples: mean_and_deviation(encoder.of_clip(sound_of(samples)))


def _moonshine_frames() -> FrontEndFunction:
    """(57, 288): the embedded encoder's frames of a second."""
    return FrameEncoder().of_clip


def _moonshine_window() -> FrontEndFunction:
    """(52, 288): the last frames of a window of 1.6 s, that far from its beginning; 8 ms a window."""
    return FrameEncoder().of_window


def _speech_embedding() -> FrontEndFunction:
    """(1, 218, 32): what Google's speech embedding hears."""
    mels = SpeechEmbeddingMels()
    return lambda samples: mels(at_level(samples))[None]


_FRONT_ENDS: dict[str, Callable[[], FrontEndFunction]] = {
    "log-mel": _log_mel,
    "mfcc": _mfcc,
    "waveform": _waveform,
    "multi-resolution": _multi_resolution,
    "moonshine": _moonshine,
    "moonshine-frames": _moonshine_frames,
    "moonshine-window": _moonshine_window,
    "speech-embedding": _speech_embedding,
}


def load_front_end(name: Any) -> FrontEndFunction:
    """Samples, float32 (16000,), to float32 features. Raises CommandError for an unknown name."""
    if name not in _FRONT_ENDS:
        raise CommandError(f"there is no front end {name!r}", fix=nearest(str(name), _FRONT_ENDS))
    return _FRONT_ENDS[name]()
