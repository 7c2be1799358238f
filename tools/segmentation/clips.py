"""Voices to learn from: clips of one speaker each, and when they speak; read once, then kept."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from earshot.audio.decode import read_audio
from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import Samples

SAMPLE_RATE = 16_000
SPEEDS = (1.0, 0.88, 1.13)
"""A voice played at another speed is another voice; 251 are few."""
HELD_OUT = 30
"""Voices of librispeech_speakers, the last of the list, that are never learned from."""
FILLED = 0.4
"""Seconds: a shorter pause belongs to the turn, as annotators of meetings have it."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One voice. samples: int16 (n,); active: whether it speaks in each 10 ms (hop of the features)."""

    voice: str
    samples: npt.NDArray[np.int16]
    active: npt.NDArray[np.bool_]


def speech_frames(samples: Samples) -> npt.NDArray[np.bool_]:
    """Whether there is speech in each 10 ms, short pauses filled."""
    detector = VoiceActivityDetector()
    probabilities = np.concatenate([detector.probabilities(samples), detector.flush()])
    is_speech = np.zeros(len(probabilities), np.bool_)
    state = False
    for place, probability in enumerate(probabilities):
        state = probability >= (0.25 if state else 0.45)
        is_speech[place] = state
    limit = int(FILLED * SAMPLE_RATE / FRAME)
    spoken = np.flatnonzero(is_speech)
    for first, second in itertools.pairwise(spoken):
        if second - first - 1 <= limit:
            is_speech[first:second] = True
    centres = (np.arange(len(samples) // 160) * 160 + 80) // FRAME
    return is_speech[np.minimum(centres, len(is_speech) - 1)] if len(is_speech) else np.zeros(0, np.bool_)


def _rows(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def _read(path: Path, voice: str, speeds: tuple[float, ...], longest: float = 40.0) -> list[Clip]:
    samples = read_audio(path).samples[: int(longest * SAMPLE_RATE)]
    clips = []
    for speed in speeds:
        changed = samples if speed == 1 else soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE)
        changed = changed.astype(np.float32)
        peak = max(1e-6, float(np.abs(changed).max(initial=0)))
        whole = (changed * (30000 / peak)).astype(np.int16)
        active = speech_frames(whole.astype(np.float32) / 32768)
        if active.sum() >= 20:
            clips.append(Clip(f"{voice}@{speed}", whole, active))
    return clips


def read_clips(speech: Path) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Long clips to learn from, one-word clips to learn from, and long clips of voices held out."""
    everyone = sorted({row["speaker"] for row in _rows(speech / "librispeech_speakers")})
    held_out = set(everyone[-HELD_OUT:])
    train: list[Clip] = []
    words: list[Clip] = []
    test: list[Clip] = []
    for row in _rows(speech / "librispeech_speakers"):
        path = speech / "librispeech_speakers" / row["audio"]
        if row["speaker"] in held_out:
            test += _read(path, row["speaker"], (1.0,))
        else:
            train += _read(path, row["speaker"], SPEEDS)
    for corpus, voice, every in (
        ("librispeech", None, 12),
        ("ljspeech", "linda", 30),
        ("vctk_p239", "p239", 40),
    ):
        for row in _rows(speech / corpus)[::every]:
            train += _read(speech / corpus / row["audio"], voice or row["speaker"], (1.0,))
    seen: dict[str, int] = {}
    for row in _rows(speech / "speech_commands"):
        name = row.get("speaker", "")
        if not name or row.get("label") == "_silence_" or seen.get(name, 0) >= 1:
            continue
        seen[name] = seen.get(name, 0) + 1
        words += _read(speech / "speech_commands" / row["audio"], f"word {name}", (1.0,))
    return train, words, test


def save(path: Path, clips: list[Clip]) -> None:
    """Keep clips in one file."""
    np.savez(
        path,
        voices=np.array([clip.voice for clip in clips]),
        lengths=np.array([len(clip.samples) for clip in clips]),
        samples=np.concatenate([clip.samples for clip in clips]),
        frames=np.array([len(clip.active) for clip in clips]),
        active=np.concatenate([clip.active for clip in clips]),
    )


def load(path: Path) -> list[Clip]:
    """What ``save`` kept."""
    with np.load(path) as data:
        samples = np.split(data["samples"], np.cumsum(data["lengths"])[:-1])
        active = np.split(data["active"], np.cumsum(data["frames"])[:-1])
        return [Clip(str(v), s, a) for v, s, a in zip(data["voices"], samples, active, strict=True)]


def cached(speech: Path, cache: Path) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """The clips, from ``cache`` when they are there."""
    names = ("train", "words", "test")
    if not all((cache / f"{name}.npz").is_file() for name in names):
        cache.mkdir(parents=True, exist_ok=True)
        for name, clips in zip(names, read_clips(speech), strict=True):
            save(cache / f"{name}.npz", clips)
    train, words, test = (load(cache / f"{name}.npz") for name in names)
    return train, words, test
