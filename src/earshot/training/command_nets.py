"""From labelled clips to a net of commands: split, seeds, ensemble, distillation, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earshot.commands.clip_sounds import Refused, load_clips
from earshot.commands.dataset import SILENCE, UNKNOWN, Clip, Split, check_split
from earshot.commands.front_ends import FrontEndFunction, load_front_end
from earshot.core.errors import TrainingError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.training.augmenter import AugmentationOptions, Augmenter
from earshot.training.batches import Batches, Draws, FixedBatches, Material, TaughtBatches
from earshot.training.export import export
from earshot.training.loop import Learned, LoopOptions, Progress, logits_of, seed_everything, train
from earshot.training.measures import Cost, confusion, cost_of
from earshot.training.nets import build_net, find_net

if TYPE_CHECKING:
    from earshot.training.nets.base import Net

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Clips of one side of a split with their sounds, float32 (clips, 16000)."""

    clips: list[Clip]
    sounds: Samples


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A data set in memory. labels: sorted. backgrounds: recordings to lay below clips and cut silence from.

    is_augmented: the training side holds changed copies already, and none is changed anew.
    """

    training: Side
    validation: Side
    testing: Side
    labels: tuple[str, ...]
    backgrounds: list[Samples]
    warnings: list[str]
    refused: list[Refused]
    is_augmented: bool = False


@dataclass(frozen=True, slots=True)
class WorstClip:
    """One of which the nets were most sure that it is something else. probability: of that, [0, 1]."""

    path: Path
    label: str
    guess: str
    probability: float


@dataclass(slots=True)
class Outcome:
    """What came of it. accuracies: of each seed on the test speakers, [0, 1]; accuracy: of what was exported.

    confusion: counts (truth, guess) of what was exported. num_judged: test clips.
    """

    labels: tuple[str, ...]
    accuracies: list[float]
    accuracy: float
    num_judged: int
    confusion: Indices
    worst: list[WorstClip]
    cost: Cost
    curves: list[list[Progress]] = field(default_factory=list)
    nets: list[Net] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Teachers:
    """Nets of one kind whose mean prediction a pupil learns (Hinton, Vinyals and Dean 2015).

    front_end: what they hear; a pupil may hear something else.
    """

    nets: Sequence[Net]
    front_end: str

    def probabilities(self, features: Array) -> Array:
        """(clips, classes)."""
        return _mean_probabilities([logits_of(net, features) for net in self.nets])


def load_split(split: Split, backgrounds: Sequence[Samples] = ()) -> Loaded:
    """Read all clips; those that cannot be used are named. Raises CommandError when a class lacks speakers."""
    refused: list[Refused] = []
    sides = []
    for clips in (split.training, split.validation, split.testing):
        kept, sounds, bad = load_clips(clips)
        sides.append(Side(kept, sounds))
        refused += bad
    training, validation, testing = sides
    kept_split = Split(tuple(training.clips), tuple(validation.clips), tuple(testing.clips))
    warnings = check_split(kept_split)
    if not validation.clips or not testing.clips:
        # With few speakers one side stays empty; then both judge, and the figure is of the chosen weights.
        validation = testing = validation if validation.clips else testing
        warnings.append("too few speakers for two sides to judge by: the accuracy is of the side that chose")
    labels = tuple(sorted({clip.label for clip in training.clips}))
    return Loaded(training, validation, testing, labels, list(backgrounds), warnings, refused)


def with_copies(
    data: Loaded, num_copies: int, *, seed: int = 0, augmentation: AugmentationOptions | None = None
) -> Loaded:
    """With so many changed copies of each training clip beside it, made once for all nets and seeds.

    Features of copies are computed once, too, so that a net is trained many times as fast as with copies that
    are made anew for each batch; it hears less variety. Each copy takes 64 kB.
    """
    augmenter = Augmenter(np.random.default_rng(seed), backgrounds=data.backgrounds, options=augmentation)
    side = data.training
    copies = [np.stack([augmenter(sound) for sound in side.sounds]) for _ in range(num_copies)]
    changed = Side(side.clips * (num_copies + 1), np.concatenate([side.sounds, *copies]))
    return replace(data, training=changed, is_augmented=True)


def train_commands(
    data: Loaded,
    net_name: str,
    options: LoopOptions,
    *,
    seeds: Sequence[int] = (0,),
    augmentation: AugmentationOptions | None = None,
    has_masks: bool = False,
    num_copies: int = 4,
    teachers: Teachers | None = None,
    watch: Callable[[int, Progress], object] | None = None,
) -> Outcome:
    """A net for each seed, judged by test speakers one by one and, when there are several, as an ensemble.

    num_copies: see ``with_copies``, for nets whose features are slow to come by, and where teachers hear other
    features than the net. teachers: their mean prediction is learned instead of the labels. watch: told the
    seed and how far it is. Raises TrainingError, CommandError, MissingExtraError.
    """
    if not seeds:
        raise TrainingError("no seed was given", fix="say --seeds 1 or more")
    spec = find_net(net_name)
    front_end = load_front_end(spec.front_end)
    hears_else = teachers is not None and teachers.front_end != spec.front_end
    if (spec.has_frozen_features or hears_else) and not data.is_augmented:
        data = with_copies(data, num_copies, augmentation=augmentation)
    fixed = _features(data.training.sounds, front_end) if data.is_augmented else None
    targets = _targets(data)
    if teachers is not None and data.is_augmented:
        targets = teachers.probabilities(_features(data.training.sounds, load_front_end(teachers.front_end)))
    judges = [_features(side.sounds, front_end) for side in (data.validation, data.testing)]
    truths = [_truth(side, data.labels) for side in (data.validation, data.testing)]
    learned: list[Learned] = []
    for seed in seeds:
        seed_everything(seed)
        net = build_net(net_name, len(data.labels))
        augmenter = Augmenter(np.random.default_rng(seed), backgrounds=data.backgrounds, options=augmentation)
        draws: Draws
        if fixed is not None:
            labels = [clip.label for clip in data.training.clips]
            draws = FixedBatches(fixed, targets, labels, augmenter.rng, has_masks=has_masks)
        else:
            draws = _draws(data, targets, front_end, augmenter, has_masks=has_masks)
            if teachers is not None:
                draws = TaughtBatches(draws, teachers.probabilities)
        learned.append(
            train(
                net,
                draws,
                lambda net: _accuracy(logits_of(net, judges[0]), truths[0]),
                replace(options, seed=seed, learning_rate=options.learning_rate * spec.rate),
                is_soft=teachers is not None,
                watch=None if watch is None else _bound(watch, seed),
            )
        )
    nets = [one.net for one in learned]
    logits = [logits_of(net, judges[1]) for net in nets]
    probabilities = _mean_probabilities(logits)
    guesses = probabilities.argmax(1)
    return Outcome(
        labels=data.labels,
        accuracies=[_accuracy(one, truths[1]) for one in logits],
        accuracy=float((guesses == truths[1]).mean()),
        num_judged=len(guesses),
        confusion=confusion(truths[1].tolist(), guesses.tolist(), len(data.labels)),
        worst=_worst(data.testing.clips, probabilities, truths[1], data.labels),
        cost=cost_of(nets[0], judges[1][0]),
        curves=[one.curve for one in learned],
        nets=nets,
    )


def export_outcome(outcome: Outcome, net_name: str, folder: Path, *, description: str) -> Path:
    """Write the net or the ensemble with its figures; returns the model's path."""
    front_end = find_net(net_name).front_end
    card = {
        "net": net_name,
        "num_nets": len(outcome.nets),
        "description": description,
        "accuracy": round(outcome.accuracy, 4),
        "accuracies_of_seeds": [round(one, 4) for one in outcome.accuracies],
        "num_judged": outcome.num_judged,
    }
    example = load_front_end(front_end)(np.zeros(SAMPLE_RATE, np.float32))
    return export(outcome.nets, folder, labels=outcome.labels, front_end=front_end, example=example, card=card)


