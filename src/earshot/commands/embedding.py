"""A short clip as a point in a space where the same word lies close, whoever says it.

The frozen encoder of the embedded Moonshine model gives a frame each 24 ms; their mean and standard deviation
describe the clip. A linear map, learned from 50 words by 1,400 people, then takes out what varies within a
word: speaker, microphone, tempo (within-class covariance normalisation: Hatch, Kajarekar and Stolcke 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.commands.trimming import trim
from earshot.core.errors import ModelError
from earshot.core.types import Samples
from earshot.engines.moonshine import embedded_folder
from earshot.engines.moonshine_model import MoonshineEncoder

Matrix = npt.NDArray[np.float32]

_LEVEL = 0.06
"""RMS that every clip is brought to."""

_MARGIN = 3_200
"""Zeros on both sides, 0.2 s. The encoder describes a word better when it hears that it begins and ends: same
speaker, three recordings of ten digits: 98.3 % with it, 91.8 % without."""

_WINDOW = 25_600
WINDOW_FRAMES = 52
"""Of the 66 in 1.6 s the last ones: the first have heard too little of what stood before them."""

MAX_SAMPLES = 160_000
"""Ten seconds; longer clips are cut there."""


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Speech without commands: what stands between two pauses in it.

    vectors: (n, d), unit rows; durations: (n,), seconds of sound in each; hours: of speech that they are from.
    levels: (n,), mean cosine to the others that are nearest.
    """

    vectors: Matrix
    durations: Matrix
    levels: Matrix
    hours: float


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The linear map and what it makes of speech without commands.

    name: changes with every change of the map, as embeddings of two maps must not be compared.
    centre: (2w,); projection: (2w, d).
    """

    name: str
    centre: Matrix
    projection: Matrix
    background: Background


def load_space(path: Path | None = None) -> Space:
    """The space that ships with Earshot. Raises ModelError when the file is damaged."""
    path = path or Path(__file__).parent / "data" / "space.npz"
    try:
        with np.load(path, allow_pickle=False) as data:
            vectors = data["background"].astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            durations, levels = (data[name].astype(np.float32) for name in ("durations", "levels"))
            background = Background(vectors, durations, levels, float(data["hours"]))
            return Space(
                str(data["name"]),
                data["centre"].astype(np.float32),
                data["projection"].astype(np.float32),
                background,
            )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read: {error}", fix="install earshot again") from error


class ClipEncoder:
    """Mean and standard deviation of the encoder's frames; safe to use from several threads."""

    def __init__(self) -> None:
        self._encoder = MoonshineEncoder(embedded_folder())

    def statistics(self, samples: Samples) -> Matrix:
        """Of a clip's sound: float32 (576,). samples: float32 (n,), 16 kHz, any level."""
        sound = _at_level(trim(samples)[:MAX_SAMPLES])
        frames = self._encoder.encode(np.pad(sound, _MARGIN))[0]
        return np.concatenate([frames.mean(axis=0), frames.std(axis=0)]).astype(np.float32)


class FrameEncoder:
    """The encoder's frames, one each 24 ms, of samples at any level; safe to use from several threads."""

    def __init__(self) -> None:
        self._encoder = MoonshineEncoder(embedded_folder())

    def of_clip(self, samples: Samples) -> Matrix:
        """Of a clip between silence: float32 (n,), 16 kHz, to float32 (frames, 288)."""
        sound = np.pad(_at_level(samples), _MARGIN)
        return np.asarray(self._encoder.encode(sound)[0], np.float32)

    def of_window(self, samples: Samples) -> Matrix:
        """The last frames of the last 1.6 s: float32 (n,), 16 kHz, to float32 (``WINDOW_FRAMES``, 288).

        What is lacking is silence.
        """
        sound = _at_level(np.pad(samples[-_WINDOW:], (max(0, _WINDOW - len(samples)), 0)))
        return np.asarray(self._encoder.encode(sound)[0][-WINDOW_FRAMES:], np.float32)


def _at_level(sound: Samples) -> Samples:
    """Brought to the level that the encoder hears; digital silence stays."""
    level = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    return np.asarray(sound * np.float32(_LEVEL / level) if level > 0 else sound, np.float32)


class Embedder:
    """Turns clips into unit vectors. Loads the encoder alone, in a fifth of a second.

    num_threads: clips worked on side by side. The same clip gives the same bits, alone or among others.
    """

    def __init__(self, space: Space | None = None, *, num_threads: int = 2) -> None:
        self.space = space or load_space()
        self._clips = ClipEncoder()
        self._num_threads = num_threads

    @property
    def size(self) -> int:
        """Dimensions of an embedding."""
        return int(self.space.projection.shape[1])

    def embed(self, clips: Sequence[Samples]) -> Matrix:
        """Float32 (n, d), unit rows. clips: float32 at 16 kHz, trimmed here to what sounds in them."""
        if len(clips) < 2 or self._num_threads < 2:
            statistics = [self._clips.statistics(clip) for clip in clips]
        else:
            with ThreadPoolExecutor(self._num_threads) as pool:
                statistics = list(pool.map(self._clips.statistics, clips))
        if not statistics:
            return np.empty((0, self.size), np.float32)
        return project(self.space, np.stack(statistics))


def project(space: Space, statistics: Matrix) -> Matrix:
    """Unit vectors of clips: (n, 2w) → (n, d)."""
    # Row by row: a product of matrices may differ in its last bits with the number of rows.
    points = np.stack([(row - space.centre) @ space.projection for row in statistics])
    lengths = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    return np.asarray(points / lengths, np.float32)
