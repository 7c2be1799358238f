"""A language of vowels alone: a small net learns to write it within seconds."""

from __future__ import annotations

import json
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal

from earshot.core.types import Samples

LETTERS = "aekmost"
_FORMANTS = {
    "a": (750, 1_300),
    "e": (400, 2_300),
    "k": (300, 900),
    "m": (600, 1_900),
    "o": (450, 800),
    "s": (280, 2_700),
    "t": (900, 1_700),
}
"""Hz; the third lies at 3,200."""

_VOICES = {"low": 0.85, "middle": 1.0, "high": 1.2}
WORDS = ("mat", "tomato", "soma", "keso", "assam", "ket", "to", "some", "okta", "metta")


def sound_of(text: str, *, pitch: float = 1.0, seed: int = 0) -> Samples:
    """A text as somebody says it: float32 at 16 kHz, each letter 100 to 150 ms, with some noise.

    A voice of pulses goes through the resonances of each letter; a space is a breath.
    """
    rng = np.random.default_rng(seed)
    parts = [np.zeros(1_600)]
    for letter in text:
        num = int(rng.integers(1_600, 2_400))
        if letter == " ":
            parts.append(0.03 * rng.standard_normal(num))
            continue
        voice = np.zeros(num)
        voice[np.cumsum(rng.normal(16_000 / (120 * pitch), 1.5, num // 100)).astype(int) % num] = 1
        for formant in (*_FORMANTS[letter], 3_200):
            voice = _resonant(voice, formant * pitch**0.5)
        parts.append(voice / (8 * np.sqrt(np.mean(voice**2))) * np.hanning(num) ** 0.5)
    sound = np.concatenate([*parts, np.zeros(1_600)])
    return np.asarray(sound + 0.001 * rng.standard_normal(len(sound)), np.float32)


def _resonant(sound: npt.NDArray[np.float64], frequency: float) -> npt.NDArray[np.float64]:
    """Through a resonance 90 Hz wide."""
    radius = np.exp(-np.pi * 90 / 16_000)
    poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / 16_000), radius**2]
    return np.asarray(scipy.signal.lfilter([1], poles, sound))


def sentence(rng: np.random.Generator, num_words: int | None = None) -> str:
    """Some words in a row."""
    return " ".join(rng.choice(WORDS, num_words or int(rng.integers(2, 5))))


def write_sound(path: Path, sound: Samples) -> Path:
    """A WAV of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.clip(np.rint(sound * 32_768), -32_768, 32_767).astype("<i2").tobytes())
    return path


def write_lines(path: Path, lines: Sequence[Mapping[str, Any] | str]) -> Path:
    """A manifest; a text stands there as it is."""
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return path


def write_language(folder: Path, num_utterances: int = 72, *, seed: int = 0) -> Path:
    """Recordings by three people, ``train.jsonl`` of two of them, ``dev.jsonl`` of the third, ``all.jsonl``."""
    rng = np.random.default_rng(seed)
    lines: dict[str, list[dict[str, Any]]] = {"train": [], "dev": []}
    voices = list(_VOICES)
    for number in range(num_utterances):
        speaker = voices[number % 3]
        text = sentence(rng)
        sound = sound_of(text, pitch=_VOICES[speaker], seed=seed * 1_000 + number)
        write_sound(folder / f"{number:03}.wav", sound)
        line = {
            "audio": f"{number:03}.wav",
            "duration": len(sound) / 16_000,
            "text": text,
            "speaker": speaker,
            "language": "x-vowels",
        }
        lines["dev" if speaker == "middle" else "train"].append(line)
    for name, found in (*lines.items(), ("all", lines["train"] + lines["dev"])):
        write_lines(folder / f"{name}.jsonl", found)
    return folder


def options_for(language: Path, **parts: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run that learns the language within seconds. parts: over the usual options, part by part."""
    usual: dict[str, dict[str, Any]] = {
        "data": {"train": [str(language / "train.jsonl")], "dev": [str(language / "dev.jsonl")]},
        "features": {"name": "mfcc"},
        "net": {"name": "lstm-streaming", "options": {"size": 48, "num_layers": 1, "stacking": 4}},
        "augmentation": {"speeds": [1.0], "time_masks": 0, "band_masks": 0},
        "learning": {
            "epochs": 8,
            "batch_seconds": 8,
            "learning_rate": 1e-2,
            "average": 0.8,
            "precision": "float32",
        },
    }
    return {key: {**usual.get(key, {}), **parts.get(key, {})} for key in {**usual, **parts}}


def write_toml(path: Path, language: Path, **parts: Mapping[str, Any]) -> Path:
    """The same as a file."""
    lines = []
    for name, part in options_for(language, **parts).items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_as_toml(value)}" for key, value in part.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _as_toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_as_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
