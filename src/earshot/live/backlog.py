"""Sound that waits to be recognized: in memory while it is short, in the journal when it is long."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from earshot.core.types import SAMPLE_RATE, Samples

_MEMORY = 120.0
"""Seconds kept in memory, 8 MB; what waits longer is read back from the journal."""


class Backlog:
    """A queue of samples between the thread that captures and the one that recognizes.

    read_back: gives the samples (start, count) that were dropped from memory, all of them; None where there is
    no journal: then all stays in memory, as nothing may be lost.
    """

    def __init__(self, read_back: Callable[[int, int], Samples] | None = None) -> None:
        self._read_back = read_back
        self._limit = int(_MEMORY * SAMPLE_RATE)
        self._condition = threading.Condition()
        self._blocks: deque[Samples] = deque()
        self._num_appended = 0
        self._num_dropped = 0  # where the first block in memory begins
        self._num_taken = 0
        self._is_closed = False

    @property
    def seconds(self) -> float:
        """How much waits."""
        return (self._num_appended - self._num_taken) / SAMPLE_RATE

    def append(self, samples: Samples) -> None:
        """Put float32 (n,) behind what is there."""
        with self._condition:
            self._blocks.append(samples)
            self._num_appended += len(samples)
            if self._read_back is not None:
                while self._num_appended - self._num_dropped > self._limit and len(self._blocks) > 1:
                    self._num_dropped += len(self._blocks.popleft())
            self._condition.notify_all()

    def close(self) -> None:
        """No more comes."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    def take(self, most: int, timeout: float) -> Samples | None:
        """The next samples, at most ``most``; empty when none came within ``timeout`` s; None at the end."""
        with self._condition:
            if self._num_taken == self._num_appended and not self._is_closed:
                self._condition.wait(timeout)
            available = self._num_appended - self._num_taken
            if not available and self._is_closed:
                return None
            samples = self._from_memory(min(most, available))
            if samples is not None:
                return samples
            missing = min(most, self._num_dropped - self._num_taken)
            start = self._num_taken
        assert self._read_back is not None
        samples = self._read_back(start, missing)[:missing]
        with self._condition:
            self._num_taken += len(samples)
            self._condition.notify_all()
        return samples

    def wait_until_below(self, seconds: float, timeout: float) -> bool:
        """For sources that can wait: whether less than ``seconds`` waits, within ``timeout`` s."""
        with self._condition:
            return self._condition.wait_for(lambda: self.seconds < seconds, timeout)

    def _from_memory(self, most: int) -> Samples | None:
        """None where the next sample is not in memory any more."""
        if self._num_taken < self._num_dropped:
            return None
        blocks: list[Samples] = []
        while self._blocks and most > 0:
            first = self._blocks[0]
            at = self._num_taken - self._num_dropped
            if at == len(first):
                self._num_dropped += len(self._blocks.popleft())
                continue
            blocks.append(first[at : at + most])
            self._num_taken += len(blocks[-1])
            most -= len(blocks[-1])
        self._condition.notify_all()
        return blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.empty(0, np.float32)])
