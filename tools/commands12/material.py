"""What the nets of twelve commands learn from, and the strangers by whom they are judged.

Everything is read from WORK, where prepare.py and copies.py put it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.commands.augmentation import mask_features, overlay
from earshot.commands.dataset import COMMANDS, SILENCE, TWELVE, UNKNOWN, fold_of
from earshot.commands.front_ends import load_front_end
from earshot.core.types import Samples
from earshot.training.batches import Batch, Material

Array = npt.NDArray[np.float32]

FOLD, NUM_FOLDS = 0, 5
"""The speakers of one fold of five are kept out of everything, to judge."""

_RUNNING_SPEECH = "running speech"
_RARE = ("bird", "dog", "four", "house", "marvin", "nine", "seven", "sheila", "six", "three", "tree")


@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """Official test clips of speakers of whom nothing was learned. truth: (clips,), places in ``TWELVE``."""

    clips: list[Samples]
    truth: npt.NDArray[np.int64]
    speakers: list[str]
    noises: list[Samples]

    def in_noise(self, *decibels: float, seed: int) -> list[list[Samples]]:
        """All clips over unheard backgrounds that are so much softer, at each level the same ones."""
        rng = np.random.default_rng(seed)
        groups: list[list[Samples]] = [[] for _ in decibels]
        for clip in self.clips:
            noise = self.noises[rng.integers(len(self.noises))]
            start = int(rng.integers(0, max(1, len(noise) - len(clip))))
            for group, one in zip(groups, decibels, strict=True):
                group.append(overlay(clip, noise[start:], one))
        return groups


def load_noises(work: Path, *, is_heard: bool) -> list[Samples]:
    """Backgrounds that are learned from, or those of tests: noises of one recording in five."""
    with np.load(work / "noise.npz") as data:
        return [data[name].astype(np.float32) for name in data.files if _is_heard(name) == is_heard]


def _is_heard(name: str) -> bool:
    recording = name.removesuffix(name[-2:]) if name[-2] == "-" else name
    return fold_of(recording, 5) != 0


def load_judges(work: Path) -> Judges:
    """See above."""
    rows = json.loads((work / "clips.json").read_text())
    sounds = np.load(work / "sounds.npy", mmap_mode="r")
    judged = [
        index
        for index, (_, _, speaker, part) in enumerate(rows)
        if part == "testing" and fold_of(speaker, NUM_FOLDS) == FOLD
    ]
    return Judges(
        [sounds[index].astype(np.float32) for index in judged],
        np.array([TWELVE.index(rows[index][1]) for index in judged]),
        [rows[index][2] for index in judged],
        load_noises(work, is_heard=False),
    )


def words_of(work: Path) -> list[str]:
    """The classes that the nets learn: each word by itself, silence, unknown."""
    labels = {label for _, label, _, _ in json.loads((work / "clips.json").read_text())}
    return [*sorted(labels - {SILENCE, UNKNOWN}), SILENCE, UNKNOWN]


def load_material(work: Path) -> Material:
    """All clips of the other speakers, and pieces of running speech, by ``words_of``."""
    rows = json.loads((work / "clips.json").read_text())
    sounds, pieces = np.load(work / "sounds.npy"), np.load(work / "pieces.npy")
    words = words_of(work)
    training = [row for row, (_, _, speaker, _) in enumerate(rows) if fold_of(speaker, NUM_FOLDS) != FOLD]
    labels = [rows[row][1] for row in training]
    one_hot = dict(zip(words, np.eye(len(words), dtype=np.float32), strict=True))
    # A clip of the published unknown class may be any word that is no command.
    any_other = np.array([name == UNKNOWN or name not in TWELVE for name in words], np.float32)
    targets = [any_other if label == UNKNOWN else one_hot[label] for label in labels]
    targets += [one_hot[UNKNOWN]] * len(pieces)
    weights = dict.fromkeys(words, 0.2) | dict.fromkeys(COMMANDS, 1.0) | dict.fromkeys(_RARE, 0.08)
    weights |= {SILENCE: 0.5, UNKNOWN: 1.2, _RUNNING_SPEECH: 2.0, "wow": 0.06, "two": 0.08}
    return Material(
        np.concatenate([sounds[training], pieces]),
        np.stack(targets),
        labels + [_RUNNING_SPEECH] * len(pieces),
        weights,
        np.array([row for row, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)]),
        one_hot[SILENCE],
        one_hot[UNKNOWN],
    )


def membership_of(words: list[str], targets: Array) -> Array:
    """(words, 12): above 0 where a word belongs to a class of the twelve.

    Unknown sounds are drawn far more often than a command; every class of the twelve is to be as likely.
    targets: (copies, words), of all that is learned from, for the shares.
    """
    belongs = np.array([[(word if word in TWELVE else UNKNOWN) == one for one in TWELVE] for word in words])
    shares = ((targets @ belongs) > 0).mean(0)
    return np.asarray(belongs / (12 * shares), np.float32)


def as_twelve(logits: Array, membership: Array) -> Array:
    """(n, words) → probabilities (n, 12)."""
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    grouped = exponents @ membership
    return np.asarray(grouped / grouped.sum(1, keepdims=True), np.float32)


def features_of(clips: list[Samples], front_end: str) -> Array:
    """(clips, …)."""
    function = load_front_end(front_end)
    return np.stack([function(clip) for clip in clips])


class Copies:
    """Draws of the changed copies that copies.py made; features are masked, and Moonshine's frames disturbed.

    halves: which of the two sets. targets: of all their copies, in their order; None are the labels.
    """

    def __init__(
        self, work: Path, halves: list[int], front_end: str, *, seed: int, targets: Array | None = None
    ) -> None:
        self._parts = [np.load(work / f"{front_end}-{half}.npy", mmap_mode="r") for half in halves]
        self.targets = labels_of(work, halves) if targets is None else targets
        self._rng = np.random.default_rng(seed)

    def draw(self, num_clips: int) -> Batch:
        """The next batch."""
        rows = self._rng.integers(0, len(self.targets), num_clips)
        size = len(self._parts[0])
        inputs = np.stack([self._changed(self._parts[row // size][row % size]) for row in rows])
        return Batch(inputs, self.targets[rows])

    def _changed(self, stored: npt.NDArray[np.float16]) -> Array:
        features = stored.astype(np.float32)
        if features.ndim == 3:
            return np.stack([mask_features(plane, self._rng) for plane in features])
        noise = self._rng.standard_normal(features.shape, np.float32)
        features += 0.15 * features.std(axis=0) * noise
        return mask_features(features, self._rng, max_frames=5, max_bands=24)


def labels_of(work: Path, halves: list[int]) -> Array:
    """Of all copies of the halves: (copies, words)."""
    return np.concatenate([np.load(work / f"labels-{half}.npy") for half in halves]).astype(np.float32)