def _draws(
    data: Loaded, targets: Array, front_end: FrontEndFunction, augmenter: Augmenter, *, has_masks: bool
) -> Draws:
    labels = [clip.label for clip in data.training.clips]
    one_hot = np.eye(len(data.labels), dtype=np.float32)
    classes = {name: one_hot[index] for index, name in enumerate(data.labels)}
    words = np.array([row for row, label in enumerate(labels) if label != SILENCE])
    material = Material(
        data.training.sounds, targets, labels, {}, words, classes.get(SILENCE), classes.get(UNKNOWN)
    )
    return Batches(material, front_end, augmenter, has_masks=has_masks)


def _targets(data: Loaded) -> Array:
    one_hot = np.eye(len(data.labels), dtype=np.float32)
    return np.asarray(one_hot[_truth(data.training, data.labels)])


def _features(sounds: Samples, front_end: FrontEndFunction) -> Array:
    return np.stack([front_end(sound) for sound in sounds])


def _truth(side: Side, labels: Sequence[str]) -> Indices:
    known = {name: index for index, name in enumerate(labels)}
    return np.array([known[clip.label] for clip in side.clips], np.int64)


def _accuracy(logits: Array, truth: Indices) -> float:
    return float((logits.argmax(1) == truth).mean())


def _mean_probabilities(of_nets: Sequence[Array]) -> Array:
    """Of the logits of each net for the same inputs."""
    total: Array | None = None
    for logits in of_nets:
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = exponents / exponents.sum(1, keepdims=True)
        total = probabilities if total is None else total + probabilities
    assert total is not None
    return np.asarray(total / len(of_nets), np.float32)


def _worst(
    clips: Sequence[Clip], probabilities: Array, truth: Indices, labels: Sequence[str], num_clips: int = 20
) -> list[WorstClip]:
    guesses = probabilities.argmax(1)
    wrong = np.flatnonzero(guesses != truth)
    order = wrong[np.argsort(-probabilities[wrong, guesses[wrong]], kind="stable")][:num_clips]
    return [
        WorstClip(clips[row].path, clips[row].label, labels[guesses[row]], float(probabilities[row].max()))
        for row in order
    ]


def _bound(watch: Callable[[int, Progress], object], seed: int) -> Callable[[Progress], object]:
    return lambda progress: watch(seed, progress)
