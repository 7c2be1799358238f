"""Beam search with Moonshine's decoder: several recordings, and several beams a recording, in one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from earshot.core.types import SAMPLE_RATE
from earshot.decoding.beam import Beam, Greedy
from earshot.decoding.constraint import TokenConstraint
from earshot.engines.moonshine_model import (
    END,
    FIRST_TEXT_TOKEN,
    START,
    TOKENS_PER_SECOND,
    Frames,
    MoonshineModel,
)

_REWARD = 0.1
"""Nats a letter, see ``Beam``."""

_SECONDS_PER_FRAME = 384 / SAMPLE_RATE


def new_beam(frames: Frames, constraint: TokenConstraint | None, width: int) -> Beam:
    """A search for what ``MoonshineModel.encode`` gave; constraint None: whatever the model likes best."""
    return Beam(
        constraint,
        width=width,
        end=END,
        control=FIRST_TEXT_TOKEN,
        max_tokens=_max_tokens(frames),
        reward=_REWARD,
    )


def _max_tokens(frames: Frames) -> int:
    num_frames: int = frames.shape[1]
    return math.ceil(num_frames * _SECONDS_PER_FRAME * TOKENS_PER_SECOND) + 2


def new_greedy(frames: Frames) -> Greedy:
    """Free decoding of the same, one hypothesis."""
    return Greedy(end=END, max_tokens=_max_tokens(frames))


def search(model: MoonshineModel, encoded: Sequence[Frames], beams: Sequence[Sequence[Beam | Greedy]]) -> None:
    """Run the beams to their ends. encoded: one a recording; beams: those of each recording.

    The rows of a batch are the living hypotheses of all beams. Keys and values of the encoder are computed
    once a recording and copied only when rows come or go.
    """
    _Search(model, encoded, beams).run()


class _Search:
    def __init__(
        self, model: MoonshineModel, encoded: Sequence[Frames], beams: Sequence[Sequence[Beam | Greedy]]
    ) -> None:
        self._model = model
        self._beams = [(clip, beam) for clip, group in enumerate(beams) for beam in group]
        self._first = model.first_feeds(encoded)
        self._num_clips = len(encoded)
        self._fixed: dict[str, Any] = {}
        self._cache: dict[str, Any] = {}
        self._clip_of_row: list[int] = []
        self._copied: dict[str, Any] = {}
        self._widest: list[int] = []

    def run(self) -> None:
        """From the first token to the last."""
        if not self._num_clips:
            return
        tokens = np.full((self._num_clips, 1), START, np.int64)
        logits, cache = self._model.run_decoder(self._first, tokens, is_first=True)
        self._keep(cache)
        rows = [beam.extend(logits[clip : clip + 1, -1]) for clip, beam in self._beams]
        self._reorder([clip for (clip, _), parents in zip(self._beams, rows, strict=True) for _ in parents])
        while any(not beam.is_done for _, beam in self._beams):
            self._step()

    def _keep(self, cache: dict[str, Any]) -> None:
        """Keys and values of the encoder, its mask and frames stay what they are; the decoder's grow."""
        first = {name: value for name, value in self._first.items() if name not in cache}
        self._fixed = first | {name: value for name, value in cache.items() if ".decoder." not in name}
        self._cache = {name: value for name, value in cache.items() if ".decoder." in name}
        self._spread: dict[str, Any] = {}

    def _step(self) -> None:
        last = [token for _, beam in self._beams for token in beam.last_tokens]
        tokens = np.array(last, np.int64)[:, None]
        logits, cache = self._model.run_decoder({**self._spread, **self._cache}, tokens, is_first=False)
        self._cache = cache
        parents: list[int] = []
        at = 0
        for _, beam in self._beams:
            num_rows = len(beam.last_tokens)
            if num_rows:
                parents += [at + row for row in beam.extend(logits[at : at + num_rows, -1])]
            at += num_rows
        self._reorder(parents)

    def _reorder(self, parents: list[int]) -> None:
        """Bring the caches into the order of the living hypotheses."""
        if parents != list(range(len(next(iter(self._cache.values()))))):
            self._cache = {name: value[parents] for name, value in self._cache.items()}
        clip_of_row = [clip for clip, beam in self._beams for _ in beam.last_tokens]
        if clip_of_row == self._clip_of_row:
            return
        num_rows = len(clip_of_row)
        if clip_of_row != self._widest[:num_rows]:
            self._widest = clip_of_row
            if self._num_clips == 1:  # room for all that may come, at once
                self._widest = [0] * sum(beam.max_rows for _, beam in self._beams)
            self._copied = {name: value[self._widest] for name, value in self._fixed.items()}
        # Of one recording all rows are alike: fewer of them are a view, which costs nothing. Copies were a
        # fifth of the work of a wide beam.
        self._spread = {name: value[:num_rows] for name, value in self._copied.items()}
        self._clip_of_row = clip_of_row
