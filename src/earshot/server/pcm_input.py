"""Raw sound from sockets: bytes of any number become 16 kHz samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from earshot.audio.resample import Resampler
from earshot.core.types import SAMPLE_RATE, Samples

_FULL_SCALE = {1: 128.0, 2: 32_768.0, 4: 2_147_483_648.0}
_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}

WIDTHS = tuple(_FULL_SCALE)
"""Bytes of a sample that are understood; those of one byte count from 128."""


class PcmInput:
    """Little-endian PCM in messages that may end inside a sample; what is left waits for the next one.

    sample_rate: Hz. width: bytes of a sample. num_channels: interleaved, mixed down.
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE, width: int = 2, num_channels: int = 1) -> None:
        self._dtype = _DTYPES[width]
        self._num_channels = num_channels
        self._frame = width * num_channels
        self._rest = b""
        self._resampler = Resampler(sample_rate, SAMPLE_RATE) if sample_rate != SAMPLE_RATE else None

    def accept(self, data: bytes) -> Samples:
        """The next bytes as float32 (n,) at 16 kHz."""
        data = self._rest + data if self._rest else data
        usable = len(data) - len(data) % self._frame
        self._rest = data[usable:]
        values = np.frombuffer(data, self._dtype, usable // self._dtype.itemsize).astype(np.float32)
        if self._dtype.itemsize == 1:
            values -= 128.0
        values /= np.float32(_FULL_SCALE[self._dtype.itemsize])
        if self._num_channels > 1:
            values = values.reshape(-1, self._num_channels).mean(axis=1, dtype=np.float32)
        return values if self._resampler is None else self._resampler.accept(values)

    def finish(self) -> Samples:
        """What the resampler still holds."""
        return np.empty(0, np.float32) if self._resampler is None else self._resampler.finish()
