"""From sounds to batches of features: changed by chance, computed once where that pays, ready ahead of time."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from earshot.audio.decode import find_recordings, read_audio
from earshot.commands.augmentation import change_speed, overlay, reverberate
from earshot.commands.clip_sounds import cut_at_random
from earshot.core.errors import TrainingError
from earshot.core.files import atomic_binary
from earshot.core.types import Samples
from earshot.engines.ctc_front_ends import make_front_end
from earshot.training.recognition.batching import Indices, plan_batches
from earshot.training.recognition.corpus import Side, short_texts
from earshot.training.recognition.options import AugmentationOptions, LearningOptions
from earshot.training.recognition.sounds import side_by_side

Matrix = npt.NDArray[np.float32]
_AHEAD = 6
"""Batches made ready before they are asked for."""


class FeatureSource(Protocol):
    """Features of the utterances of one side."""

    def features(self, index: int, speed: float = 1.0, rng: np.random.Generator | None = None, /) -> Matrix:
        """float32 (frames, features), at ``speed`` times the speed. rng: changes the rest, if given."""


class LiveFeatures:
    """Computed from sounds that are changed anew each time."""

    def __init__(self, side: Side, facts: Mapping[str, Any], options: AugmentationOptions) -> None:
        self._side, self._options = side, options
        self._front_end = make_front_end(facts)
        self._noises = _recordings(options.noise, "noise")
        self._rooms = _recordings(options.rooms, "rooms")

    def features(self, index: int, speed: float = 1.0, rng: np.random.Generator | None = None, /) -> Matrix:
        """See FeatureSource."""
        sound = _at_speed(self._side.sounds[self._side.places[index]], speed)
        return self._front_end(sound if rng is None else self._changed(sound, rng))

    def _changed(self, sound: Samples, rng: np.random.Generator) -> Samples:
        options = self._options
        if self._rooms and rng.random() < options.room_share:
            sound = reverberate(sound, self._rooms[rng.integers(len(self._rooms))])
        if self._noises and rng.random() < options.noise_share:
            noise = cut_at_random(self._noises[rng.integers(len(self._noises))], rng, num_samples=len(sound))
            sound = overlay(sound, noise, float(rng.uniform(options.least_db, options.most_db)))
        if options.volume_db:
            sound = sound * np.float32(10 ** (rng.uniform(-options.volume_db, options.volume_db) / 20))
        return np.asarray(sound, np.float32)


class StoredFeatures:
    """Computed once for each speed and kept on disk in float16: 58 MB an hour and speed for 80 bands."""

    def __init__(
        self,
        side: Side,
        facts: Mapping[str, Any],
        speeds: Sequence[float],
        folder: Path,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        self._stores = {speed: _stored(side, facts, speed, folder, tell) for speed in sorted({1.0, *speeds})}

    def features(self, index: int, speed: float = 1.0, _rng: np.random.Generator | None = None, /) -> Matrix:
        """See FeatureSource; nothing but the speed can be changed."""
        values, starts = self._stores[speed]
        return np.asarray(values[starts[index] : starts[index + 1]], np.float32)


def feature_source(
    side: Side,
    facts: Mapping[str, Any],
    options: AugmentationOptions,
    cache: Path,
    *,
    tell: Callable[[str], object] | None = None,
) -> FeatureSource:
    """Stored features where sounds change in speed alone; the slow front end is always stored."""
    if options.changes_sound and facts["streams"]:
        return LiveFeatures(side, facts, options)
    if options.changes_sound and tell is not None:
        tell(f"volume, noise and rooms are left out: {facts['name']} is too slow to hear each utterance anew")
    return StoredFeatures(side, facts, options.speeds, cache, tell)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """features: (n, frames, features), padded with 0. lengths: frames of each. targets: one behind another.

    target_lengths: symbols of each. epoch, number: its place in the run, from 0, of num_batches in the epoch.
    """

    features: Matrix
    lengths: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    target_lengths: npt.NDArray[np.int64]
    indices: Indices
    epoch: int
    number: int
    num_batches: int

    @property
    def is_last(self) -> bool:
        """Whether the epoch ends with it."""
        return self.number == self.num_batches - 1


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Places of the utterances of a batch, and how fast each is said."""

    indices: Indices
    speeds: npt.NDArray[np.float64]


