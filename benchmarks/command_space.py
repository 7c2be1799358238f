"""Learns the space of the command room and writes ``commands/data/space.npz``.

    python benchmarks/command_space.py describe speech_commands --seconds 100   (again, until it says all)
    python benchmarks/command_space.py describe arabic_commands --seconds 100
    python benchmarks/command_space.py background librispeech_speakers --seconds 100
    python benchmarks/command_space.py learn
    python benchmarks/command_space.py running                   (after learn; ten minutes)

Needs the corpora of ``$EARSHOT_SPEECH`` or ``../shared/speech``. Descriptions are kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.audio.decode import read_audio
from earshot.commands.classifier import mean_of_largest
from earshot.commands.embedding import Background, ClipEncoder, LinearMap, Space, load_space, project
from earshot.commands.looks import Look
from earshot.commands.own_background import between_pauses
from earshot.commands.windows import WindowCutter
from earshot.core.types import SAMPLE_RATE, Samples

ROOT = Path(__file__).parents[1]
SPEECH = Path(os.environ.get("EARSHOT_SPEECH", ROOT.parent / "shared" / "speech"))
TARGET = ROOT / "src" / "earshot" / "commands" / "data" / "space.npz"

SHRINKAGE = 0.5
WIDTHS, NUM_DIMENSIONS, WEIGHTS = (576, 96), (128, 64), (0.58, 0.42)
"""Of what each net tells, of what is kept of it, and of its cosine."""
BACKGROUND = ("librispeech_speakers", "ljspeech", "vctk_p239", "meetings_ami", "not_wake_words")
NOTHING = Background(
    np.empty((0, sum(NUM_DIMENSIONS)), np.float32), np.empty(0, np.float32), np.empty(0, np.float32), 1.0
)
TWIN = 0.97
"""Cosine above which two pieces of background are one piece, cut twice."""

RUNNING_WIDTHS, RUNNING_HOP = (0.48, 0.704, 1.056, 1.6), 12
"""Seconds of the windows in running speech, and frames of 32 ms between two."""
MOST = (8_000, 8_000, 8_000, 4_000)
"""Windows of each width that ship."""
RUNNING = (
    ("librispeech_speakers", 1.0),
    ("ljspeech", 0.39),
    ("vctk_p239", 0.91),
    ("not_wake_words", 1.0),
    ("meetings_ami", 1.0),
)
"""Corpora, and how much of them."""

Matrix = npt.NDArray[np.float32]


@functools.cache
def rows_of(corpus: str) -> list[dict[str, Any]]:
    """The manifest in a random order that is always the same; recordings of silence are left out."""
    lines = (SPEECH / corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row.get("label") != "_silence_"]
    random.Random(0).shuffle(rows)
    return rows


@dataclass(frozen=True)
class Described:
    """What is known of a corpus so far. statistics: (n, 672), a row a clip; durations: seconds of each."""

    statistics: Matrix
    words: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]
    durations: Matrix
    num_recordings: int
    hours: float


def load(cache: Path, corpus: str) -> Described:
    """What was described so far, maybe nothing."""
    path = cache / f"{corpus}.npz"
    if not path.exists():
        empty = np.empty(0, np.str_)
        return Described(np.empty((0, sum(WIDTHS)), np.float32), empty, empty, np.empty(0, np.float32), 0, 0.0)
    with np.load(path) as data:
        return Described(
            data["statistics"],
            data["words"],
            data["speakers"],
            data["durations"],
            int(data["num_recordings"]),
            float(data["hours"]),
        )


def describe(corpus: str, cache: Path, seconds: float, *, is_background: bool) -> None:
    """Go on with the clips of a corpus for so long."""
    known = load(cache, corpus)
    statistics, words, speakers = list(known.statistics), list(known.words), list(known.speakers)
    durations, num_recordings, hours = list(known.durations), known.num_recordings, known.hours
    encoder = ClipEncoder()
    rows = rows_of(corpus)
    begun = time.monotonic()
    for row in rows[num_recordings:]:
        if time.monotonic() - begun > seconds:
            break
        samples = read_audio(SPEECH / corpus / row["audio"]).samples
        clips = list(chain.from_iterable(between_pauses(samples))) if is_background else [samples]
        statistics += [encoder.statistics(clip) for clip in clips]
        words += [row.get("label") or row.get("text", "")] * len(clips)
        speakers += [row.get("speaker", "")] * len(clips)
        durations += [len(clip) / SAMPLE_RATE for clip in clips]
        num_recordings += 1
        hours += len(samples) / SAMPLE_RATE / 3600
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(
        cache / f"{corpus}.npz",
        statistics=np.array(statistics),
        words=np.array(words),
        speakers=np.array(speakers),
        durations=np.array(durations),
        num_recordings=num_recordings,
        hours=hours,
    )
    print(f"{corpus}: {num_recordings} of {len(rows)} recordings, {len(words)} clips, {hours:.2f} hours")


def learn_maps(statistics: Matrix, words: npt.NDArray[np.str_]) -> tuple[LinearMap, ...]:
    """One for what each net tells; projections as exact as they ship."""
    parts = np.split(statistics, np.cumsum(WIDTHS)[:-1], axis=1)
    return tuple(
        LinearMap(*learn_map(part, words, size), weight)
        for part, size, weight in zip(parts, NUM_DIMENSIONS, WEIGHTS, strict=True)
    )


def learn_map(statistics: Matrix, words: npt.NDArray[np.str_], num_dimensions: int) -> tuple[Matrix, Matrix]:
    """Centre (w,) and projection (w, d): within-class whitening, then the directions of most variance."""
    centre, scale = statistics.mean(axis=0), statistics.std(axis=0) + 1e-6
    points = ((statistics - centre) / scale).astype(np.float64)
    groups = [points[words == word] for word in np.unique(words)]
    groups = [group for group in groups if len(group) >= 5]
    within = np.mean([np.cov(group.T, bias=True) for group in groups], axis=0)
    size = len(within)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / size * np.eye(size)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    means = np.stack([group.mean(axis=0) for group in groups]) @ whiten
    total = np.cov((points @ whiten).T) + np.cov(means.T)
    directions = np.linalg.eigh(total)[1][:, ::-1][:, :num_dimensions]
    projection = (whiten @ directions) / scale[:, None]
    return centre.astype(np.float32), projection.astype(np.float16).astype(np.float32)


def levels_of(vectors: Matrix) -> Matrix:
    """Mean cosine of each piece (n, d) to the others that are nearest, its own other cuts left out."""
    likeness = vectors @ vectors.T
    likeness[likeness > TWIN] = -1
    return mean_of_largest(likeness)


def learn(cache: Path) -> None:
    """From all that is described; writes the file that ships."""
    english, arabic = load(cache, "speech_commands"), load(cache, "arabic_commands")
    is_word = english.words != "_unknown_"
    maps = learn_maps(
        np.concatenate([english.statistics[is_word], arabic.statistics]),
        np.concatenate([english.words[is_word], arabic.words]),
    )
    background = [load(cache, corpus) for corpus in BACKGROUND]
    name = hashlib.sha256(b"".join(part.projection.tobytes() for part in maps)).hexdigest()[:12]
    vectors = project(Space(name, maps, NOTHING), np.concatenate([part.statistics for part in background]))
    arrays: dict[str, Any] = {f"centre{index}": part.centre for index, part in enumerate(maps)}
    arrays |= {f"projection{index}": part.projection.astype(np.float16) for index, part in enumerate(maps)}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        TARGET,
        name=np.array(name),
        weights=np.array(WEIGHTS),
        **arrays,
        background=np.round(127 * vectors / np.abs(vectors).max(axis=1, keepdims=True)).astype(np.int8),
        durations=np.concatenate([part.durations for part in background]).astype(np.float16),
        levels=levels_of(vectors).astype(np.float16),
        hours=np.array(sum(part.hours for part in background)),
    )
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.2f} MB, {len(vectors)} windows of background")


def running() -> None:
    """Windows that slide over running speech; writes the other file that ships."""
    counts = [0] * len(RUNNING_WIDTHS)
    hours = 0.0
    for samples, looks in speech_windows():
        for look in looks:
            counts[RUNNING_WIDTHS.index(look.width)] += 1
        hours += len(samples) / SAMPLE_RATE / 3600
    print(f"{sum(counts)} windows in {hours:.2f} hours", flush=True)
    chosen = [
        set(np.linspace(0, count - 1, min(count, most)).astype(int))
        for count, most in zip(counts, MOST, strict=True)
    ]
    encoder, space = ClipEncoder(), load_space()
    found: list[list[Matrix]] = [[] for _ in counts]
    places = [0] * len(counts)
    for _, looks in speech_windows():
        for look in looks:
            index = RUNNING_WIDTHS.index(look.width)
            if places[index] in chosen[index]:
                found[index].append(encoder.statistics(look.samples))
            places[index] += 1
    arrays: dict[str, Any] = {}
    for index, statistics in enumerate(found):
        vectors = project(space, np.stack(statistics))
        peaks = np.abs(vectors).max(axis=1, keepdims=True)
        arrays[f"vectors{index}"] = np.round(127 * vectors / peaks).astype(np.int8)
    target = TARGET.with_name("running.npz")
    widths, hop, each = np.array(RUNNING_WIDTHS), np.array(RUNNING_HOP), np.array(counts) / hours
    np.savez_compressed(target, widths=widths, hop=hop, windows_per_hour=each, **arrays)
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB from {hours:.2f} hours")


def speech_windows() -> Iterator[tuple[Samples, list[Look]]]:
    """The recordings of running speech, and what the spotter would look at in each."""
    for corpus, share in RUNNING:
        rows = rows_of(corpus)
        for row in rows[: round(share * len(rows))]:
            samples = read_audio(SPEECH / corpus / row["audio"]).samples
            cutter = WindowCutter(RUNNING_WIDTHS, hop=RUNNING_HOP)
            yield samples, [*cutter.accept(samples), *cutter.finish()]


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("describe", "background", "learn", "running"))
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "command_space")
    options = parser.parse_args()
    if options.what == "learn":
        learn(options.cache)
    elif options.what == "running":
        running()
    elif options.corpus is None:
        parser.error("name a corpus")
    else:
        describe(options.corpus, options.cache, options.seconds, is_background=options.what == "background")


if __name__ == "__main__":
    main()
