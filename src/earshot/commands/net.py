"""A trained net of commands: a folder with ``model.onnx`` and ``card.json``. Needs no torch.

>>> from earshot.commands.net import CommandNet
>>> net = CommandNet.load()                            # the one that ships: TWELVE classes
>>> dict(zip(net.labels, net.classify(samples)))       # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.commands.augmentation import at_shifts
from earshot.commands.clip_sounds import one_second
from earshot.commands.front_ends import load_front_end
from earshot.core.errors import ModelError
from earshot.core.runtime import load_onnx, read_verified
from earshot.core.types import Samples

Probabilities = npt.NDArray[np.float32]

MODEL, CARD = "model.onnx", "card.json"
MODELS = Path(__file__).parent / "models"
"""Folders of nets that ship."""

SHIPPED = MODELS / "commands12"
WAKE_WORDS = MODELS / "wake-words"
_FIX = "train it again, or install earshot again if it is the one that ships"


CLIPS, RUNNING = "clips", "running speech"
"""What a net hears: the ``hears`` of its card."""


class NetFolder:
    """``model.onnx`` and ``card.json``, checked and loaded. Safe to use from several threads.

    kind: what it must hear. labels: of its outputs. Raises ModelError when something is absent or damaged.
    """

    def __init__(self, folder: Path, *, kind: str, num_threads: int = 1) -> None:
        self.card = read_card(folder)
        if hears(self.card) != kind:
            raise ModelError(f"{folder} is a net of {hears(self.card)}, not of {kind}", fix="name another one")
        self.labels: tuple[str, ...] = tuple(self.card["labels"])
        self.digest = str(self.card["sha256"])
        """SHA-256 of the weights."""
        content = read_verified(folder / MODEL, self.digest, fix=_FIX)
        self._session = load_onnx(
            folder / MODEL,
            content,
            num_threads=num_threads,
            inputs=["features"],
            kind="net of commands",
            fix=_FIX,
        )
        self.front_end = load_front_end(self.card["front_end"])

    def run(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, …) of the front end → (n, labels)."""
        found: npt.NDArray[np.float32] = self._session.run(None, {"features": features})[0]
        return found


class CommandNet:
    """Tells which of its classes a second of sound is. Safe to use from several threads.

    labels: of the classes, in the order of the probabilities. card: ``card.json``, with data and licence.
    """

    def __init__(self, folder: Path, *, num_threads: int = 1) -> None:
        self._net = NetFolder(folder, kind=CLIPS, num_threads=num_threads)
        self.card, self.labels, self.digest = self._net.card, self._net.labels, self._net.digest

    @classmethod
    def load(cls, folder: Path | None = None, *, num_threads: int = 1) -> CommandNet:
        """The one in ``folder``, else the one that ships. Raises ModelError when it is absent or damaged."""
        return cls(folder or SHIPPED, num_threads=num_threads)

    def classify(self, samples: Samples) -> Probabilities:
        """Of one clip, float32 (n,) at 16 kHz: float32 (classes,), summing to 1.

        Shorter clips are set in silence, of longer ones the loudest second is heard.
        """
        return np.asarray(self.classify_all([samples])[0], np.float32)

    def features(self, samples: Samples) -> npt.NDArray[np.float32]:
        """What it is fed of one clip, float32 (n,) at 16 kHz; the shape is the front end's."""
        return self._net.front_end(one_second(np.nan_to_num(samples).astype(np.float32, copy=False)))

    def classify_all(self, clips: Sequence[Samples], *, shifts: Sequence[int] = (0,)) -> Probabilities:
        """Of several clips: float32 (clips, classes). shifts: samples; their predictions are averaged."""
        if not clips:
            return np.empty((0, len(self.labels)), np.float32)
        seconds = [one_second(np.nan_to_num(clip).astype(np.float32, copy=False)) for clip in clips]
        features = np.stack([self._net.front_end(at) for clip in seconds for at in at_shifts(clip, shifts)])
        probabilities = self._net.run(features)
        averaged = probabilities.reshape(len(clips), len(shifts), -1).mean(1)
        return np.asarray(averaged, np.float32)


def read_card(folder: Path) -> dict[str, Any]:
    """Of a net of commands. Raises ModelError when it is absent or damaged."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}", fix=_FIX) from error
    wanted: dict[str, type] = {"labels": list, "front_end": str, "sha256": str}
    if not isinstance(card, dict) or not all(isinstance(card.get(key), kind) for key, kind in wanted.items()):
        raise ModelError(f"{path} is no card of a net of commands", fix=_FIX)
    return card


def hears(card: Mapping[str, Any]) -> str:
    """``CLIPS`` or ``RUNNING``, or whatever the card says."""
    return str(card.get("hears", CLIPS))
