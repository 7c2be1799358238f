"""The nets of recognizers by name. A new one is a file here and a line in the table."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from earshot.core.errors import TrainingError
from earshot.core.optional import require


@dataclass(frozen=True, slots=True)
class NetSpec:
    """module, name: where its class is. options: before the user's. features: it usually hears."""

    help: str
    module: str
    name: str
    options: Mapping[str, Any]
    features: str = "log-mel"
    is_streaming: bool = False


NETS: Final[Mapping[str, NetSpec]] = {
    "moonshine": NetSpec(
        "a small conformer on frames of Moonshine's frozen encoder: the best for a few hours of speech",
        "conformer",
        "Conformer",
        {"stacking": 1, "size": 192, "num_blocks": 4, "num_heads": 6, "dropout": 0.15},
        "moonshine",
    ),
    "blstm": NetSpec(
        "2 bidirectional LSTMs of 128: the first recognizer of many", "blstm", "Blstm", {}, "mfcc"
    ),
    "blstm-512": NetSpec(
        "one of 512, then two of 128, of which many a home-made assistant is built",
        "blstm",
        "Blstm",
        {"sizes": [512, 128, 128], "stacking": 2, "dropout": 0.2},
    ),
    "conformer": NetSpec(
        "attention and convolution on log-mel, 5 million parameters; sherpa-onnx runs it too",
        "conformer",
        "Conformer",
        {},
    ),
    "lstm-streaming": NetSpec(
        "LSTMs in one direction: partial results while one speaks",
        "streaming",
        "StreamingLstm",
        {},
        is_streaming=True,
    ),
}


_TRIAL = 32
"""Frames."""


def find_net(name: str) -> NetSpec:
    """Raises TrainingError for an unknown name."""
    if name not in NETS:
        near = difflib.get_close_matches(name, NETS, 1)
        raise TrainingError(
            f"there is no net {name!r}", fix=f"try {near[0]!r}" if near else f"there are {', '.join(NETS)}"
        )
    return NETS[name]


def options_of(name: str) -> dict[str, Any]:
    """The options of a net and their defaults."""
    spec = find_net(name)
    found = inspect.signature(_class(spec)).parameters.values()
    usual = {one.name: one.default for one in found if one.kind is one.KEYWORD_ONLY}
    return {**usual, **spec.options}


def build_net(name: str, options: Mapping[str, Any], num_symbols: int, mean: Any, deviation: Any) -> Any:
    """A net with fresh weights. mean, deviation: (features,), of the training data. Raises TrainingError."""
    torch = require("torch", extra="train", purpose="training")
    from earshot.training.recognition.nets.parts import Normalisation

    spec, usual = find_net(name), options_of(name)
    for option in options:
        if option not in usual:
            near = difflib.get_close_matches(option, usual, 1)
            raise TrainingError(
                f"the net {name} has no option {option!r}",
                fix=f"try {near[0]!r}" if near else f"it has {', '.join(usual)}",
            )
    normalisation = Normalisation(
        torch.as_tensor(mean), torch.as_tensor(deviation), is_per_utterance=not spec.is_streaming
    )
    try:
        net = _class(spec)(num_symbols, normalisation, len(mean), **{**spec.options, **options})
        with torch.inference_mode():  # sizes that do not go together show when something goes through
            net.eval()(torch.zeros(1, _TRIAL, len(mean)), torch.tensor([_TRIAL]))
    except (TypeError, ValueError, RuntimeError, AssertionError, LookupError, ArithmeticError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(
            f"the net {name} cannot be built so: {reason}", fix="correct [net] in the TOML"
        ) from error
    return net.train()


def _class(spec: NetSpec) -> Any:
    require("torch", extra="train", purpose="training")
    return getattr(import_module(f"{__name__}.{spec.module}"), spec.name)
