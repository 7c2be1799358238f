"""A part of a recording, read like a recording of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from earshot.audio.reader import AudioInfo, AudioReader, Frames
from earshot.core.clock import to_samples
from earshot.core.errors import AudioError


class _Excerpt:
    """A decoder that passes on the mono blocks of a reader between two samples."""

    def __init__(self, reader: AudioReader, first: int, last: int | None, name: str) -> None:
        rate, duration = reader.info.sample_rate, reader.info.duration
        if duration is not None:
            duration = max(0.0, min(duration, last / rate if last is not None else duration) - first / rate)
        self.info: AudioInfo = dataclasses.replace(reader.info, duration=duration)
        self._reader = reader
        self._first = first
        self._last = last
        self._name = name
        self.warnings: list[str] = []

    def blocks(self) -> Iterator[Frames]:
        position = 0
        for block in self._reader:
            begin = max(0, self._first - position)
            end = len(block) if self._last is None else min(len(block), self._last - position)
            position += len(block)
            if begin < end:
                yield block[begin:end, None]
            if self._last is not None and position >= self._last:
                break
        self.warnings += self._reader.warnings
        if 0 < self._first >= position:
            raise AudioError(
                f"{self._name} ends at {position / self.info.sample_rate:.2f} s, "
                f"before the start asked for, {self._first / self.info.sample_rate:.2f} s",
                fix="choose an earlier --start",
            )

    def close(self) -> None:
        self._reader.close()


def excerpt(reader: AudioReader, start: float, duration: float | None, *, name: str) -> AudioReader:
    """The recording from ``start`` on, for ``duration`` seconds (None: to its end).

    The new reader takes the old one over: closing it closes both. Nothing is kept; what lies before the start
    is decoded and dropped. Reading raises AudioError when the recording ends before ``start``.
    """
    rate = reader.info.sample_rate
    first = to_samples(start, rate)
    last = None if duration is None else first + max(1, to_samples(duration, rate))
    return AudioReader(_Excerpt(reader, first, last, name), name)
