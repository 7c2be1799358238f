"""What a clip goes through before a net hears it, drawn anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earshot.commands.augmentation import (
    COLOURS,
    change_pitch,
    change_speed,
    change_volume,
    coloured_noise,
    overlay,
    random_shift,
    reverberate,
    stretch,
)
from earshot.commands.clip_sounds import cut_at_random, cut_silence, one_second
from earshot.core.types import Samples


@dataclass(frozen=True, slots=True)
class AugmentationOptions:
    """How often, as shares in [0, 1], and how far.

    speed, stretch: factors drawn from 1 ± so much. pitch: ± semitones. least_db, most_db: so much is background
    or noise below the clip.
    """

    speed_share: float = 0.5
    speed: float = 0.15
    stretch_share: float = 0.03
    stretch: float = 0.2
    pitch_share: float = 0.03
    pitch: float = 2.0
    room_share: float = 0.15
    background_share: float = 0.5
    noise_share: float = 0.1
    least_db: float = 2.0
    most_db: float = 30.0


class Augmenter:
    """Changes clips of one second by chance; the same seed of ``rng`` changes them the same way.

    backgrounds, rooms: float32 recordings at 16 kHz; without any, these steps are left out.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        backgrounds: Sequence[Samples] = (),
        rooms: Sequence[Samples] = (),
        options: AugmentationOptions | None = None,
    ) -> None:
        self.rng = rng
        self.backgrounds, self.rooms = list(backgrounds), list(rooms)
        self.options = options or AugmentationOptions()

    def __call__(self, samples: Samples) -> Samples:
        """A changed copy: float32 (n,)."""
        options, rng = self.options, self.rng
        sound = samples
        if self._chance(options.stretch_share):
            sound = stretch(sound, 1 + rng.uniform(-options.stretch, options.stretch))
        elif self._chance(options.pitch_share):
            sound = change_pitch(sound, rng.uniform(-options.pitch, options.pitch))
        elif self._chance(options.speed_share):
            sound = change_speed(sound, 1 + rng.uniform(-options.speed, options.speed))
        sound = random_shift(one_second(sound, len(samples)), rng)
        if self.rooms and self._chance(options.room_share):
            sound = reverberate(sound, self.rooms[rng.integers(len(self.rooms))])
        if self.backgrounds and self._chance(options.background_share):
            background = self.backgrounds[rng.integers(len(self.backgrounds))]
            sound = overlay(sound, cut_at_random(background, rng, num_samples=len(sound)), self._decibels())
        if self._chance(options.noise_share):
            colour = COLOURS[rng.integers(len(COLOURS))]
            sound = overlay(sound, coloured_noise(len(sound), colour, rng), self._decibels())
        return change_volume(sound, rng)

    def silence(self, num_samples: int) -> Samples:
        """No speech: background or coloured noise, from nothing at all to −20 dB of full scale."""
        rng = self.rng
        if self.backgrounds and rng.random() < 0.7:
            background = self.backgrounds[rng.integers(len(self.backgrounds))]
            return cut_silence(background, rng, num_samples=num_samples)
        colour = COLOURS[rng.integers(len(COLOURS))]
        level = 10 ** rng.uniform(-5, -1)
        return coloured_noise(num_samples, colour, rng) * np.float32(level)

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _decibels(self) -> float:
        return float(self.rng.uniform(self.options.least_db, self.options.most_db))
