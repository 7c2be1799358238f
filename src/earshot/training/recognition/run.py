"""From a TOML to a model: what ``earshot train recognizer`` does."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.core.errors import TrainingError
from earshot.core.files import atomic_text
from earshot.core.optional import require
from earshot.core.progress import ProgressCallback
from earshot.core.types import Audio
from earshot.decoding.alphabet import Alphabet
from earshot.engines.ctc_front_ends import front_end_facts, num_frames
from earshot.engines.ctc_lag import remember_lag
from earshot.training.recognition.corpus import Corpus, Side, alphabet_for, load_corpus, load_manifests
from earshot.training.recognition.exporting import Exported, export, subsampling_of
from earshot.training.recognition.feeding import Feed, feature_source, statistics
from earshot.training.recognition.judging import Judge, Judged
from earshot.training.recognition.nets import build_net, find_net, options_of
from earshot.training.recognition.options import LearningOptions, RunOptions
from earshot.training.recognition.page import write_page

if TYPE_CHECKING:
    from earshot.training.recognition.module import EpochResult, RecognizerTraining

RUN, LOG, PAGE, MODEL = "run.json", "log.jsonl", "training.html", "model"


@dataclass(frozen=True, slots=True)
class Trained:
    """folder: of the model. curve: one result an epoch. judged: of the weights that were kept.

    is_first: whether this process is the one, of those that shared the work, that wrote the model.
    """

    folder: Path
    curve: tuple[EpochResult, ...]
    judged: Judged
    num_parameters: int
    is_first: bool = True


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
    from earshot.training.recognition.checkpoints import LAST, check_same, read_checkpoint
    from earshot.training.recognition.module import RecognizerTraining, fit
    from earshot.training.recognition.nets.parts import num_parameters

    if (folder / LAST).exists() and not is_resumed:
        raise TrainingError(f"{folder} holds a training already", fix="--resume it, or name another folder")
    spec = find_net(options.net.name)
    features = front_end_facts(options.features.name or spec.features, options.features.num_features)
    if spec.is_streaming and not features["streams"]:
        raise TrainingError(
            f"{features['name']} looks at whole utterances, and {options.net.name} is to stream",
            fix="take features 'log-mel' for it",
        )
    begun = read_checkpoint(folder / LAST) if is_resumed else None
    rank, world = _place_of(num_processes)
    if rank:  # one of them tells what all of them find
        tell, progress = _silently, None
    manifests = load_manifests(options.data, tell)
    texts = [one.text for one in manifests[0] if one.text]
    alphabet = alphabet_for(texts, options.alphabet)
    facts = {"net": {"name": options.net.name, **options.net.options}, "features": features}
    if begun is not None:
        check_same(begun["earshot"], alphabet, facts)
    zeros = np.zeros(features["num_features"], np.float32)
    subsampling = subsampling_of(
        build_net(options.net.name, options.net.options, len(alphabet), zeros, zeros + 1)
    )
    fastest = max(1.0, *options.augmentation.speeds)

    def frames_of(num_samples: int) -> int:
        return -(-num_frames(features, round(num_samples / fastest)) // subsampling)

    corpus = load_corpus(
        manifests, options.data, alphabet, folder / "cache", frames_of=frames_of, progress=progress
    )
    _tell_corpus(corpus, tell)
    _remember(folder, options, corpus, features)
    sources = [
        feature_source(side, features, augmentation, folder / "cache", tell=tell)
        for side, augmentation in (
            (corpus.train, options.augmentation),
            (
                corpus.dev,
                dataclasses.replace(options.augmentation, speeds=(1.0,), noise=None, rooms=None, volume_db=0),
            ),
        )
    ]
    mean, deviation = statistics(sources[0], len(corpus.train))
    torch = require("torch", extra="train", purpose="training")
    torch.manual_seed(options.learning.seed)
    net = build_net(options.net.name, options.net.options, len(alphabet), mean, deviation)
    if init_from is not None and not is_resumed:
        tell(_begin_with(net, alphabet, init_from))
    feed = Feed(corpus.train, sources[0], options.augmentation, options.learning, rank=rank, num_ranks=world)
    judge = Judge(corpus.dev, sources[1], alphabet)
    tell(f"net           {options.net.name}, {num_parameters(net):,} parameters, {features['name']}")

    def told(result: EpochResult, judged: Judged) -> None:
        _write_epoch(folder, training, judged)
        if watch is not None:
            watch(result, judged)

    training = RecognizerTraining(net, feed, judge, alphabet, options.learning, facts=facts, tell=told)
    if begun is not None and _is_done(begun["earshot"], options.learning):
        training.on_load_checkpoint(begun)
        training.load_state_dict(begun["state_dict"])
    else:
        fit(training, folder, is_resumed=is_resumed, num_processes=num_processes)
    if training.best:
        training.average.load_state_dict(training.best)
    judged = judge(training.average)
    exported = _exported(name or folder.name, licence, options, corpus, features, training, judged)
    if rank == 0:
        export(training.average, folder / MODEL, exported)
        remember_lag(folder / MODEL, _spoken(corpus.train))
    return Trained(folder / MODEL, tuple(training.curve), judged, num_parameters(net), is_first=rank == 0)


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


def _tell_corpus(corpus: Corpus, tell: Callable[[str], object]) -> None:
    for what, side in (("learns from", corpus.train), ("judged by", corpus.dev)):
        speakers = len({one.speaker for one in side.utterances} - {None})
        hours = sum(side.durations) / 3600
        tell(f"{what:<13} {len(side)} utterances, {hours:.2f} h, {speakers or 'unknown'} speakers")
    shared = {one.speaker for one in corpus.train.utterances} & {one.speaker for one in corpus.dev.utterances}
    if known := sorted(str(one) for one in shared - {None}):
        tell(f"warning: speakers on both sides, so other people are heard worse: {', '.join(known[:5])}")
    for line in corpus.left_out.lines():
        tell(line)
    letters = " ".join(one for one in corpus.alphabet.symbols[1:] if len(one) == 1)
    tell(f"alphabet      {len(corpus.alphabet)} symbols: {letters}")


def _remember(folder: Path, options: RunOptions, corpus: Corpus, features: Mapping[str, Any]) -> None:
    """What the run is, beside its checkpoints."""
    facts = {
        "options": options.to_dict(),
        "alphabet": corpus.alphabet.to_json(),
        "features": dict(features),
        "languages": list(corpus.languages),
    }
    with atomic_text(folder / RUN) as file:
        json.dump(facts, file, indent=2, ensure_ascii=False)


def _begin_with(net: Any, alphabet: Alphabet, folder: Path) -> str:
    """Weights of another run's best net, wherever names and shapes agree; the head's by their symbols."""
    from earshot.training.recognition.checkpoints import LAST, alphabet_of, read_checkpoint

    state = read_checkpoint(folder / LAST)
    before = alphabet_of(state["earshot"])
    averaged = {key.removeprefix("average."): value for key, value in state["state_dict"].items()}
    theirs, mine = state["earshot"]["best"] or averaged, net.state_dict()
    taken = learned = 0
    learns = {key for key, _ in net.named_parameters()}
    for key, value in mine.items():
        if key.startswith("head."):
            for place, symbol in enumerate(alphabet.symbols):
                if symbol in before.symbols and theirs[key].shape[1:] == value.shape[1:]:
                    value[place] = theirs[key][before.symbols.index(symbol)]
        elif key in theirs and theirs[key].shape == value.shape:
            value.copy_(theirs[key])
            taken += 1
            learned += key in learns
    if not learned:
        raise TrainingError(f"{folder} holds another kind of net", fix="name the same [net] and [features]")
    net.load_state_dict(mine)
    known = len({*alphabet.symbols} & {*before.symbols})
    return f"begins with    {taken} of {len(mine)} parts of {folder.name}, {known} of {len(alphabet)} symbols"


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


def _write_epoch(folder: Path, training: RecognizerTraining, judged: Judged) -> None:
    results = [dataclasses.asdict(one) for one in training.curve]
    with atomic_text(folder / LOG) as file:
        file.writelines(json.dumps(one) + "\n" for one in results)
    write_page(folder / PAGE, training.curve, judged)


def _exported(
    name: str,
    licence: str | None,
    options: RunOptions,
    corpus: Corpus,
    features: Mapping[str, Any],
    training: RecognizerTraining,
    judged: Judged,
) -> Exported:
    from earshot.models.names import model_name_from

    dev = corpus.dev
    return Exported(
        name=model_name_from(name),
        alphabet=corpus.alphabet,
        features=features,
        net=options.net.name,
        options={**options_of(options.net.name), **options.net.options},
        is_streaming=find_net(options.net.name).is_streaming,
        languages=corpus.languages,
        licence=licence,
        description=f"{options.net.name}, trained on {sum(corpus.train.durations) / 3600:.2f} h",
        metrics={
            "character_error_rate": _rounded(judged.character_error_rate),
            "word_error_rate": _rounded(judged.word_error_rate),
            "data": f"{len(dev)} utterances that chose the weights, {sum(dev.durations) / 3600:.2f} h",
        },
        training={
            "options": options.to_dict(),
            "epochs": len(training.curve),
            "steps": training.step,
            "minutes": round(training.seconds / 60, 1),
            "hours": round(sum(corpus.train.durations) / 3600, 3),
            "utterances": len(corpus.train),
        },
    )


def _rounded(rate: float) -> float | None:
    return round(rate, 4) if math.isfinite(rate) else None
