"""Batches for a net of commands: classes drawn evenly, each clip changed anew, some made of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.commands.augmentation import mask_features
from earshot.commands.clip_sounds import spliced
from earshot.commands.front_ends import Array, FrontEndFunction
from earshot.core.types import Samples
from earshot.training.augmenter import Augmenter


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """inputs: (n, …) features. targets: (n, classes), 1 for each class that is right for the clip, else 0."""

    inputs: Array
    targets: Array


class Draws(Protocol):
    """Where batches come from."""

    def draw(self, num_clips: int) -> Batch:
        """The next batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Clips to learn from.

    sounds: (clips, n), float16 or float32. targets: (clips, classes), as in ``Batch``: more than one 1 in a row
    means that one of these is right. groups: (clips,), names between which the draw is even, times ``weights``
    (1 for a group that it lacks). words: rows that ``spliced`` may be made of; silence, unknown: their targets,
    (classes,), None where the classes have no such thing.
    """

    sounds: npt.NDArray[np.floating]
    targets: Array
    groups: Sequence[str]
    weights: Mapping[str, float]
    words: npt.NDArray[np.int64]
    silence: Array | None = None
    unknown: Array | None = None


class FixedBatches:
    """Draws from features that were computed once, classes evenly.

    inputs: (clips, …); targets, groups: as in ``Material``. has_masks: SpecAugment on the features.
    """

    def __init__(
        self,
        inputs: Array,
        targets: Array,
        groups: Sequence[str],
        rng: np.random.Generator,
        *,
        has_masks: bool = False,
    ) -> None:
        self._has_masks = has_masks
        self._inputs, self._targets, self._rng = inputs, targets, rng
        counts = Counter(groups)
        shares = np.array([1 / counts[name] for name in groups])
        self._shares = shares / shares.sum()

    def draw(self, num_clips: int) -> Batch:
        """The next batch."""
        indices = self._rng.choice(len(self._inputs), num_clips, p=self._shares)
        inputs = self._inputs[indices]
        if self._has_masks:
            inputs = np.stack([_masked(features, self._rng) for features in inputs])
        return Batch(inputs, self._targets[indices])


class TaughtBatches:
    """The batches of another source, their targets replaced by what teachers make of the inputs.

    teach: features (n, …) to probabilities (n, classes). Source: Hinton, Vinyals and Dean 2015.
    """

    def __init__(self, draws: Draws, teach: Callable[[Array], Array]) -> None:
        self._draws, self._teach = draws, teach

    def draw(self, num_clips: int) -> Batch:
        """The next batch."""
        batch = self._draws.draw(num_clips)
        return Batch(batch.inputs, self._teach(batch.inputs))


class Batches:
    """Draws batches without end; the same seed of the augmenter's generator draws the same ones.

    silence_share, spliced_share: of a batch, made on the spot. has_masks: SpecAugment on the features.
    """

    def __init__(
        self,
        material: Material,
        front_end: FrontEndFunction,
        augmenter: Augmenter,
        *,
        silence_share: float = 0.04,
        spliced_share: float = 0.04,
        has_masks: bool = False,
    ) -> None:
        self._material, self._front_end, self._augmenter = material, front_end, augmenter
        names = sorted(set(material.groups))
        groups = np.asarray(material.groups)
        self._members = [np.flatnonzero(groups == name) for name in names]
        weights = np.array([material.weights.get(name, 1.0) for name in names])
        self._shares = weights / weights.sum()
        self._silence_share = silence_share if material.silence is not None else 0.0
        is_splicing = material.unknown is not None and len(material.words) > 1
        self._spliced_share = spliced_share if is_splicing else 0.0
        self._has_masks = has_masks

    def draw(self, num_clips: int) -> Batch:
        """The next batch."""
        rows = [self._one() for _ in range(num_clips)]
        inputs = np.stack([row[0] for row in rows])
        targets = np.stack([row[1] for row in rows])
        return Batch(inputs, targets)

    def _one(self) -> tuple[Array, Array]:
        rng, material = self._augmenter.rng, self._material
        chance = rng.random()
        num_samples = material.sounds.shape[1]
        if chance < self._silence_share:
            assert material.silence is not None
            sound, target = self._augmenter.silence(num_samples), material.silence
        elif chance < self._silence_share + self._spliced_share:
            assert material.unknown is not None
            first, second = rng.choice(material.words, 2, replace=False)
            sound = self._augmenter(spliced(self._sound(first), self._sound(second), rng))
            target = material.unknown
        else:
            members = self._members[rng.choice(len(self._members), p=self._shares)]
            index = int(members[rng.integers(len(members))])
            sound, target = self._augmenter(self._sound(index)), material.targets[index]
        features = self._front_end(sound)
        return _masked(features, rng) if self._has_masks else features, target

    def _sound(self, index: int) -> Samples:
        return np.asarray(self._material.sounds[index], np.float32)


def _masked(features: Array, rng: np.random.Generator) -> Array:
    """Planes (planes, frames, bands), each masked; anything else as it is."""
    return np.stack([mask_features(plane, rng) for plane in features]) if features.ndim == 3 else features
