"""From any sample rate to any other, in one piece or block by block with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Audio, Samples

_BLOCK = 16_384
"""Samples handed to soxr at once. Always the same, so that nothing can depend on the caller's block sizes."""


class Resampler:
    """One stream from ``source_rate`` to ``target_rate`` (Hz), in the quality that soxr calls HQ.

    What comes out does not depend, to the last bit, on the sizes of the blocks that go in, and is
    round(n × target / source) samples long in the end. Keeps less than a second of sound.
    """

    def __init__(self, source_rate: int, target_rate: int = SAMPLE_RATE) -> None:
        if source_rate <= 0 or target_rate <= 0:
            raise AudioError(f"cannot resample from {source_rate} Hz to {target_rate} Hz")
        self.source_rate = source_rate
        self.target_rate = target_rate
        self._stream = (
            soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ")
            if source_rate != target_rate
            else None
        )
        self._pending: list[Samples] = []
        self._num_pending = 0
        self._num_in = 0
        self._num_out = 0

    def accept(self, samples: Samples) -> Samples:
        """Take float32 (n,), any n; returns what is ready, maybe nothing."""
        self._num_in += len(samples)
        if self._stream is None:
            return samples
        self._pending.append(samples)
        self._num_pending += len(samples)
        if self._num_pending < _BLOCK:
            return np.empty(0, np.float32)
        gathered = np.concatenate(self._pending).astype(np.float32, copy=False)
        whole = len(gathered) // _BLOCK * _BLOCK
        self._pending = [gathered[whole:].copy()]
        self._num_pending = len(gathered) - whole
        ready = [
            self._stream.resample_chunk(gathered[start : start + _BLOCK]) for start in range(0, whole, _BLOCK)
        ]
        return self._count(np.concatenate(ready))

    def finish(self) -> Samples:
        """No more comes: returns the rest. Afterwards the resampler is as new."""
        if self._stream is None:
            return np.empty(0, np.float32)
        rest = np.concatenate([np.empty(0, np.float32), *self._pending])
        tail = self._stream.resample_chunk(rest, last=True)
        expected = resampled_length(self._num_in, self.source_rate, self.target_rate) - self._num_out
        tail = np.concatenate([tail, np.zeros(max(0, expected - len(tail)), np.float32)])[: max(0, expected)]
        self._stream.clear()
        self._pending, self._num_pending, self._num_in, self._num_out = [], 0, 0, 0
        return tail

    def _count(self, samples: Samples) -> Samples:
        self._num_out += len(samples)
        return samples


def resampled_length(num_samples: int, source_rate: int, target_rate: int) -> int:
    """round(n × target / source), in integers."""
    return (2 * num_samples * target_rate + source_rate) // (2 * source_rate)


def resampled(blocks: Iterable[Samples], source_rate: int, target_rate: int = SAMPLE_RATE) -> Iterator[Samples]:
    """The same for an iterable of blocks; empty blocks are left out."""
    resampler = Resampler(source_rate, target_rate)
    for block in blocks:
        ready = resampler.accept(block)
        if len(ready):
            yield ready
    rest = resampler.finish()
    if len(rest):
        yield rest


def resample(audio: Audio, sample_rate: int) -> Audio:
    """The whole of ``audio`` at ``sample_rate`` Hz; the same object where it has that rate already."""
    if audio.sample_rate == sample_rate:
        return audio
    blocks = list(resampled([audio.samples], audio.sample_rate, sample_rate))
    return Audio(np.concatenate([np.empty(0, np.float32), *blocks]), sample_rate)
