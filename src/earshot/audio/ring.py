"""Samples on their way from the sound system's callback to a thread that has time."""

from __future__ import annotations

import numpy as np

from earshot.core.types import Samples


class SampleRing:
    """A ring of preallocated samples for one writer and one reader, neither of which ever waits.

    Each side alone moves its own counter, and only after the samples are in place, so no lock is needed.
    What finds no room is lost and counted.

    capacity: samples. num_lost: samples that found no room so far.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a ring holds at least one sample, not {capacity}")
        self.capacity = capacity
        self.num_lost = 0
        self._data = np.zeros(capacity, np.float32)
        self._num_written = 0
        self._num_read = 0

    def __len__(self) -> int:
        """Samples that wait to be read."""
        return self._num_written - self._num_read

    def write(self, samples: Samples) -> None:
        """Put float32 (n,) behind what is there; what does not fit is lost."""
        room = self.capacity - len(self)
        kept = samples[:room]
        at = self._num_written % self.capacity
        first = min(len(kept), self.capacity - at)
        self._data[at : at + first] = kept[:first]
        self._data[: len(kept) - first] = kept[first:]
        self._num_written += len(kept)
        self.num_lost += len(samples) - len(kept)

    def read(self, most: int | None = None) -> Samples:
        """All that waits, or the first ``most`` of it; maybe nothing. A copy."""
        count = len(self) if most is None else min(most, len(self))
        at = self._num_read % self.capacity
        first = min(count, self.capacity - at)
        samples = np.concatenate([self._data[at : at + first], self._data[: count - first]])
        self._num_read += count
        return samples
