"""How late a CTC net writes its letters, and word times that know it.

A net may write a letter at any moment after it heard it; most write it a tenth of a second late, each net by
its own habit. Nobody has to say where letters truly lie to find that out: moved back by the right lag, they are
the labels of frames that tell most about the frames' sound. On made voices, which say where their words begin,
half of the starts were within 114 ms before and within 25 ms after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from earshot.core.errors import EngineError
from earshot.core.types import SAMPLE_RATE, Audio, Word
from earshot.decoding.ctc import align
from earshot.features.mel import LogMel, MelOptions
from earshot.models.card import read_card, with_checksums, write_card

if TYPE_CHECKING:
    from earshot.engines.ctc import TrainedRecognizer

_SHIFTS = np.arange(-10, 31)
"""Frames of 10 ms by which letters are tried earlier."""

_FRAME = 160
_NUM_MELS = 40
_MOST_UTTERANCES = 150
_LONGEST = 15.0
_LEAST_FRAMES = 1_000

_SHARPNESS = 1.4
"""How far the best lag stands out from the middling one, at least. Of two trained nets it was 3 and 2.8."""

_TOUCHING = 0.1
"""Seconds between two words that are none: within running speech one begins where the other ends."""

Doubles: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
Times: TypeAlias = tuple[float, float]
"""Start and end, seconds."""


def measure_lag(recognizer: TrainedRecognizer, utterances: Iterable[tuple[Audio, str]]) -> float:
    """Seconds by which a net writes letters late; negative where early, 0.0 where that cannot be told.

    utterances: with what is said in them; the first 150 of at most 15 s are looked at.
    """
    front_end = LogMel(MelOptions(num_mels=_NUM_MELS))
    size = len(recognizer.alphabet)
    sums, counts = np.zeros((len(_SHIFTS), size, _NUM_MELS)), np.zeros((len(_SHIFTS), size))
    short = ((audio, text) for audio, text in utterances if audio.duration <= _LONGEST)
    for audio, text in islice(short, _MOST_UTTERANCES):
        tokens, middles = _letters(recognizer, audio, text)
        if len(tokens) < 2:
            continue
        features = front_end(audio.samples).astype(np.float64)
        features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)
        for row, shift in enumerate(_SHIFTS):
            frames, labels = _labelled(tokens, middles - shift, len(features))
            np.add.at(sums[row], labels, features[frames])
            np.add.at(counts[row], labels, 1)
    if counts.sum(axis=1).min() < _LEAST_FRAMES:
        return 0.0
    told = _told(sums, counts)
    if told.max() < _SHARPNESS * np.median(told):
        return 0.0
    return float(_SHIFTS[told.argmax()]) * _FRAME / SAMPLE_RATE


def remember_lag(folder: Path, utterances: Iterable[tuple[Audio, str]]) -> float:
    """Measure the lag of the model in ``folder`` and write it into its card. Raises ModelError, OutputError."""
    from earshot.engines.ctc import load_ctc

    recognizer = load_ctc(folder)
    lag = measure_lag(recognizer, utterances)
    card = read_card(folder)
    write_card(folder, with_checksums(replace(card, extra={**card.extra, "lag": lag}), folder))
    return lag


def earlier(spans: Sequence[Times | None], lag: float) -> list[Times | None]:
    """Words' times so much earlier, None for those that have none; neighbours that nearly touch do so then.

    None begins before 0, and all keep their order.
    """
    moved = [span and (max(0.0, span[0] - lag), max(0.0, span[1] - lag)) for span in spans]
    placed: list[Times | None] = []
    for span, following in pairwise([*moved, None]):
        if span and following and 0 < following[0] - span[1] < _TOUCHING:
            span = span[0], following[0]
        placed.append(span)
    return placed


def words_earlier(words: Sequence[Word], lag: float) -> tuple[Word, ...]:
    """The same of words."""
    times = [None if word.start is None or word.end is None else (word.start, word.end) for word in words]
    return tuple(
        replace(word, start=span[0], end=span[1]) if span else word
        for word, span in zip(words, earlier(times, lag), strict=True)
    )


def _letters(recognizer: TrainedRecognizer, audio: Audio, text: str) -> tuple[Indices, Doubles]:
    """The letters of a text, spaces left out, and the middles of their spans in frames of 10 ms."""
    between = recognizer.space
    try:
        spans = align(recognizer.log_probs(audio), recognizer.tokens_of(text), recognizer.blank)
    except EngineError:
        spans = []
    said = [span for span in spans if span.token != between]
    middles = np.array([(span.start + span.end) / 2 for span in said]) * recognizer.frame_shift / _FRAME
    return np.array([span.token for span in said], np.intp), middles


def _labelled(tokens: Indices, middles: Doubles, num_frames: int) -> tuple[Indices, Indices]:
    """Frames from the first letter's middle to the last one's, and the letter that is nearest to each."""
    first, last = max(0, int(middles[0])), min(num_frames, int(middles[-1]))
    frames = np.arange(first, max(first, last))
    return frames, tokens[np.searchsorted((middles[1:] + middles[:-1]) / 2, frames)]


def _told(sums: Doubles, counts: Doubles) -> Doubles:
    """The share of the features' variance that the letters explain, for each lag."""
    totals = counts.sum(axis=1)
    means = sums / np.maximum(counts, 1)[:, :, None]
    overall = sums.sum(axis=1) / totals[:, None]
    between = (counts[:, :, None] * np.square(means - overall[:, None, :])).sum(axis=1)
    return np.asarray((between / totals[:, None]).mean(axis=1))
