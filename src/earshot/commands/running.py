"""Commands within running speech, with no pause around them: a window slides, and a line parts it from speech.

Each command has a discriminant between its recordings, set in the midst of other sound, and windows of running
speech that ship with Earshot. Three recordings and hundreds go the same way; more of them give a better line.
How often windows of speech lie how far on the command's side is known, so the threshold follows from the false
alarms that the user allows.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from earshot.commands.classifier import Tail, check_rate, tail_of
from earshot.commands.discriminant import Discriminant, fit
from earshot.commands.embedding import Embedder, Matrix
from earshot.commands.store import Command
from earshot.commands.trimming import PADDING
from earshot.commands.windows import HOP
from earshot.core.errors import CommandError, ModelError
from earshot.core.types import SAMPLE_RATE, Samples

RIDGE, BALANCE = 10.0, 0.1
"""See ``discriminant.fit``."""

VERSION = 3
"""Of how lines are learned; one that was kept by another version is learned again."""

NUM_SETTINGS = 8
"""Surroundings in which each of few recordings is learned; of hundreds two are enough."""

_LEAST_WEIGHT = 24
"""Recordings from which on each is learned in two surroundings alone."""

_WINDOWS_AN_ALARM = 4.0
"""What is taken for a word is so in several windows, as they overlap, and told once."""

_STEEPNESS = 1.0
"""Logits beyond the threshold at which a confidence of 0.5 has become 0.73."""

_MARGIN_OF_REJECTED = 0.5
"""Logits that what was rejected must lie below the threshold."""

_NOISE_DB = (None, 20.0, 10.0)

OTHER_VERSION = "your background speech was described by another version of Earshot"
GIVE_AGAIN = "give speech again with earshot teach --background FOLDER, or do without: --no-background"
"""Of speech of the user's own, where it is of no use any more."""


@dataclass(frozen=True, slots=True, eq=False)
class RunningBackground:
    """Windows of running speech without commands, in the order of the recordings.

    name: changes with the file. widths: seconds of the windows. vectors: for each width (n, d).
    rates: windows an hour of speech that a spotter looks at, for each width.
    """

    name: str
    widths: tuple[float, ...]
    vectors: tuple[Matrix, ...]
    rates: tuple[float, ...]

    def nearest(self, duration: float) -> int:
        """The width for a command that lasts so many seconds."""
        return int(np.argmin([abs(math.log(width / max(duration, 0.05))) for width in self.widths]))


def load_running_background(path: Path | None = None) -> RunningBackground:
    """The one that ships with Earshot. Raises ModelError when the file is damaged."""
    path = path or Path(__file__).parent / "data" / "running.npz"
    try:
        data = path.read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            widths = tuple(float(width) for width in file["widths"])
            vectors = tuple(_unit_rows(file[f"vectors{index}"]) for index in range(len(widths)))
            rates = tuple(float(rate) * file["hop"] / HOP for rate in file["windows_per_hour"])
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{path} cannot be read: {error}", fix="install earshot again") from error
    return RunningBackground(hashlib.sha256(data).hexdigest()[:12], widths, vectors, rates)


def _unit_rows(rows: Matrix) -> Matrix:
    """Of rounded rows (n, d) the unit vectors that they were."""
    vectors = rows.astype(np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What parts a command from running speech.

    width: which of the background's. floor: the threshold is never below, for the sake of what was rejected.
    """

    width: int
    discriminant: Discriminant
    tail: Tail
    floor: float = -math.inf


class RunningClassifier:
    """Tells the commands of a store apart from running speech.

    false_alarms_per_hour: of speech without commands, all commands together. own: speech of the user's, for
    which thresholds hold as well. Raises CommandError where that is no rate, or its windows have other widths.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        lines: Sequence[Line],
        widths: Sequence[float],
        *,
        false_alarms_per_hour: float = 0.5,
        own: RunningBackground | None = None,
    ) -> None:
        check_rate(false_alarms_per_hour)
        if own is not None and own.widths != tuple(widths):
            raise CommandError(OTHER_VERSION, fix=GIVE_AGAIN)
        self.labels = tuple(command.label for command in commands)
        share = false_alarms_per_hour / max(1, len(commands))
        self.thresholds = tuple(
            max(line.floor, *(tail.threshold(share) for tail in _tails(line, own))) for line in lines
        )
        self.widths = tuple(widths[index] for index in sorted({line.width for line in lines}))
        self._lines = [(widths[line.width], line.discriminant) for line in lines]

    def decide(self, vectors: dict[float, Matrix]) -> tuple[str, float, float] | None:
        """The command that ends here: its label, a confidence from 0.5 on, its width; None for no command.

        vectors: (d,) of the windows that end here, by their widths.
        """
        best: tuple[float, str, float] | None = None
        for (width, line), label, threshold in zip(self._lines, self.labels, self.thresholds, strict=True):
            if width in vectors:
                excess = float(line.logits(vectors[width][None])[0]) - threshold
                if excess >= 0 and (best is None or excess > best[0]):
                    best = (excess, label, width)
        if best is None:
            return None
        excess, label, width = best
        return label, 1 / (1 + math.exp(-min(50.0, excess / _STEEPNESS))), width


