"""From any sample rate to any other, in one piece or block by block with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Audio, Samples


class Resampler:
    """One stream from ``source_rate`` to ``target_rate`` (Hz), in the quality that soxr calls HQ.

    What comes out does not depend, to the last bit, on the sizes of the blocks that go in, and is
    round(n × target / source) samples long in the end. soxr's filter needs no re-blocking for that (tested).
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
        self._num_in = 0
        self._num_out = 0

    def accept(self, samples: Samples) -> Samples:
        """Take float32 (n,), any n; returns what is ready, maybe nothing."""
        if self._stream is None or not len(samples):
            return samples
        self._num_in += len(samples)
        return self._count(self._stream.resample_chunk(np.ascontiguousarray(samples, np.float32)))

    def finish(self) -> Samples:
        """No more comes: returns the rest. Afterwards the resampler is as new."""
        empty = np.empty(0, np.float32)
        if self._stream is None or not self._num_in:
            return empty
        missing = resampled_length(self._num_in, self.source_rate, self.target_rate) - self._num_out
        tail: Samples = self._stream.resample_chunk(empty, last=True)
        self._stream.clear()
        self._num_in = self._num_out = 0
        # soxr rounds the length as we do, but for exact halves.
        return np.concatenate([tail, np.zeros(max(0, missing - len(tail)), np.float32)])[: max(0, missing)]

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
