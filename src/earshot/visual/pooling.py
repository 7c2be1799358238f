"""An overview of a stream of any length in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from earshot.core.types import Samples
from earshot.features.stft import Matrix

_MERGE: dict[str, Callable[[Matrix, int], Matrix]] = {
    "mean": lambda frames, axis: frames.mean(axis=axis),
    "max": lambda frames, axis: frames.max(axis=axis),
}


class Pool:
    """Holds a growing number of frames as at most 2 × ``max_columns`` columns.

    Each column stands for ``factor`` frames, by their mean or their maximum. When the columns are full,
    neighbours are merged and the factor doubles, so any length ends up in max_columns to twice as many.
    """

    def __init__(self, num_features: int, *, max_columns: int, kind: Literal["mean", "max"] = "mean") -> None:
        self.factor = 1
        self._columns = np.empty((2 * max_columns, num_features), np.float32)
        self._num_columns = 0
        self._merge = _MERGE[kind]
        self._is_mean = kind == "mean"
        self._open = np.zeros(num_features, np.float32)  # the column that is being filled
        self._num_open = 0

    def add(self, frames: Matrix) -> None:
        """Take float32 (n, num_features), any n."""
        while len(frames):
            if self._num_open or len(frames) < self.factor:
                num_taken = min(self.factor - self._num_open, len(frames))
                self._fill(frames[:num_taken])
            else:
                num_taken = self._append(frames)
            frames = frames[num_taken:]

    def columns(self) -> Matrix:
        """(columns, num_features), the unfinished last one included."""
        columns = self._columns[: self._num_columns]
        return np.concatenate([columns, self._open[None]]) if self._num_open else columns.copy()

    def _fill(self, frames: Matrix) -> None:
        value, count = self._merge(frames, 0), len(frames)
        if not self._num_open:
            self._open = value
        elif self._is_mean:
            self._open = self._open + (value - self._open) * np.float32(count / (self._num_open + count))
        else:
            self._open = np.maximum(self._open, value)
        self._num_open += count
        if self._num_open == self.factor:
            self._num_open = 0
            self._append_columns(self._open[None])

    def _append(self, frames: Matrix) -> int:
        """As many whole columns as there are frames and room for; returns the number of frames."""
        num_columns = min(len(frames) // self.factor, len(self._columns) - self._num_columns)
        num_frames = num_columns * self.factor
        self._append_columns(self._merge(frames[:num_frames].reshape(num_columns, self.factor, -1), 1))
        return num_frames

    def _append_columns(self, columns: Matrix) -> None:
        self._columns[self._num_columns : self._num_columns + len(columns)] = columns
        self._num_columns += len(columns)
        if self._num_columns == len(self._columns):
            half = self._num_columns // 2
            self._columns[:half] = self._merge(self._columns.reshape(half, 2, -1), 1)
            self._num_columns = half
            self.factor *= 2


class Envelope:
    """Lowest, highest and mean square value of short steps of a signal."""

    def __init__(self, step: int, *, max_columns: int) -> None:
        self._step = step
        self._peaks = Pool(2, max_columns=max_columns, kind="max")
        self._squares = Pool(1, max_columns=max_columns)
        self._rest: Samples = np.empty(0, np.float32)

    @property
    def step(self) -> int:
        """Samples that a column stands for."""
        return self._step * self._peaks.factor

    def add(self, samples: Samples) -> None:
        """Take float32 (n,), any n."""
        samples = np.concatenate([self._rest, samples])
        num_steps = len(samples) // self._step
        self._add_steps(samples[: num_steps * self._step].reshape(num_steps, self._step))
        self._rest = samples[num_steps * self._step :]

    def finish(self) -> Matrix:
        """(columns, 3): lowest, highest, RMS."""
        if len(self._rest):
            self._add_steps(self._rest[None])
        peaks, squares = self._peaks.columns(), self._squares.columns()
        return np.stack([-peaks[:, 0], peaks[:, 1], np.sqrt(squares[:, 0])], axis=1)

    def _add_steps(self, steps: Matrix) -> None:
        if len(steps):
            self._peaks.add(np.stack([-steps.min(axis=1), steps.max(axis=1)], axis=1))
            self._squares.add(np.square(steps).mean(axis=1, keepdims=True))
