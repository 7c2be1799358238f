"""What a CTC net of one's own hears: the features its card names, computed as they were in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
from earshot.core.types import Samples
from earshot.engines.moonshine import embedded_folder
from earshot.engines.moonshine_model import MoonshineEncoder
from earshot.features.front_end import FeatureStream
from earshot.features.mel import LogMel, MelOptions
from earshot.features.mfcc import Mfcc, MfccOptions
from earshot.features.pncc import Pncc, PnccOptions, PnccStream
from earshot.features.stft import StftOptions

Matrix = npt.NDArray[np.float32]
Facts = Mapping[str, Any]


class FrontEnd(Protocol):
    """Samples to features: float32 (n,) at 16 kHz to (frames, features)."""

    def __call__(self, samples: Samples) -> Matrix:
        """Of a whole signal."""


class StreamingFrontEnd(FrontEnd, Protocol):
    """One that also takes a signal block by block."""

    def stream(self) -> FeatureStream | PnccStream:
        """A new stream."""


class MoonshineFrames:
    """Frames of the frozen encoder of Moonshine tiny, 288 numbers each 24 ms: it has heard 200,000 hours.

    Jeffries et al. 2024, arXiv:2410.15608. The encoder looks at the whole stretch, so it does not stream.
    """

    num_features: Final = 288

    def __init__(self) -> None:
        self._encoder = MoonshineEncoder(embedded_folder())

    def __call__(self, samples: Samples) -> Matrix:
        """float32 (n,) to (n / 384, 288), about."""
        return np.asarray(self._encoder.encode(samples)[0], np.float32)


class MoonshineWithMel:
    """Frames of Moonshine's encoder, and beside each a log-mel spectrum of 64 ms, in which pitch can be seen.

    The encoder has heard English, where tones tell no words apart; of those of other languages it keeps little.
    """

    def __init__(self, options: MelOptions) -> None:
        self._frames, self._mel = MoonshineFrames(), LogMel(options)
        self.num_features: Final = MoonshineFrames.num_features + options.num_mels

    def __call__(self, samples: Samples) -> Matrix:
        """float32 (n,) to (n / 384, 368), about."""
        frames, mel = self._frames(samples), self._mel(samples)
        if len(mel) < len(frames):
            # The stem of the encoder looks a little further than the last whole window.
            mel = np.pad(mel, ((0, len(frames) - len(mel)), (0, 0)), mode="edge" if len(mel) else "constant")
        return np.concatenate([frames, mel[: len(frames)]], 1)


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """How a front end is made. hop: samples from frame to frame. options: what it is made of, for the card.

    num_cut: so many frames fewer than hops may come out, as the last windows are not whole.
    """

    make: Callable[[int], FrontEnd]
    num_features: int
    hop: int
    options: Callable[[int], Any]
    streams: bool = True
    num_cut: int = 0


def _mel(num_features: int) -> MelOptions:
    """As sherpa-onnx computes them, so that it can run the net too: to 7,600 Hz, samples in [−1, 1]."""
    kaldi = MelOptions.kaldi(num_features, snip_edges=False)
    stft = dataclasses.replace(kaldi.stft, scale=1.0)
    return dataclasses.replace(kaldi, high_frequency=7_600.0, stft=stft)


def _long_mel(num_features: int) -> MelOptions:
    stft = StftOptions(window_length=1_024, hop_length=384, fft_length=1_024, padding="end")
    return MelOptions(stft, num_features - MoonshineFrames.num_features, low_frequency=60.0)


def _pncc(num_features: int) -> PnccOptions:
    return PnccOptions(num_ceps=num_features)


_KINDS: dict[str, _Kind] = {
    "log-mel": _Kind(lambda num: LogMel(_mel(num)), 80, 160, _mel),
    "mfcc": _Kind(
        lambda num: Mfcc(MfccOptions.python_speech_features(num)),
        13,
        160,
        MfccOptions.python_speech_features,
        num_cut=1,
    ),
    "pncc": _Kind(lambda num: Pncc(_pncc(num)), 13, 160, _pncc, num_cut=2),
    "moonshine-mel": _Kind(
        lambda num: MoonshineWithMel(_long_mel(num)), 368, 384, _long_mel, streams=False, num_cut=2
    ),
    "moonshine": _Kind(lambda _: MoonshineFrames(), 288, 384, lambda _: None, streams=False, num_cut=2),
}

FRONT_ENDS: Final = tuple(_KINDS)
"""Their names."""


def front_end_facts(name: str, num_features: int | None = None) -> dict[str, Any]:
    """What a card says of a front end, whole: name, num_features, hop (samples), streams, and its parameters.

    num_features: None is the usual number. Raises ModelError for an unknown name or an impossible number.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise ModelError(f"there are no features {name!r}", fix=f"they are {', '.join(FRONT_ENDS)}")
    number = kind.num_features if num_features is None else num_features
    if name == "moonshine" and number != kind.num_features:
        raise ModelError(f"Moonshine's frames hold {kind.num_features} numbers, not {number}")
    try:
        options = kind.options(number)
    except (TypeError, ValueError) as error:
        raise ModelError(f"features {name!r}: {error}") from None
    facts = {"name": name, "num_features": number, "hop": kind.hop, "streams": kind.streams}
    if options is not None:
        facts["parameters"] = dataclasses.asdict(options)
    return facts


def make_front_end(facts: Facts) -> FrontEnd:
    """The front end that a card describes.

    Raises ModelError when this version computes other features than the card says: its net would hear noise.
    """
    name, number = facts.get("name"), facts.get("num_features")
    if not isinstance(name, str) or not isinstance(number, int) or isinstance(number, bool):
        raise ModelError("the card does not say which features the net hears", fix="export the model again")
    ours = front_end_facts(name, number)
    if differing := _differences(dict(facts), ours):
        raise ModelError(
            f"the net was trained on other features than this version computes: {differing[0]}",
            fix="use the version of Earshot that trained it, or train it again",
        )
    return _KINDS[name].make(number)


def _differences(card: Mapping[str, Any], ours: Mapping[str, Any], path: str = "") -> list[str]:
    found = []
    for key in sorted({*card, *ours}):
        mine, theirs = ours.get(key), card.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            found += _differences(theirs, mine, f"{path}{key}.")
        elif mine != theirs:
            found.append(f"{path}{key} is {theirs!r} on its card and {mine!r} here")
    return found


def num_frames(facts: Facts, num_samples: int) -> int:
    """How many frames a signal gives at least."""
    return max(0, num_samples // int(facts["hop"]) - _KINDS[facts["name"]].num_cut)
