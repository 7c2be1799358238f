"""What a training tells of itself, on the screen, beside its checkpoints and in the model's card."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from earshot.core.files import atomic_text
from earshot.models.names import model_name_from
from earshot.training.recognition.corpus import Corpus
from earshot.training.recognition.exporting import Exported
from earshot.training.recognition.judging import Judged
from earshot.training.recognition.nets import find_net, options_of
from earshot.training.recognition.options import RunOptions
from earshot.training.recognition.page import best_of, write_page

if TYPE_CHECKING:
    from earshot.training.recognition.module import RecognizerTraining

RUN: Final = "run.json"
LOG: Final = "log.jsonl"
PAGE: Final = "training.html"


def tell_corpus(corpus: Corpus, tell: Callable[[str], object]) -> None:
    """What is learned from and judged by, what is left out, and the alphabet."""
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


def remember(folder: Path, options: RunOptions, corpus: Corpus, features: Mapping[str, Any]) -> None:
    """What the run is, beside its checkpoints."""
    facts = {
        "options": options.to_dict(),
        "alphabet": corpus.alphabet.to_json(),
        "features": dict(features),
        "languages": list(corpus.languages),
    }
    with atomic_text(folder / RUN) as file:
        json.dump(facts, file, indent=2, ensure_ascii=False)


def write_epoch(folder: Path, training: RecognizerTraining, judged: Judged) -> None:
    """The log, a line an epoch, and the page."""
    results = [dataclasses.asdict(one) for one in training.curve]
    with atomic_text(folder / LOG) as file:
        file.writelines(json.dumps(one) + "\n" for one in results)
    write_page(folder / PAGE, training.curve, judged)


def description(
    name: str,
    licence: str | None,
    options: RunOptions,
    corpus: Corpus,
    features: Mapping[str, Any],
    training: RecognizerTraining,
) -> Exported:
    """Of the weights that were kept, for the card."""
    dev, best = corpus.dev, best_of(training.curve)
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
            "character_error_rate": _rounded(best.character_error_rate),
            "word_error_rate": _rounded(best.word_error_rate),
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
