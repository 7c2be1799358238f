"""What a net of commands saw of a recording, and what it took it for: for a picture of the recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from earshot.commands.clip_sounds import CLIP_SAMPLES, start_of_second
from earshot.commands.looks import Look
from earshot.commands.net import CommandNet
from earshot.commands.net_words import LONGEST, SHORTEST, ClipWords
from earshot.commands.spotter import Cutter
from earshot.commands.trimming import sound_span
from earshot.core.errors import CommandError
from earshot.core.types import SAMPLE_RATE, Samples


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One sound between two pauses.

    start, end: seconds from the start of the recording, of all that the net was shown: of a second, zeros
    before and after a shorter sound included. features: (frames, n), what it was fed. label, probability: of
    the likeliest class.
    """

    start: float
    end: float
    features: npt.NDArray[np.float32]
    label: str
    probability: float


def sights(net: CommandNet, blocks: Iterable[Samples]) -> list[Sight]:
    """All that a spotter with this net looks at. blocks: float32 (n,) at 16 kHz, any n.

    Raises CommandError where the net's front end gives no picture: the waveform, the encoder's statistics.
    """
    cutter = ClipWords(net).new_cutter()
    found = []
    for look in chain((look for block in blocks for look in cutter.accept(block)), _last(cutter)):
        first, last = sound_span(look.samples)
        sound = look.samples[first:last]
        if not SHORTEST <= len(sound) / SAMPLE_RATE <= LONGEST:
            continue
        probabilities = net.classify(sound)
        best = int(np.argmax(probabilities))
        begin = look.end - len(look.samples) + first + start_of_second(sound)
        start, end = begin / SAMPLE_RATE, (begin + CLIP_SAMPLES) / SAMPLE_RATE
        features = _image(net.features(sound))
        found.append(Sight(start, end, features, net.labels[best], float(probabilities[best])))
    return found


def _last(cutter: Cutter) -> Iterator[Look]:
    """What the end of the recording ends; asked for when all else has been heard."""
    yield from cutter.finish()


def _image(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(channels, frames, n) as (frames, channels × n)."""
    if features.ndim != 3:
        raise CommandError(
            "this net is fed nothing that has a time and a frequency axis",
            fix="choose one that hears log-mel, mfcc or multi-resolution",
        )
    return np.concatenate(list(features), axis=1)
