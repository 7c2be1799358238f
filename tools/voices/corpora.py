"""Recordings that the voice encoder learns from, and the voices that it never hears."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.commands.trimming import trim
from earshot.core.types import Samples

NUM_TEST, NUM_DEV = 60, 20
ALWAYS_TEST = ("19", "27")
"""They also speak the corpus ``librispeech``, which serves the test alone, as does VCTK."""

LONGEST = 16 * 16_000


@dataclass(frozen=True)
class Utterance:
    """Speech of one voice. group: the corpus. samples: float32 at 16 kHz."""

    group: str
    speaker: str
    samples: Samples


def rows(folder: Path) -> list[dict[str, str]]:
    """The manifest's lines."""
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]


def split(speech: Path) -> dict[str, list[str]]:
    """Speakers of ``librispeech_speakers`` by use: test, dev, train. By a hash, so that it stays as it is."""
    speakers = {row["speaker"] for row in rows(speech / "librispeech_speakers")}
    ordered = sorted(
        speakers - set(ALWAYS_TEST), key=lambda s: hashlib.sha256(f"voices {s}".encode()).hexdigest()
    )
    ordered = [*ALWAYS_TEST, *ordered]
    return {
        "test": ordered[:NUM_TEST],
        "dev": ordered[NUM_TEST : NUM_TEST + NUM_DEV],
        "train": ordered[NUM_TEST + NUM_DEV :],
    }


def librispeech_voices(speech: Path, use: str) -> list[Utterance]:
    """One utterance a speaker."""
    wanted = set(split(speech)[use])
    folder = speech / "librispeech_speakers"
    return [
        Utterance("librispeech_speakers", row["speaker"], read_audio(folder / row["audio"]).samples)
        for row in rows(folder)
        if row["speaker"] in wanted
    ]


def training_data(speech: Path) -> list[Utterance]:
    """Everything that may train weights, but for held-out voices, VCTK, and what diarization is measured on."""
    found = librispeech_voices(speech, "train")
    found += _joined(speech / "speech_commands", most=8, num_speakers=250)
    found += _joined(speech / "arabic_commands", most=14, num_speakers=30)
    for name, most in (("ljspeech", 100), ("wake_words", 150), ("spoken_orders", 300), ("not_wake_words", 0)):
        for row in rows(speech / name)[:most]:
            samples = trim(read_audio(speech / name / row["audio"]).samples)
            if len(samples) > 8_000:
                found.append(Utterance(name, row.get("speaker", row["audio"]), samples[:LONGEST]))
    return found


def _joined(folder: Path, most: int, num_speakers: int) -> list[Utterance]:
    """Short clips of a speaker, ``most`` at a time, joined; of the first so many speakers that have them."""
    clips = defaultdict(list)
    for row in rows(folder):
        if row.get("label") != "_silence_":
            clips[row["speaker"]].append(folder / row["audio"])
    found = []
    full = [(speaker, paths) for speaker, paths in sorted(clips.items()) if len(paths) >= most]
    for speaker, paths in full[:num_speakers]:
        for start in range(0, 2 * most, most):
            parts = [trim(read_audio(path).samples) for path in paths[start : start + most]]
            samples = np.concatenate([np.zeros(0, np.float32), *parts])[:LONGEST]
            if len(samples) > 16_000:
                found.append(Utterance(folder.name, speaker, samples))
    return found
