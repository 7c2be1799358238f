"""A CTC net of one's own on onnxruntime: a model folder as training exports it, checked before it is believed.

``card.json`` says which letters it writes and which features it hears; ``model.onnx`` takes features ``x``
(n, frames, features) and their numbers of frames ``x_lens`` (n,), and gives ``log_probs`` (n, frames, symbols)
and ``log_probs_len`` (n,). One that listens as it goes has its state besides: ``hidden`` and ``cell``
(layers, n, size), and gives ``new_hidden`` and ``new_cell``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from earshot.core.errors import EngineError, ModelError
from earshot.core.runtime import load_onnx, num_cores, read_verified
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.decoding.alphabet import Alphabet
from earshot.decoding.ctc import LogProbs
from earshot.engines.ctc_front_ends import FrontEnd, Matrix, make_front_end
from earshot.engines.folder import first_line
from earshot.models.card import CARD, ModelCard, read_card

ENGINE_NAME = "ctc"
MODEL_FILE = "model.onnx"

_FIX = "train it again, or copy the whole folder again"

_FEWEST_FRAMES = 32
"""What is shorter is padded, and told to be as short as it is: convolutions need some width."""

_MOST_PADDED = 12_000
"""Frames of one batch, padding included; 2 minutes where frames are 10 ms apart."""

_LEAST_SHARE = 0.7
"""Stretches of one batch are at least this long, as a share of the longest: padding costs as much as sound."""

_MOST_LAG = 1.0

State: TypeAlias = tuple[Matrix, Matrix]
"""Of a net that listens as it goes: hidden and cell, each (layers, 1, size)."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a card says of the net. frame_shift: samples from one of its frames to the next; lag: seconds."""

    alphabet: Alphabet
    front_end: FrontEnd
    subsampling: int
    frame_shift: int
    is_streaming: bool
    lag: float


