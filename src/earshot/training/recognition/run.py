"""From a TOML to a model: what ``earshot train recognizer`` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.core.errors import TrainingError
from earshot.core.optional import require
from earshot.core.progress import ProgressCallback
from earshot.core.types import Audio
from earshot.engines.ctc_front_ends import front_end_facts, num_frames
from earshot.engines.ctc_lag import remember_lag
from earshot.training.recognition.corpus import Corpus, Side, alphabet_for, load_corpus, load_manifests
from earshot.training.recognition.exporting import export, subsampling_of
from earshot.training.recognition.feeding import FeatureSource, Feed, feature_source, statistics
from earshot.training.recognition.judging import Judge, Judged
from earshot.training.recognition.nets import build_net, find_net
from earshot.training.recognition.options import AugmentationOptions, LearningOptions, RunOptions
from earshot.training.recognition.page import best_of
from earshot.training.recognition.records import description, remember, tell_corpus, write_epoch

if TYPE_CHECKING:
    from earshot.training.recognition.module import EpochResult

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Trained:
    """folder: of the model. curve: one result an epoch. num_judged: utterances that chose the weights.

    is_first: whether this process is the one, of those that shared the work, that wrote the model.
    """

    folder: Path
    curve: tuple[EpochResult, ...]
    num_judged: int
    num_parameters: int
    is_first: bool = True

    @property
    def best(self) -> EpochResult:
        """Of the weights that were kept."""
        return best_of(self.curve)


def _silently(_line: str) -> None:
    """Tells nobody."""


def train_recognizer(
    options: RunOptions,
    folder: Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    is_resumed: bool = False,
    init_from: Path | None = None,
    num_processes: int = 1,
    tell: Callable[[str], object] = _silently,
    watch: Callable[[EpochResult, Judged], object] | None = None,
    progress: ProgressCallback | None = None,
) -> Trained:
    """Train in ``folder``, or go on there, and export its best weights to ``folder/model``.

    name: of the model, None for the folder's. licence: for its card. init_from: the folder of another
    run whose weights it begins with, as far as they fit. watch: told of each epoch. Raises TrainingError,
    CorpusError, OutputError, MissingExtraError.
    """
    for library, what in (("torch", "training"), ("pytorch_lightning", "training"), ("onnx", "export")):
        require(library, extra="train", purpose=what)
    _bound_memory()
    from earshot.training.recognition.checkpoints import LAST, read_checkpoint
    from earshot.training.recognition.initial import begin_with
    from earshot.training.recognition.module import RecognizerTraining, fit
    from earshot.training.recognition.nets.parts import num_parameters

    if (folder / LAST).exists() and not is_resumed:
        raise TrainingError(f"{folder} holds a training already", fix="--resume it, or name another folder")
    rank, world = _place_of(num_processes)
    if rank:  # one of them tells what all of them find
        tell, progress = _silently, None
    features = _features(options)
    facts = {"net": {"name": options.net.name, **options.net.options}, "features": features}
    begun = read_checkpoint(folder / LAST) if is_resumed else None
    corpus = _corpus(options, folder, facts, begun, tell, progress)
    tell_corpus(corpus, tell)
    remember(folder, options, corpus, features)
    learned, judging = (
        feature_source(side, features, augmentation, folder / "cache", tell=tell)
        for side, augmentation in (
            (corpus.train, options.augmentation),
            (corpus.dev, AugmentationOptions(speeds=(1.0,))),
        )
    )
    net = _net(options, corpus, learned)
    if init_from is not None and not is_resumed:
        tell(begin_with(net, corpus.alphabet, init_from))
    feed = Feed(corpus.train, learned, options.augmentation, options.learning, rank=rank, num_ranks=world)
    judge = Judge(corpus.dev, judging, corpus.alphabet)
    tell(f"net           {options.net.name}, {num_parameters(net):,} parameters, {features['name']}")

    def told(result: EpochResult, judged: Judged) -> None:
        write_epoch(folder, training, judged)
        if watch is not None:
            watch(result, judged)

    training = RecognizerTraining(net, feed, judge, corpus.alphabet, options.learning, facts=facts, tell=told)
    if begun is not None and _is_done(begun["earshot"], options.learning):
        training.on_load_checkpoint(begun)
        training.load_state_dict(begun["state_dict"])
    else:
        fit(training, folder, is_resumed=is_resumed, num_processes=num_processes)
    training.average.load_state_dict(training.best)
    if rank == 0:
        said = description(name or folder.name, licence, options, corpus, features, training)
        export(training.average, folder / MODEL, said)
        remember_lag(folder / MODEL, _spoken(corpus.train))
    curve = tuple(training.curve)
    return Trained(folder / MODEL, curve, len(corpus.dev), num_parameters(net), is_first=rank == 0)


def _features(options: RunOptions) -> dict[str, Any]:
    """Facts of the front end. Raises TrainingError where the net streams and it does not."""
    spec = find_net(options.net.name)
    features = front_end_facts(options.features.name or spec.features, options.features.num_features)
    if spec.is_streaming and not features["streams"]:
        raise TrainingError(
            f"{features['name']} looks at whole utterances, and {options.net.name} is to stream",
            fix="take features 'log-mel' for it",
        )
    return features


def _corpus(
    options: RunOptions,
    folder: Path,
    facts: Mapping[str, Any],
    begun: Mapping[str, Any] | None,
    tell: Callable[[str], object],
    progress: ProgressCallback | None,
) -> Corpus:
    """What is learned from. Raises TrainingError where a run that was begun had other facts or letters."""
    features = facts["features"]
    manifests = load_manifests(options.data, tell)
    alphabet = alphabet_for([one.text for one in manifests[0] if one.text], options.alphabet)
    if begun is not None:
        from earshot.training.recognition.checkpoints import check_same

        check_same(begun["earshot"], alphabet, facts)
    zeros = np.zeros(features["num_features"], np.float32)
    trial = build_net(options.net.name, options.net.options, len(alphabet), zeros, zeros + 1)
    subsampling, fastest = subsampling_of(trial), max(1.0, *options.augmentation.speeds)

    def frames_of(num_samples: int) -> int:
        return -(-num_frames(features, round(num_samples / fastest)) // subsampling)

    return load_corpus(
        manifests, options.data, alphabet, folder / "cache", frames_of=frames_of, progress=progress
    )


def _net(options: RunOptions, corpus: Corpus, source: FeatureSource) -> Any:
    """With the weights of the run's seed."""
    mean, deviation = statistics(source, len(corpus.train))
    require("torch", extra="train", purpose="training").manual_seed(options.learning.seed)
    return build_net(options.net.name, options.net.options, len(corpus.alphabet), mean, deviation)


def _bound_memory() -> None:
    """Of what oneDNN compiles for a shape it keeps 1,024 by default, and batches of speech differ in theirs.

    A conformer grew by 130 MB a minute in bfloat16; with 32 it is a third smaller after 150 steps, and no
    slower. Read at the first product of all, and what the user has set comes first.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")


def _spoken(side: Side) -> Iterator[tuple[Audio, str]]:
    """Sounds and what is said in them."""
    for place, text in zip(side.places, side.texts, strict=True):
        yield Audio(side.sounds[place]), text


def _is_done(state: Mapping[str, Any], options: LearningOptions) -> bool:
    """Whether a checkpoint's run has had all its epochs or minutes."""
    is_last = options.epochs is not None and state["start"][0] >= options.epochs
    return is_last or (options.minutes is not None and state["seconds"] >= 60 * options.minutes)


def _place_of(num_processes: int) -> tuple[int, int]:
    """This process's number and how many there are; Lightning and torchrun say it by the environment."""
    world = int(os.environ.get("WORLD_SIZE", num_processes))
    if num_processes == 1:
        if world > 1:
            raise TrainingError(
                f"{world} processes were started, each to train by itself",
                fix="say with --processes how many there are on each machine",
            )
        return 0, 1
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))), world
