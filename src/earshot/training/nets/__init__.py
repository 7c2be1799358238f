"""The zoo: nets of spoken commands by name. A new one is a file beside this one and a line in its table."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from earshot.core.errors import TrainingError, nearest
from earshot.core.optional import require

if TYPE_CHECKING:
    from earshot.training.nets.base import Net


@dataclass(frozen=True, slots=True)
class NetSpec:
    """Where a net is built, and what it is fed.

    front_end: see ``earshot.commands.front_ends``. build: the module's function; settings: of it.
    has_frozen_features: they are slow to come by, so each clip is described once, and a few changed copies.
    rate: times the learning rate; nets that know something already begin with a lower one.
    """

    module: str
    front_end: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    build: str = "build"
    has_frozen_features: bool = False
    rate: float = 1.0


NETS: Mapping[str, NetSpec] = {
    "cnn-1": NetSpec("mfcc", "mfcc", "small CNN on MFCC: one wide layer", {"variant": 1}),
    "cnn-2": NetSpec("mfcc", "mfcc", "small CNN on MFCC: two layers", {"variant": 2}),
    "cnn-3": NetSpec("mfcc", "mfcc", "small CNN on MFCC: three layers", {"variant": 3}),
    "cnn-4": NetSpec("mfcc", "mfcc", "small CNN on MFCC: long in time, then deep", {"variant": 4}),
    "vgg": NetSpec("vgg", "log-mel", "VGG-like: pairs of 3×3 convolutions between poolings"),
    "inception": NetSpec("inception", "log-mel", "Inception-like: several sizes side by side"),
    "conv1d": NetSpec("waveform", "waveform", "1-D convolutions on the waveform"),
    "conv2d": NetSpec("planes", "multi-resolution", "2-D convolutions on multi-resolution mel", {"kind": "2d"}),
    "conv3d": NetSpec("planes", "multi-resolution", "3-D convolutions on multi-resolution mel", {"kind": "3d"}),
    "conv2d-3d": NetSpec("planes", "multi-resolution", "2-D and 3-D convolutions, joined", {"kind": "2d-3d"}),
    "bc-resnet-1": NetSpec("bc_resnet", "log-mel", "BC-ResNet-1 (Kim et al. 2021)", {"scale": 1.0}),
    "bc-resnet-3": NetSpec("bc_resnet", "log-mel", "BC-ResNet-3", {"scale": 3.0}),
    "bc-resnet-8": NetSpec("bc_resnet", "log-mel", "BC-ResNet-8", {"scale": 8.0}),
    "residual": NetSpec("residual", "log-mel", "plain residual net, as the shipped one", {"width": 24}),
    "moonshine": NetSpec(
        "moonshine", "moonshine", "linear head on the frozen encoder of Moonshine", has_frozen_features=True
    ),
    "moonshine-conv": NetSpec(
        "moonshine",
        "moonshine-frames",
        "1-D convolutions over the frames of Moonshine's frozen encoder",
        build="build_convolutions",
        has_frozen_features=True,
    ),
    "speech-embedding": NetSpec(
        "speech_embedding",
        "speech-embedding",
        "Google's speech embedding, trained on (Lin et al. 2020): the best",
        rate=0.3,
    ),
}


def find_net(name: str) -> NetSpec:
    """Raises TrainingError for a name that is not in the table."""
    if name not in NETS:
        raise TrainingError(f"there is no net {name!r}", fix=nearest(name, NETS))
    return NETS[name]


def build_net(name: str, num_classes: int) -> Net:
    """A new net with weights drawn by torch's generator. Raises TrainingError, MissingExtraError."""
    spec = find_net(name)
    require("torch", extra="train", purpose="training")
    module = importlib.import_module(f"earshot.training.nets.{spec.module}")
    net: Net = getattr(module, spec.build)(num_classes, **spec.settings)
    return net
