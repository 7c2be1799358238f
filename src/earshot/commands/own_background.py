"""Speech of the user's own in which nobody says the commands: thresholds of taught words hold for it, too.

What ships is English. Thresholds from it brought six and five times the false alarms that were asked for in
a language whose syllables it hardly has (Mboshi), between pauses and in running speech.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np

from earshot.commands.classifier import Cohort
from earshot.commands.embedding import Background, Embedder, Matrix
from earshot.commands.looks import Look, PauseCutter
from earshot.commands.running import (
    GIVE_AGAIN,
    OTHER_VERSION,
    RunningBackground,
    load_running_background,
)
from earshot.commands.spotter import Cutter
from earshot.commands.store import CommandStore
from earshot.commands.trimming import trim
from earshot.commands.windows import HOP, WindowCutter
from earshot.core.errors import CommandError
from earshot.core.files import atomic_binary
from earshot.core.types import SAMPLE_RATE, Samples

LEAST_MINUTES, MOST_MINUTES = 10, 120

_DURATIONS = (0.15, 2.0)
"""Seconds of what may be a command."""

_HOP = 6 * HOP
"""Frames between two windows of running speech."""

_BLOCK = 30 * SAMPLE_RATE
"""Of a recording that is looked at together: windows overlap and take room."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnBackground:
    """What stands between two pauses in it, and windows of it; None where the user gave nothing."""

    between_pauses: Background | None = None
    running: RunningBackground | None = None

    @property
    def hours(self) -> float:
        """Of speech that was given."""
        return 0.0 if self.between_pauses is None else self.between_pauses.hours


def between_pauses(samples: Samples) -> Iterator[list[Samples]]:
    """What the spotter would look at in a recording, float32 (n,) at 16 kHz, block by block.

    Sounds of a command's length, trimmed, in order; of some blocks there are none.
    """
    for looks in _looks(PauseCutter(*_DURATIONS), samples):
        sounds = [trim(look.samples) for look in looks]
        yield [sound for sound in sounds if _DURATIONS[0] <= len(sound) / SAMPLE_RATE <= _DURATIONS[1]]


def describe_background(recordings: Iterable[Samples], embedder: Embedder) -> OwnBackground:
    """Of float32 recordings at 16 kHz, the first two hours of them; an hour takes two minutes of two cores.

    Raises CommandError for under ten minutes, or where hardly anybody speaks.
    """
    widths = load_running_background().widths
    vectors: list[Matrix] = []
    durations: list[float] = []
    windows: dict[float, list[Matrix]] = {width: [] for width in widths}
    num_samples, most = 0, MOST_MINUTES * 60 * SAMPLE_RATE
    for recording in recordings:
        samples = recording[: most - num_samples]
        num_samples += len(samples)
        for sounds in between_pauses(samples):
            vectors.append(embedder.embed(sounds))
            durations += [len(sound) / SAMPLE_RATE for sound in sounds]
        for looks in _looks(WindowCutter(widths, hop=_HOP), samples):
            for look, vector in zip(looks, embedder.embed([look.samples for look in looks]), strict=True):
                assert look.width is not None
                windows[look.width].append(vector)
        if num_samples == most:
            break
    if num_samples < LEAST_MINUTES * 60 * SAMPLE_RATE:
        raise CommandError(
            f"that is under {LEAST_MINUTES} minutes of speech", fix="give more recordings without the commands"
        )
    if len(durations) < 20 or min(map(len, windows.values())) < 100:
        raise CommandError("hardly anybody speaks in it", fix="give recordings of people who talk")
    hours = num_samples / SAMPLE_RATE / 3600
    rows = np.concatenate(vectors)
    cohort = Cohort(embedder.space.background)
    levels = np.array([cohort.level(row) for row in rows], np.float32)
    rates = tuple(len(found) / hours * _HOP / HOP for found in windows.values())
    return OwnBackground(
        Background(rows, np.array(durations, np.float32), levels, hours),
        RunningBackground("own", widths, tuple(np.stack(found) for found in windows.values()), rates),
    )


def _looks(cutter: Cutter, samples: Samples) -> Iterator[list[Look]]:
    """Of a whole recording, block by block."""
    for start in range(0, len(samples), _BLOCK):
        yield cutter.accept(samples[start : start + _BLOCK])
    yield cutter.finish()


def save_background(own: OwnBackground, store: CommandStore, embedder: Embedder) -> None:
    """Beside the store's commands, as numbers alone. Raises OutputError."""
    part, running = own.between_pauses, own.running
    assert part is not None
    assert running is not None
    arrays: dict[str, Any] = {f"vectors{i}": rows.astype(np.float16) for i, rows in enumerate(running.vectors)}
    store.create()
    with atomic_binary(store.background_path) as file:
        np.savez_compressed(
            file,
            space=np.array(embedder.space.name),
            vectors=part.vectors.astype(np.float16),
            durations=part.durations,
            levels=part.levels,
            hours=np.array(part.hours),
            widths=np.array(running.widths),
            rates=np.array(running.rates),
            **arrays,
        )


def load_background(store: CommandStore, embedder: Embedder) -> OwnBackground:
    """What the user gave. Raises CommandError where it is damaged or of another version."""
    path = store.background_path
    if not path.exists():
        return OwnBackground()
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        space = str(data.pop("space"))
        if not all(np.isfinite(array).all() for array in data.values()):
            raise ValueError("not all of it are numbers")
        part, running = _read(data)
        if not all(number > 0 for number in (part.hours, *running.rates)):
            raise ValueError("it is of no time at all")
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile) as error:
        raise CommandError(f"{path} cannot be read: {error}", fix=GIVE_AGAIN) from error
    if space != embedder.space.name:
        raise CommandError(OTHER_VERSION, fix=GIVE_AGAIN)
    return OwnBackground(part, running)


def _read(data: dict[str, Matrix]) -> tuple[Background, RunningBackground]:
    vectors, durations, levels = (data[name].astype(np.float32) for name in ("vectors", "durations", "levels"))
    if vectors.ndim != 2 or not len(vectors) == len(durations) == len(levels):
        raise ValueError("its parts do not fit together")
    widths, rates = (tuple(float(one) for one in data[name]) for name in ("widths", "rates"))
    windows = tuple(data[f"vectors{index}"].astype(np.float32) for index in range(len(widths)))
    is_whole = all(len(rows) and rows.shape[1:] == vectors.shape[1:] for rows in windows)
    if not is_whole or len(rates) != len(widths):
        raise ValueError("its parts do not fit together")
    background = Background(vectors, durations, levels, float(data["hours"]))
    return background, RunningBackground("own", widths, windows, rates)
