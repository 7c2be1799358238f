"""The detector's frames over minutes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.commands.frames import SPEECH, SpeechFrames
from earshot.core.types import Samples
from tests.commands.conftest import FIRST, SECOND, piece


def noise(seconds: float) -> Samples:
    return (1.6e-3 * np.random.default_rng(0).standard_normal(round(seconds * 16_000))).astype(np.float32)


def probabilities(sound: Samples, size: int) -> list[float]:
    frames = SpeechFrames()
    blocks = [sound[start : start + size] for start in range(0, len(sound), size)]
    return [probability for block in blocks for _, probability in frames.accept(block)]


def test_no_word_of_a_voice_is_missed_however_long_it_has_been_said(speech: Path) -> None:
    rows = (speech / "spoken_digits" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    clips = [row for row in map(json.loads, rows) if row["speaker"] == "theo" and row["text"] == "four"]
    frames = SpeechFrames()
    for row in clips[:40]:
        clip = read_audio(speech / "spoken_digits" / row["audio"]).samples
        clip = clip * np.float32(0.05 / np.sqrt(np.mean(np.square(clip))))
        sound = np.concatenate([noise(1.2), clip + noise(len(clip) / 16_000)[: len(clip)]])
        assert max(probability for _, probability in frames.accept(sound)) >= SPEECH, row["audio"]


def test_frames_do_not_depend_on_the_sizes_of_the_blocks() -> None:
    sound = np.concatenate([noise(3.3), piece(*FIRST), noise(2.7), piece(*SECOND), noise(1.1)])
    whole = probabilities(sound, len(sound))
    assert max(whole) > 0.9
    assert probabilities(sound, 333) == whole
    assert probabilities(sound, 16_000) == whole
