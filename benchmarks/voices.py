"""How well voices are told apart: verification, five known voices, strangers.

    python benchmarks/voices.py SPEECH [--encoder NAME]…

SPEECH is a folder of corpora with manifests. The speakers of ``librispeech_speakers`` that the net did not
learn from are named on its card; each has one utterance of some 12 s, so their pairs of one voice come from one
recording. ``librispeech`` and ``vctk_p239`` (three voices, never learned from) have many recordings, so their
pairs do not.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import earshot.speakers
from earshot.audio.decode import read_audio
from earshot.core.errors import MissingExtraError
from earshot.core.types import Samples
from earshot.speakers.encoder import SpeakerEncoder, find_encoder, unit_rows
from earshot.speakers.identification import (
    MfccSvm,
    VoiceIdentifier,
    cluster_accuracy,
    kmeans,
    open_set_threshold,
)
from earshot.speakers.scoring import Trials, all_trials, equal_error
from earshot.speakers.types import Vectors

RATE = 16_000
CARD = Path(earshot.speakers.__file__).parent / "data" / "voice.card.json"


@dataclass(frozen=True)
class Piece:
    """A piece of an utterance and whose it is."""

    speaker: str
    samples: Samples


def load(folder: Path, speakers: Sequence[str] | None = None, most: int | None = None) -> list[Piece]:
    """Utterances of a corpus, of these speakers."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if speakers is None or row["speaker"] in speakers]
    return [Piece(row["speaker"], read_audio(folder / row["audio"]).samples) for row in rows[:most]]


def cut(utterances: Sequence[Piece], shortest: float, longest: float, rng: np.random.Generator) -> list[Piece]:
    """Pieces of random length that do not overlap; what is left over is not used."""
    found = []
    for utterance in utterances:
        start = 0
        while (length := int(rng.uniform(shortest, longest) * RATE)) <= len(utterance.samples) - start:
            found.append(Piece(utterance.speaker, utterance.samples[start : start + length]))
            start += length
    return found


def embed(encoder: SpeakerEncoder, pieces: Sequence[Piece]) -> Vectors:
    """Their vectors."""
    return encoder.embed([piece.samples for piece in pieces])


def percent(value: float | None) -> str:
    """As in tables."""
    return "–" if value is None else f"{100 * value:.2f} %"


