"""What the sound of utterances is like: each recording is decoded once, in constant memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earshot.audio.decode import open_audio
from earshot.audio.journal import to_pcm
from earshot.core.types import Samples
from earshot.visual.level import LevelMeter, Levels


@dataclass(frozen=True, slots=True)
class Sound:
    """duration: seconds that there are of the stretch. digest: equal for equal samples."""

    duration: float
    levels: Levels
    digest: str


@dataclass(frozen=True, slots=True)
class Measured:
    """duration: seconds of the whole recording. sounds: of the stretches, in the order they were asked for.

    damage: what is missing or broken in it.
    """

    duration: float
    sounds: tuple[Sound, ...]
    damage: tuple[str, ...]


@dataclass(slots=True)
class _Stretch:
    """first, last: samples; last is None for the recording's end."""

    first: int
    last: int | None
    meter: LevelMeter
    num_samples: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def accept(self, position: int, block: Samples) -> None:
        end = len(block) if self.last is None else max(0, min(len(block), self.last - position))
        part = block[max(0, self.first - position) : end]
        if len(part):
            self.num_samples += len(part)
            self.meter.accept(part)
            self.digest.update(to_pcm(part))


def measure(audio: Path, channel: int | None, spans: Sequence[tuple[float, float | None]]) -> Measured:
    """Decode a recording and look at stretches of it.

    spans: start and end in seconds; an end of None is the recording's. Raises AudioError when nothing can be
    had from it.
    """
    position = 0
    with open_audio(audio, channel=channel) as reader:
        rate = reader.info.sample_rate
        stretches = [
            _Stretch(round(start * rate), None if end is None else round(end * rate), LevelMeter(rate))
            for start, end in spans
        ]
        for block in reader:
            for stretch in stretches:
                stretch.accept(position, block)
            position += len(block)
        damage = reader.damage
    sounds = tuple(
        Sound(one.num_samples / rate, one.meter.levels(), one.digest.hexdigest()) for one in stretches
    )
    return Measured(position / rate, sounds, damage)
