"""What ``recognizers.py`` trains on and judges with: manifests, and strings of spoken digits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from earshot.audio.resample import resample
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.corpora.formats import read_manifest, write_manifest
from earshot.corpora.letters import letters_of
from earshot.corpora.manifest import Manifest
from earshot.corpora.selection import SplitOptions, split_manifest
from earshot.corpora.sound import read_utterance
from earshot.corpora.utterance import Utterance

PARTS = ("train", "dev", "test")
SHARES = {"train": 0.85, "dev": 0.05, "test": 0.1}
ENGLISH = ("librispeech", "ljspeech", "vctk_p239")

MAX_GAP = 0.15
"""Seconds between two digits, at most."""

NUM_DIGITS = (3, 7)
"""Of a string, fewest and most."""

NUM_DEV_STRINGS = 150
"""Enough to choose weights by."""


# --- Mboshi, English ---------------------------------------------------------------------------------------


def mboshi_by_utterance(speech: Path, folder: Path) -> Path:
    """By a hash of the recordings' names: the speakers are on all sides, their sentences are not."""
    split = split_manifest(
        read_manifest(speech / "mboshi" / "manifest.jsonl"), SplitOptions(SHARES, by="recording")
    )
    return written(split.parts, folder)


def mboshi_by_speaker(speech: Path, folder: Path, *, dev: str = "martial", test: str = "kouarata") -> Path:
    """One speaker is learned from, one chooses the weights, one judges; no sentence on two sides."""
    whole = read_manifest(speech / "mboshi" / "manifest.jsonl")
    speakers = {str(one.speaker): "train" for one in whole} | {dev: "dev", test: "test"}
    split = split_manifest(whole, SplitOptions(SHARES, by="speaker", speakers=speakers))
    return written(split.parts, folder)


def english(speech: Path, folder: Path) -> Path:
    """By a hash of the recordings' names: the four readers are on all sides, their sentences are not."""
    corpora = [read_manifest(speech / corpus / "manifest.jsonl") for corpus in ENGLISH]
    whole = Manifest(tuple(one for corpus in corpora for one in corpus))
    split = split_manifest(whole, SplitOptions(SHARES, by="recording"))
    return written(split.parts, folder)


def written(parts: Mapping[str, Iterable[Utterance]], folder: Path) -> Path:
    """A manifest a part. What is said in one that judges is taken out of those before it.

    Elicited speech repeats its sentences; a net, and a language model even more, would know them by heart.
    """
    judged: set[str] = set()
    for name in reversed(PARTS):
        kept = [one for one in parts[name] if letters_of(one.text or "") not in judged]
        judged |= {letters_of(one.text or "") for one in kept}
        write_manifest(kept, folder / f"{name}.jsonl")
    return folder


# --- digits ------------------------------------------------------------------------------------------------


def digit_strings(speech: Path, folder: Path, *, num_strings: int = 500, seed: int = 1) -> Manifest:
    """Strings of digits of one speaker each, made by joining clips: 16-bit wav files at 16 kHz in ``folder``.

    Three to seven digits with silence of 0 to 150 ms between them, levels as they are. num_strings: of each
    speaker. The same seed gives the same strings.
    """
    clips: dict[str, list[tuple[str, Samples]]] = {}
    for one in read_manifest(speech / "spoken_digits" / "manifest.jsonl"):
        # At their own rate of 8 kHz: joined first and brought to 16 kHz once.
        sound = read_utterance(one, sample_rate=8_000).samples
        clips.setdefault(str(one.speaker), []).append((str(one.text), sound))
    utterances = []
    for number, (speaker, of_speaker) in enumerate(sorted(clips.items())):
        rng = np.random.default_rng((seed, number))
        (folder / speaker).mkdir(parents=True, exist_ok=True)
        for index in range(num_strings):
            samples, text = _string(of_speaker, rng)
            path = folder / speaker / f"{index:04d}.wav"
            soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
            utterances.append(
                Utterance(
                    path,
                    duration=len(samples) / SAMPLE_RATE,
                    text=text,
                    speaker=speaker,
                    language="en",
                    extra={"id": f"{speaker}-{index:04d}"},
                )
            )
    write_manifest(utterances, folder / "manifest.jsonl")
    return Manifest(tuple(utterances))


def _string(clips: list[tuple[str, Samples]], rng: np.random.Generator) -> tuple[Samples, str]:
    chosen = rng.integers(len(clips), size=rng.integers(NUM_DIGITS[0], NUM_DIGITS[1] + 1))
    pieces: list[Samples] = []
    for place in chosen:
        pieces += [clips[place][1], np.zeros(rng.integers(round(MAX_GAP * 8_000) + 1), np.float32)]
    joined = Audio(np.concatenate(pieces[:-1]), 8_000)
    return resample(joined, SAMPLE_RATE).samples, " ".join(clips[place][0] for place in chosen)


def digit_folds(strings: Manifest, folder: Path) -> dict[str, Path]:
    """For each speaker a folder of manifests in which that speaker judges, the next one chooses, four teach."""
    speakers = sorted({str(one.speaker) for one in strings})
    folds = {}
    for number, test in enumerate(speakers):
        dev = speakers[(number + 1) % len(speakers)]
        parts: dict[str, list[Utterance]] = {name: [] for name in PARTS}
        for one in strings:
            parts[{test: "test", dev: "dev"}.get(str(one.speaker), "train")].append(one)
        del parts["dev"][NUM_DEV_STRINGS:]
        for name, utterances in parts.items():
            write_manifest(utterances, folder / test / f"{name}.jsonl")
        folds[test] = folder / test
    return folds


# --- what there is -----------------------------------------------------------------------------------------


def described(folder: Path) -> str:
    """The sizes of the parts, in one line."""
    told = []
    for name in PARTS:
        part = read_manifest(folder / f"{name}.jsonl", checks_files=False)
        speakers = len({one.speaker for one in part})
        minutes = math.fsum(one.duration or 0 for one in part) / 60
        told.append(f"{name} {len(part)} utterances, {minutes:.1f} min, {speakers} speakers")
    return f"{folder}: {'; '.join(told)}"