class CtcNet:
    """One model folder; safe to call from several threads at once.

    num_threads: of one call; None for all cores.
    card, alphabet, front_end: what the folder holds. subsampling: frames of features in one of the net's;
    frame_shift: samples from one of the net's frames to the next. is_streaming: whether it has a state.
    lag: seconds by which it writes letters late.
    Raises ModelError when a file is missing or damaged, when card and net do not belong together, or when this
    version computes other features than the card names.
    """

    def __init__(self, folder: Path, *, num_threads: int | None = None) -> None:
        self.folder = folder
        self.card = _own_card(folder)
        facts = _facts(self.card, folder / CARD)
        self.alphabet = facts.alphabet
        self.front_end = facts.front_end
        self.subsampling = facts.subsampling
        self.frame_shift = facts.frame_shift
        self.is_streaming = facts.is_streaming
        self.lag = facts.lag
        self._session = _load_session(folder, self.card, facts, num_threads)
        self._sizes = _state_sizes(self._session, folder) if facts.is_streaming else []
        self._check_itself()

    def features(self, samples: Samples) -> Matrix:
        """Of one stretch: (frames, features). Raises AudioError for samples that are no sound."""
        return self.front_end(samples)

    def log_probs(self, sounds: Sequence[Samples]) -> list[LogProbs]:
        """(frames, symbols) of each stretch, in order; those of like length are heard together, padded."""
        features = [self.features(samples) for samples in sounds]
        found: dict[int, LogProbs] = {}
        for batch in _batches([len(one) for one in features]):
            heard, _ = self._run([features[index] for index in batch], self._start(len(batch)))
            found.update(zip(batch, heard, strict=True))
        return [found.get(index, self._nothing()) for index in range(len(sounds))]

    def step(self, features: Matrix, state: State | None = None) -> tuple[LogProbs, State]:
        """What a net with a state hears next: (frames, symbols), and the state then.

        features: (frames, features), frames a multiple of ``subsampling`` and not 0. state: after what was
        heard before; None at the beginning.
        """
        (heard,), after = self._run([features], self._state(1) if state is None else state, fewest=1)
        assert after is not None
        return heard, after

    def last(self, features: Matrix, state: State | None = None) -> LogProbs:
        """The same of any number of frames after which no more come."""
        if not len(features):
            return self._nothing()
        (heard,), _ = self._run([features], self._state(1) if state is None else state)
        return heard

    def _nothing(self) -> LogProbs:
        return np.zeros((0, len(self.alphabet)), np.float32)

    def _start(self, num_sounds: int) -> State | None:
        return self._state(num_sounds) if self.is_streaming else None

    def _state(self, num_sounds: int) -> State:
        if not self.is_streaming:
            raise EngineError(f"the net of {self.folder} hears whole stretches", fix="hear it without a state")
        hidden, cell = (np.zeros((layers, num_sounds, size), np.float32) for layers, size in self._sizes)
        return hidden, cell

    def _run(
        self, features: Sequence[Matrix], state: State | None, *, fewest: int = _FEWEST_FRAMES
    ) -> tuple[list[LogProbs], State | None]:
        """Hear several stretches at once, none empty, padded to the longest and to ``fewest`` frames."""
        lengths = np.array([len(one) for one in features], np.int64)
        longest = max(int(lengths.max()), fewest)
        padded = np.zeros((len(features), longest, features[0].shape[1]), np.float32)
        for row, one in zip(padded, features, strict=True):
            row[: len(one)] = one
        inputs = {"x": padded, "x_lens": lengths}
        outputs = ["log_probs", "log_probs_len"]
        if state is not None:
            inputs |= {"hidden": state[0], "cell": state[1]}
            outputs += ["new_hidden", "new_cell"]
        try:
            log_probs, num_frames, *after = self._session.run(outputs, inputs)
        except Exception as error:  # onnxruntime raises types of its own that it does not export
            raise EngineError(
                f"the net of {self.folder} failed on this sound: {first_line(error)}",
                fix="report it with the recording",
            ) from error
        heard = [row[:count] for row, count in zip(log_probs, num_frames.tolist(), strict=True)]
        if not all(np.isfinite(one).all() for one in heard):
            raise EngineError(f"the net of {self.folder} gives what is no number", fix=_FIX)
        return heard, (after[0], after[1]) if after else None

    def _check_itself(self) -> None:
        """Half a second of silence tells whether features, net and card belong together."""
        path = self.folder / MODEL_FILE
        features = self.features(np.zeros(SAMPLE_RATE // 2, np.float32))
        wanted = self._session.get_inputs()[0].shape[-1]
        if isinstance(wanted, int) and wanted != features.shape[1]:
            raise ModelError(
                f"{path} hears {wanted} features, and those of its card are {features.shape[1]}", fix=_FIX
            )
        try:
            (heard,), _ = self._run([features], self._start(1))
        except EngineError as error:
            raise ModelError(f"{path} does not work: {error.message}", fix=_FIX) from error
        if heard.ndim != 2 or heard.shape[1] != len(self.alphabet):
            raise ModelError(
                f"{path} writes {heard.shape[-1]} symbols, and its card names {len(self.alphabet)}", fix=_FIX
            )
        if abs(len(heard) - len(features) / self.subsampling) > 2:
            raise ModelError(
                f"{path} makes {len(heard)} frames of {len(features)}, and its card says that it takes"
                f" {self.subsampling} for one",
                fix=_FIX,
            )
        totals = np.exp(heard.astype(np.float64)).sum(axis=1)
        if not np.allclose(totals, 1.0, atol=0.01):
            raise ModelError(f"{path} gives no log-probabilities", fix="end the net in a log-softmax")


def _own_card(folder: Path) -> ModelCard:
    card = read_card(folder)
    if card.engine != ENGINE_NAME:
        raise ModelError(
            f"the model {folder} is for the engine {card.engine}, not {ENGINE_NAME}",
            fix=f"use --engine {card.engine}",
        )
    if card.sample_rate not in (None, SAMPLE_RATE):
        raise ModelError(
            f"the model {folder} hears {card.sample_rate} Hz", fix=f"train one for {SAMPLE_RATE} Hz"
        )
    return card


def _facts(card: ModelCard, path: Path) -> _Facts:
    features = card.extra.get("features")
    try:
        if not isinstance(features, dict):
            raise ModelError("it does not say which features the net hears", fix=_FIX)
        front_end = make_front_end(features)
        alphabet = Alphabet.from_json(card.extra.get("alphabet"))
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", fix=error.fix) from None
    facts = _Facts(
        alphabet,
        front_end,
        _count(card, "subsampling", path, most=64),
        _count(card, "frame_shift", path, most=SAMPLE_RATE),
        card.extra.get("is_streaming") is True,
        _lag(card, path),
    )
    hop = features.get("hop")
    if isinstance(hop, int) and hop * facts.subsampling != facts.frame_shift:
        raise ModelError(
            f"{path}: {facts.subsampling} frames of {hop} samples are no frame of {facts.frame_shift}", fix=_FIX
        )
    return facts


def _count(card: ModelCard, key: str, path: Path, *, most: int) -> int:
    value = card.extra.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ModelError(f"{path}: {key!r} is {value!r}, and should be from 1 to {most}", fix=_FIX)
    return value


def _lag(card: ModelCard, path: Path) -> float:
    value = card.extra.get("lag", 0.0)
    if not isinstance(value, int | float) or not abs(value) < _MOST_LAG:
        raise ModelError(f"{path}: 'lag' is {value!r}, and should be less than a second", fix=_FIX)
    return float(value)


def _load_session(folder: Path, card: ModelCard, facts: _Facts, num_threads: int | None) -> Any:
    path = folder / MODEL_FILE
    record = card.files.get(MODEL_FILE)
    inputs = ("x", "x_lens", "hidden", "cell") if facts.is_streaming else ("x", "x_lens")
    session = load_onnx(
        path,
        read_verified(path, record.sha256, fix=_FIX) if record else None,
        num_threads=num_threads or num_cores(),
        inputs=inputs,
        kind="CTC net of Earshot" + (" that listens as it goes" if facts.is_streaming else ""),
        fix=_FIX,
    )
    outputs = {one.name for one in session.get_outputs()}
    wanted = {"log_probs", "log_probs_len", *(("new_hidden", "new_cell") if facts.is_streaming else ())}
    if missing := sorted(wanted - outputs):
        raise ModelError(f"{path} does not give {', '.join(missing)}", fix=_FIX)
    return session


def _state_sizes(session: Any, folder: Path) -> list[tuple[int, int]]:
    """Layers and size of hidden and cell."""
    shapes = {one.name: one.shape for one in session.get_inputs()}
    sizes = []
    for name in ("hidden", "cell"):
        shape = shapes[name]
        if len(shape) != 3 or not isinstance(shape[0], int) or not isinstance(shape[2], int):
            raise ModelError(f"{folder / MODEL_FILE}: the size of {name!r} is open", fix=_FIX)
        sizes.append((shape[0], shape[2]))
    return sizes


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of stretches that are heard together; empty ones are in none."""
    order = sorted((index for index, length in enumerate(lengths) if length), key=lambda index: -lengths[index])
    batch: list[int] = []
    for index in order:
        longest = lengths[batch[0]] if batch else 0
        is_full = (len(batch) + 1) * longest > _MOST_PADDED
        if batch and (is_full or lengths[index] < math.floor(_LEAST_SHARE * longest)):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