def share(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Of equal names."""
    return sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)


def pooled(parts: Sequence[Trials]) -> Trials:
    """Trials of several cuts; no pair of pieces is of two cuts, as those overlap."""
    columns = ("cosines", "is_same", "first", "second")
    return Trials(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))


def verification(encoder: SpeakerEncoder, name: str, cuts: Sequence[Sequence[Piece]]) -> None:
    """Print one row. cuts: several ways to cut the same utterances into pieces."""
    parts = [all_trials(embed(encoder, pieces), [piece.speaker for piece in pieces]) for pieces in cuts]
    result = equal_error(pooled(parts))
    interval = f"{percent(result.low)} to {percent(result.high)}"
    print(
        f"| {encoder.name} | {name} | {percent(result.rate)} | {interval} | {result.threshold:.3f} "
        f"| {result.num_same} / {result.num_other} |",
        flush=True,
    )


def three_seconds(utterances: Sequence[Piece]) -> dict[str, list[Samples]]:
    """Four pieces of 3 s of each voice that has so much."""
    length = 3 * RATE
    return {
        u.speaker: [u.samples[i * length : (i + 1) * length] for i in range(4)]
        for u in utterances
        if len(u.samples) >= 4 * length
    }


def closed_set(encoders: Sequence[SpeakerEncoder], utterances: Sequence[Piece], num_draws: int) -> None:
    """Five voices, enrolled with 6 s each, then asked for 3 s; and the same pieces put into five clusters."""
    voices = three_seconds(utterances)
    names = sorted(voices)
    vectors = {e.name: {n: e.embed(voices[n]) for n in names} for e in encoders}
    rng = np.random.default_rng(5)
    right: dict[str, list[float]] = {}
    clustered: dict[str, list[float]] = {}
    for _ in range(num_draws):
        five = [str(name) for name in rng.choice(names, 5, replace=False)]
        clips = [(name, clip) for name in five for clip in voices[name]]
        known = [pair for index, pair in enumerate(clips) if index % 4 < 2]
        asked = [pair for index, pair in enumerate(clips) if index % 4 >= 2]
        svm = MfccSvm().fit([clip for _, clip in known], [name for name, _ in known])
        guesses = svm.predict([clip for _, clip in asked])
        right.setdefault("MFCC + SVM", []).append(share(guesses, [name for name, _ in asked]))
        truth = [name for name, _ in clips]
        labels = kmeans(svm.vectors([clip for _, clip in clips]), 5)
        clustered.setdefault("MFCC", []).append(cluster_accuracy(labels, truth))
        for encoder in encoders:
            table = np.concatenate([vectors[encoder.name][name] for name in five])
            is_known = np.arange(len(table)) % 4 < 2
            identifier = VoiceIdentifier.enrol(table[is_known], [name for name, _ in known])
            found = identifier.identify(table[~is_known])
            right.setdefault(encoder.name, []).append(
                share([f.nearest for f in found], [name for name, _ in asked])
            )
            clustered.setdefault(encoder.name, []).append(cluster_accuracy(kmeans(table, 5), truth))
    print(f"\nFive voices of {len(names)}, 6 s to learn, 3 s to tell, {10 * num_draws} questions\n")
    print("| by | right | K-means, clips in the right cluster |\n|---|---|---|")
    for name, values in right.items():
        in_cluster = clustered[name.partition(" ")[0]]
        print(f"| {name} | {percent(float(np.mean(values)))} | {percent(float(np.mean(in_cluster)))} |")


def open_set(
    encoder: SpeakerEncoder, dev: Sequence[Piece], test: Sequence[Piece], seconds: float, num_draws: int
) -> None:
    """Five known voices; everybody else is a stranger. The threshold comes from other voices."""
    threshold, _ = open_set_threshold(*_scores(encoder, dev, seconds, num_draws), false_accepts=0.01)
    known, strangers = _scores(encoder, test, seconds, num_draws)
    taken, missed = float(np.mean(strangers >= threshold)), float(np.mean(known < threshold))
    print(
        f"| {encoder.name} | {seconds:g} s | {threshold:.3f} | {percent(taken)} | {percent(missed)} "
        f"| {len(strangers)} / {len(known)} |"
    )


def _scores(
    encoder: SpeakerEncoder, utterances: Sequence[Piece], seconds: float, num_draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of known voices to themselves, and of strangers to the nearest of five known."""
    half = int(seconds * RATE)
    usable = [u for u in utterances if len(u.samples) >= 6 * RATE + half]
    enrolled = unit_rows(encoder.embed([u.samples[: 6 * RATE] for u in usable]))
    asked = encoder.embed([u.samples[6 * RATE : 6 * RATE + half] for u in usable])
    rng = np.random.default_rng(6)
    known, strangers = [], []
    for _ in range(num_draws):
        five = rng.choice(len(usable), 5, replace=False)
        cosines = asked @ enrolled[five].T
        known += [cosines[row, column] for column, row in enumerate(five)]
        strangers += list(np.delete(cosines, five, axis=0).max(axis=1))
    return np.array(known), np.array(strangers)


def speed(encoder: SpeakerEncoder, sound: Samples) -> None:
    """Windows of 1.5 s each 0.75 s, as diarization asks for."""
    starts = range(0, len(sound) - 24_000, 12_000)
    encoder.embed_windows(sound[: 10 * RATE], [0, 12_000], 24_000)
    began = time.perf_counter()
    encoder.embed_windows(sound, starts, 24_000)
    seconds = time.perf_counter() - began
    hour = seconds * 3600 * RATE / len(sound)
    print(f"| {encoder.name} | {encoder.dim} | {len(sound) / RATE:.0f} s in {seconds:.1f} s | {hour:.0f} s |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--encoder", action="append")
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    encoders = []
    for name in options.encoder or ["earshot", "ge2e"]:
        try:
            encoders.append(find_encoder(name))
        except MissingExtraError as error:
            print(error)
    card = json.loads(CARD.read_text(encoding="utf-8"))
    test, dev = (
        load(options.speech / "librispeech_speakers", card["speakers"][use]) for use in ("test", "dev")
    )
    rng = np.random.default_rng(0)
    mixed, short = [cut(test, 3, 10, rng) for _ in range(5)], [cut(test, 3, 3, rng)]
    many = load(options.speech / "librispeech") + load(options.speech / "vctk_p239")
    across = [Piece(p.speaker, p.samples[: 5 * RATE]) for p in many if len(p.samples) >= 3 * RATE]
    across += [piece for piece in cut(test, 5, 5, rng) if piece.speaker not in ("19", "27")]
    print(
        "| encoder | trials | equal error rate | 95 % interval over speakers | threshold | pairs of one / two |"
    )
    print("|---|---|---|---|---|---|")
    for encoder in encoders:
        verification(encoder, f"{len(test)} unseen voices, 3 to 10 s", mixed)
        verification(encoder, "the same, 3 s each", short)
        verification(encoder, "across recordings: 3 voices with many, 58 others, to 5 s", [across])
        if encoder.name == "ge2e":  # it learned from other parts of LibriSpeech
            everybody = load(options.speech / "librispeech_speakers")
            verification(encoder, f"{len(everybody)} voices, 3 to 10 s", [cut(everybody, 3, 10, rng)])
    closed_set(encoders, test, options.draws)
    print("\n| encoder | asked with | threshold | strangers taken for known | known missed | questions |")
    print("|---|---|---|---|---|---|")
    for encoder in encoders:
        for seconds in (3.0, 5.0):
            open_set(encoder, dev, test, seconds, options.draws)
    print(
        f"\n| encoder | numbers | {os.cpu_count()} cores | an hour of windows each 0.75 s |\n|---|---|---|---|"
    )
    sound = np.concatenate([piece.samples for piece in test])[: 600 * RATE]
    for encoder in encoders:
        speed(encoder, sound)


if __name__ == "__main__":
    main()
