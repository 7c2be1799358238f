"""What ``recognizers.py`` trains on and judges with: manifests, and strings of spoken digits."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from earshot.audio.resample import resample
from earshot.commands.trimming import trim
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

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

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
    clips: dict[str, list[Clip]] = {}
    for one in _clips(speech / "spoken_digits"):
        clips.setdefault(one.speaker, []).append(one)
    utterances = [
        utterance
        for number, speaker in enumerate(sorted(clips))
        for utterance in _strings(
            clips[speaker], folder / speaker, speaker, num_strings, np.random.default_rng((seed, number))
        )
    ]
    write_manifest(utterances, folder / "manifest.jsonl")
    return Manifest(tuple(utterances))


@dataclass(frozen=True)
class Clip:
    """One digit at 8 kHz."""

    text: str
    speaker: str
    sound: Samples


def _clips(corpus: Path, *, is_trimmed: bool = False) -> list[Clip]:
    """The digits of a corpus, at the lower rate of the two: joined first and brought to 16 kHz once."""
    clips = []
    for one in read_manifest(corpus / "manifest.jsonl"):
        if one.text not in DIGITS:
            continue
        rate = SAMPLE_RATE if is_trimmed else 8_000
        sound = read_utterance(one, sample_rate=rate)
        if is_trimmed:
            sound = resample(Audio(trim(sound.samples), rate), 8_000)
        clips.append(Clip(one.text, str(one.speaker), sound.samples))
    return clips


def mixed_strings(
    speech: Path, folder: Path, speakers: Collection[str], *, num_strings: int = 2_000, seed: int = 2
) -> list[Utterance]:
    """More to learn from: every digit of a string by somebody else, and up to 20 dB softer.

    The digits are those of ``speakers`` and of some 700 people of Speech Commands, cut to what sounds in them.
    Levels within a recording of some speakers differ by so much; nets of strings of one speaker, one level,
    leave soft digits beside loud ones out.
    """
    clips = [one for one in _clips(speech / "spoken_digits") if one.speaker in speakers]
    clips += _clips(speech / "speech_commands", is_trimmed=True)
    rng = np.random.default_rng((seed, *map(ord, "".join(sorted(speakers)))))
    return _strings(clips, folder, None, num_strings, rng, softest=-20.0)


def _strings(
    clips: list[Clip],
    folder: Path,
    speaker: str | None,
    num_strings: int,
    rng: np.random.Generator,
    *,
    softest: float = 0.0,
) -> list[Utterance]:
    """Recordings of strings, digits drawn evenly. softest: decibels by which each is changed at most."""
    folder.mkdir(parents=True, exist_ok=True)
    of_digit = {digit: [one for one in clips if one.text == digit] for digit in DIGITS}
    utterances = []
    for index in range(num_strings):
        digits = rng.choice(DIGITS, rng.integers(NUM_DIGITS[0], NUM_DIGITS[1] + 1))
        pieces: list[Samples] = []
        for digit in digits:
            sound = of_digit[digit][rng.integers(len(of_digit[digit]))].sound
            gain = np.float32(10 ** (rng.uniform(softest, 0.0) / 20))
            pieces += [sound * gain, np.zeros(rng.integers(round(MAX_GAP * 8_000) + 1), np.float32)]
        samples = resample(Audio(np.concatenate(pieces[:-1]), 8_000), SAMPLE_RATE).samples
        path = folder / f"{index:04d}.wav"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
        facts = {"id": f"{speaker or 'mixed'}-{index:04d}"}
        utterances.append(
            Utterance(
                path,
                duration=len(samples) / SAMPLE_RATE,
                text=" ".join(digits),
                speaker=speaker,
                language="en",
                extra=facts,
            )
        )
    return utterances


def digit_folds(strings: Manifest, folder: Path, speech: Path) -> dict[str, Path]:
    """For each speaker a folder of manifests in which that speaker judges and the next one chooses.

    The other four teach, by themselves and mixed with each other and with many more.
    """
    speakers = sorted({str(one.speaker) for one in strings})
    folds = {}
    for number, test in enumerate(speakers):
        dev = speakers[(number + 1) % len(speakers)]
        parts: dict[str, list[Utterance]] = {name: [] for name in PARTS}
        for one in strings:
            parts[{test: "test", dev: "dev"}.get(str(one.speaker), "train")].append(one)
        del parts["dev"][NUM_DEV_STRINGS:]
        mixed = folder / test / "mixed"
        if not (mixed / "manifest.jsonl").is_file():
            made = mixed_strings(speech, mixed, {*speakers} - {test, dev})
            write_manifest(made, mixed / "manifest.jsonl")
        parts["train"] += read_manifest(mixed / "manifest.jsonl")
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