def _tails(line: Line, own: RunningBackground | None) -> list[Tail]:
    if own is None:
        return [line.tail]
    scores = line.discriminant.logits(own.vectors[line.width])
    hours = len(scores) / own.rates[line.width]
    return [line.tail, tail_of(scores, hours, caution=1 / _WINDOWS_AN_ALARM)]


def in_context(clips: Sequence[Samples], width: float) -> list[Samples]:
    """Windows that end about where each clip ends, its surroundings other clips played backwards.

    clips: float32 (n,), trimmed. Softer and louder noise is added to some. Always the same.
    """
    rng = np.random.default_rng(len(clips))
    length = round(width * SAMPLE_RATE)
    count = NUM_SETTINGS if len(clips) < _LEAST_WEIGHT else 2
    windows = []
    for clip in clips:
        level = _rms(clip)
        for number in range(count):
            before, after = (_strange(clips, size, level, rng) for size in (length, length // 2))
            scene = np.concatenate([before, clip, after])
            decibels = _NOISE_DB[number % len(_NOISE_DB)]
            if decibels is not None:
                noise = rng.standard_normal(len(scene)).astype(np.float32)
                scene = scene + noise * np.float32(level * 10 ** (-decibels / 20))
            # The window's end lies from a little before the word's to half a step behind the next look.
            end = length + len(clip) - PADDING + int(rng.integers(-600, 1_800))
            windows.append(np.asarray(scene[max(0, end - length) : end], np.float32))
    return windows


def _strange(clips: Sequence[Samples], size: int, level: float, rng: np.random.Generator) -> Samples:
    """Sound of speech that says nothing: pieces of the clips backwards, brought to a level."""
    clip = clips[int(rng.integers(len(clips)))][::-1]
    sound = np.resize(np.roll(clip, int(rng.integers(len(clip)))), size)
    return np.asarray(sound * (level / _rms(sound)), np.float32)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-9


def line_of(
    clips: Sequence[Samples],
    duration: float,
    background: RunningBackground,
    embedder: Embedder,
    *,
    rejected: Sequence[Samples] = (),
) -> Line:
    """Learn a command from its clips (trimmed, float32 at 16 kHz); a fifth of a second for three.

    duration: seconds that it usually lasts. rejected: what was taken for it by mistake.
    """
    width = background.nearest(duration)
    positives = embedder.embed(in_context(clips, background.widths[width]))
    negatives = background.vectors[width]
    # Speech that a line was not learned from shows how far speech goes; voices of the halves differ. Half the
    # speech pulls half as hard, so the ridge holds half as hard: the logits are on the same scale.
    middle = len(negatives) // 2
    halves = (negatives[:middle], negatives[middle:])
    scores = [
        fit(positives, halves[1 - index], ridge=RIDGE / 2, balance=BALANCE).logits(halves[index])
        for index in (0, 1)
    ]
    discriminant = fit(positives, negatives, ridge=RIDGE, balance=BALANCE)
    hours = len(negatives) / background.rates[width]
    tail = tail_of(np.concatenate(scores), hours, caution=1 / _WINDOWS_AN_ALARM)
    length = round(background.widths[width] * SAMPLE_RATE)
    mistaken = discriminant.logits(embedder.embed([clip[-length:] for clip in rejected]))
    return Line(width, discriminant, tail, float(max(mistaken, default=-math.inf)) + _MARGIN_OF_REJECTED)