class Feed:
    """Batches of a run without end, from any place in it: place alone decides what they hold.

    rank, num_ranks: of this process among those that share the work.
    """

    def __init__(
        self,
        side: Side,
        source: FeatureSource,
        augmentation: AugmentationOptions,
        learning: LearningOptions,
        *,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        self.side, self._source = side, source
        self._augmentation, self._learning = augmentation, learning
        self._rank, self.num_ranks = rank, num_ranks
        self._durations = np.array(side.durations)
        short = short_texts(side, learning.curriculum_letters) if learning.curriculum_epochs else []
        self._short = np.array(short, np.int64)
        self.start = (0, 0)

    def plan(self, epoch: int) -> list[Planned]:
        """The batches of an epoch, of all processes."""
        learning = self._learning
        rng = np.random.default_rng((learning.seed, epoch))
        is_short = epoch < learning.curriculum_epochs and len(self._short) > 0
        places = self._short if is_short else np.arange(len(self.side))
        # Before lengths are compared: with speeds drawn after, 11.7 % of Mboshi's batches were padding, not 3.
        speeds = rng.choice(self._augmentation.speeds, len(places))
        planned = plan_batches(
            self._durations[places] / speeds,
            batch_seconds=learning.batch_seconds,
            batch_size=learning.batch_size,
            rng=rng,
        )
        batches = [Planned(places[batch], speeds[batch]) for batch in planned]
        # Every process takes as many steps as the others, or one would wait for ever.
        while len(batches) % self.num_ranks:
            largest = max(range(len(batches)), key=lambda place: len(batches[place].indices))
            batches[largest : largest + 1] = _halves(batches[largest])
        return batches

    def __iter__(self) -> Iterator[Batch]:
        ready: queue.Queue[Batch | BaseException] = queue.Queue(_AHEAD)
        is_over = threading.Event()
        thread = threading.Thread(target=self._work, args=(ready, is_over), name="feed", daemon=True)
        thread.start()
        try:
            while True:
                found = ready.get()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            is_over.set()
            thread.join()

    def _work(self, ready: queue.Queue[Batch | BaseException], is_over: threading.Event) -> None:
        def give(found: Batch | BaseException) -> bool:
            while not is_over.is_set():
                try:
                    ready.put(found, timeout=0.1)
                except queue.Full:
                    continue
                return True
            return False

        epoch, number = self.start
        try:
            while True:
                mine = self.plan(epoch)[self._rank :: self.num_ranks]
                for place in range(number, len(mine)):
                    if not give(self._batch(mine[place], epoch, place, len(mine))):
                        return
                epoch, number = epoch + 1, 0
        except BaseException as error:
            give(error)

    def _batch(self, planned: Planned, epoch: int, number: int, num_batches: int) -> Batch:
        rng = np.random.default_rng((self._learning.seed, epoch, number, self._rank))
        found = [
            masked(self._source.features(int(index), float(speed), rng), self._augmentation, rng)
            for index, speed in zip(planned.indices, planned.speeds, strict=True)
        ]
        return collate(found, self.side, planned.indices, epoch=epoch, number=number, num_batches=num_batches)


def collate(
    features: Sequence[Matrix],
    side: Side,
    indices: Indices,
    *,
    epoch: int = 0,
    number: int = 0,
    num_batches: int = 1,
) -> Batch:
    """Pad and join."""
    lengths = np.array([len(one) for one in features], np.int64)
    padded = np.zeros((len(features), int(lengths.max()), features[0].shape[1]), np.float32)
    for row, one in zip(padded, features, strict=True):
        row[: len(one)] = one
    targets = [side.targets[int(index)] for index in indices]
    return Batch(
        padded,
        lengths,
        np.array([token for target in targets for token in target], np.int64),
        np.array([len(target) for target in targets], np.int64),
        indices,
        epoch,
        number,
        num_batches,
    )


def masked(features: Matrix, options: AugmentationOptions, rng: np.random.Generator) -> Matrix:
    """SpecAugment: stretches of time and bands become the utterance's mean, which the net takes for nothing."""
    frames, bands = features.shape
    features = features.copy()
    means = features.mean(0)
    left = int(options.max_share * frames)
    for _ in range(options.time_masks):
        width = int(rng.integers(0, min(options.max_frames, left) + 1)) if left > 0 else 0
        first = int(rng.integers(0, frames - width + 1))
        features[first : first + width] = means
        left -= width
    for _ in range(options.band_masks):
        width = int(rng.integers(0, min(options.max_bands, bands) + 1))
        first = int(rng.integers(0, bands - width + 1))
        features[:, first : first + width] = means[first : first + width]
    return features


def _halves(planned: Planned) -> list[Planned]:
    """Two batches of one; a single utterance stands in both."""
    half = max(1, len(planned.indices) // 2)
    rest = half if len(planned.indices) > 1 else 0
    return [
        Planned(planned.indices[:half], planned.speeds[:half]),
        Planned(planned.indices[rest:], planned.speeds[rest:]),
    ]


def statistics(source: FeatureSource, num_utterances: int, most: int = 400) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation of each feature, over some of the utterances."""
    chosen = np.unique(np.linspace(0, num_utterances - 1, min(most, num_utterances)).astype(int))
    total, squares, count = 0.0, 0.0, 0
    for index in chosen:
        values = source.features(int(index)).astype(np.float64)
        total, squares, count = total + values.sum(0), squares + np.square(values).sum(0), count + len(values)
    mean = np.asarray(total) / max(count, 1)
    deviation = np.sqrt(np.maximum(np.asarray(squares) / max(count, 1) - mean**2, 1e-8))
    return mean.astype(np.float32), deviation.astype(np.float32)


def _at_speed(sound: Samples, speed: float) -> Samples:
    return sound if speed == 1 else change_speed(sound, speed)


def _recordings(folder: str | None, what: str) -> list[Samples]:
    if folder is None:
        return []
    found = [read_audio(path).samples for path in find_recordings(Path(folder))]
    if not found:
        raise TrainingError(f"{folder} holds no recordings", fix=f"name another folder in augmentation.{what}")
    return found


def _stored(
    side: Side,
    facts: Mapping[str, Any],
    speed: float,
    folder: Path,
    tell: Callable[[str], object] | None,
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]:
    """Features of all utterances of a side, one behind another, and where each starts."""
    description = json.dumps([dict(facts), speed, side.sounds.key, side.places], default=str)
    stem = folder / hashlib.sha256(description.encode()).hexdigest()[:20]
    path, index = stem.with_suffix(".f16"), stem.with_suffix(".npy")
    if not path.is_file() or not index.is_file():
        if tell is not None:
            tell(f"features      {facts['name']} of {len(side)} utterances at speed {speed:g}")
        front_end, starts = make_front_end(facts), [0]

        def features(place: int) -> npt.NDArray[np.float16]:
            return front_end(_at_speed(side.sounds[place], speed)).astype(np.float16)

        with atomic_binary(path) as file:
            for part in side_by_side(features, side.places):
                file.write(part.tobytes())
                starts.append(starts[-1] + len(part))
        with atomic_binary(index) as file:
            np.save(file, np.array(starts, np.int64))
    starts_of = np.load(index)
    shape = (int(starts_of[-1]), int(facts["num_features"]))
    return np.memmap(path, np.float16, "r", shape=shape), starts_of
