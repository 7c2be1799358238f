"""What every decoder becomes: a reader of mono blocks that are finite and within full scale."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.core.errors import AudioError
from earshot.core.types import Samples

Frames = npt.NDArray[np.float32]
"""float32 (n, num_channels)."""

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
"""Hz. Below there is no speech left, above there is no recorder."""

MAX_CHANNELS = 1_024


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording says of itself before it is decoded.

    sample_rate: Hz. duration: seconds as its header claims, None where it does not say. codec: as in
    ``pcm_s16le`` or ``WAV/PCM_16``.
    """

    sample_rate: int
    num_channels: int
    duration: float | None
    codec: str


class Decoder(Protocol):
    """One open recording. info: known at once; warnings: what went wrong on the way without ending it."""

    info: AudioInfo
    warnings: list[str]

    def blocks(self) -> Iterator[Frames]:
        """The sound, once, in pieces of about half a second."""
        ...

    def close(self) -> None:
        """Release the file; calling it twice is harmless."""
        ...


class AudioReader:
    """A recording as float32 mono blocks (n,) at its native rate, about half a second each.

    A context manager and an iterator that can be gone through once. ``info`` is known before the first
    block. Channels are mixed by their mean unless one was asked for. Samples that are not finite become 0 and
    samples beyond ±1 are clipped; ``warnings`` says so, and says where a damaged file ended early.
    """

    def __init__(self, decoder: Decoder, name: str, *, channel: int | None = None) -> None:
        self.info = decoder.info
        self._decoder = decoder
        self._name = name
        self._channel = channel
        self._num_samples = 0
        self._num_clipped = 0
        self._num_broken = 0
        self._first_broken = 0
        self._blocks = self._mono()
        try:
            check_info(self.info, name)
            check_channel(channel, self.info.num_channels, name)
        except AudioError:
            decoder.close()
            raise

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was mended or left out so far, one line each; complete once the last block was read."""
        if not self._num_clipped:
            return self.damage
        return (*self.damage, f"{self._num_clipped} samples beyond full scale were clipped")

    @property
    def damage(self) -> tuple[str, ...]:
        """The warnings of what is missing or broken: all but clipping, for lossy codecs overshoot a little."""
        if not self._num_broken:
            return tuple(self._decoder.warnings)
        where = self._first_broken / self.info.sample_rate
        broken = f"{self._num_broken} samples from {where:.2f} s on are not numbers, taken as silence"
        return (*self._decoder.warnings, broken)

    @property
    def num_samples(self) -> int:
        """Samples read so far."""
        return self._num_samples

    def __iter__(self) -> Iterator[Samples]:
        return self._blocks

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; calling it twice is harmless."""
        self._blocks.close()
        self._decoder.close()

    def _mono(self) -> Generator[Samples, None, None]:
        for frames in self._decoder.blocks():
            if len(frames):
                yield self._clean(self._pick(frames))
        if not self._num_samples:
            self._decoder.warnings.append("the recording is empty")
        if self._num_samples and self._num_broken == self._num_samples:
            raise AudioError(
                f"{self._name} holds no sound: none of its samples is a number", fix="export it again"
            )

    def _pick(self, frames: Frames) -> Samples:
        if self._channel is not None:
            # The layout may change on the way: a mono stretch of a stereo recording is what both channels hold.
            return np.ascontiguousarray(frames[:, min(self._channel, frames.shape[1]) - 1])
        if frames.shape[1] == 1:
            return np.ascontiguousarray(frames[:, 0])
        with np.errstate(all="ignore"):  # inf - inf
            mixed: Samples = frames.mean(axis=1, dtype=np.float32)
        return mixed

    def _clean(self, samples: Samples) -> Samples:
        finite = np.isfinite(samples)
        if not finite.all():
            if not self._num_broken:
                self._first_broken = self._num_samples + int(np.argmin(finite))
            self._num_broken += len(samples) - int(np.count_nonzero(finite))
            samples = np.where(finite, samples, np.float32(0))
        self._num_samples += len(samples)
        if samples.max() > 1 or samples.min() < -1:
            self._num_clipped += int(np.count_nonzero(np.abs(samples) > 1))
            samples = np.clip(samples, -1, 1)
        return samples


def check_info(info: AudioInfo, name: str) -> None:
    """Raise AudioError where a header claims what no recording of speech can be."""
    if not MIN_SAMPLE_RATE <= info.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"{name} claims a sample rate of {info.sample_rate} Hz",
            fix=f"give a recording of {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz",
        )
    if not 1 <= info.num_channels <= MAX_CHANNELS:
        raise AudioError(f"{name} claims {info.num_channels} channels", fix="export it again")


def check_channel(channel: int | None, num_channels: int, name: str) -> None:
    """Raise AudioError where there is no such channel; channels count from 1."""
    if channel is not None and not 1 <= channel <= num_channels:
        have = "1 channel" if num_channels == 1 else f"{num_channels} channels"
        raise AudioError(
            f"{name} has no channel {channel}, it has {have}",
            fix="channels count from 1; leave the channel out to mix them all",
        )


def block_frames(sample_rate: int, num_channels: int) -> int:
    """Half a second, but never more than 4 million values (16 MB), whatever a header claims."""
    return max(256, min(sample_rate // 2, 4_000_000 // max(1, num_channels)))


def gathered(blocks: Iterator[Frames], enough: int) -> Iterator[Frames]:
    """Small blocks joined until each has at least ``enough`` frames; a change of channels ends one early."""
    waiting: list[Frames] = []
    num_waiting = 0
    for block in blocks:
        if waiting and waiting[0].shape[1] != block.shape[1]:
            yield np.concatenate(waiting)
            waiting, num_waiting = [], 0
        waiting.append(block)
        num_waiting += len(block)
        if num_waiting >= enough:
            yield np.concatenate(waiting)
            waiting, num_waiting = [], 0
    if waiting:
        yield np.concatenate(waiting)
