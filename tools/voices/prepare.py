"""Turn recordings into many voices: features for the net, and what the GE2E encoder says of each.

    python tools/voices/prepare.py SPEECH OUT

Every recording is changed in several ways at random: speed (with pitch), frequency axis, colour. The teacher
hears the changed sound too, so each variant is a voice of its own with its own target, and two hundred readers
become thousands. Reverberation and noise reach the student alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr
import torch
from scipy.signal import fftconvolve

from corpora import LONGEST, Utterance, rows, training_data
from earshot.audio.decode import read_audio
from earshot.speakers import ge2e_weights
from earshot.speakers.mel_power import MelPower, ge2e_filters, levelled_log, voice_filters

VARIANTS = {
    "librispeech_speakers": 14,
    "speech_commands": 2,
    "arabic_commands": 2,
    "ljspeech": 3,
    "spoken_orders": 3,
    "wake_words": 1,
}
PART, STEP = 160, 100
_PLAIN = MelPower(400, ge2e_filters())


class Teacher:
    """GE2E in torch, bfloat16: vectors agree with float32 ones to a cosine of 0.999."""

    def __init__(self) -> None:
        path = ge2e_weights.wheel_weights()
        assert path, ge2e_weights.HOW_TO_INSTALL
        state = {k: torch.from_numpy(v.copy()) for k, v in ge2e_weights.read_checkpoint(path).items()}
        self.lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = torch.nn.Linear(256, 256)
        self.lstm.load_state_dict({k[5:]: v for k, v in state.items() if k.startswith("lstm.")})
        self.linear.load_state_dict({k[7:]: v for k, v in state.items() if k.startswith("linear.")})

    @torch.no_grad()
    def __call__(self, parts: np.ndarray) -> np.ndarray:
        """Unit vectors (n, 256) of mel power (n, frames, 40)."""
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.lstm(torch.from_numpy(parts))[1][0][-1]
        voices = torch.relu(self.linear(hidden.float()))
        return torch.nn.functional.normalize(voices, dim=1).numpy()


def warp(filters: np.ndarray, factor: float, colour: np.ndarray) -> np.ndarray:
    """Filters that see frequency f × factor at f, through a gain curve. colour: decibels at eight places."""
    bins = filters.shape[1]
    places = np.minimum(np.arange(bins) * factor, bins - 1)
    low = np.minimum(places.astype(int), bins - 2)
    matrix = np.zeros((bins, bins))
    matrix[np.arange(bins), low] = 1 - (places - low)
    matrix[np.arange(bins), low + 1] = places - low
    mel = np.log1p(np.arange(bins) / bins * 8000 / 700) / np.log1p(8000 / 700)
    gain = 10 ** (np.interp(mel, np.linspace(0, 1, 8), colour) / 10)
    return (filters * gain) @ matrix


@dataclass
class Collected:
    """What is written: features of all variants end to end, and their targets."""

    features: list[np.ndarray] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    parts: list[np.ndarray] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)

    def save(self, path: Path, teacher: Teacher) -> None:
        """Ask the teacher about all parts, and write everything."""
        vectors = np.concatenate(
            [teacher(np.stack(self.parts[i : i + 256])) for i in range(0, len(self.parts), 256)]
        )
        np.savez(
            path,
            features=np.concatenate(self.features),
            lengths=np.array([len(f) for f in self.features]),
            groups=np.array(self.groups),
            speakers=np.array(self.speakers),
            parts=vectors.astype(np.float16),
            owners=np.array(self.owners),
        )


def room(rng: np.random.Generator) -> np.ndarray:
    """A made room: noise that dies away, behind the direct sound."""
    seconds = rng.uniform(0.15, 0.6)
    time_ = np.arange(int(seconds * 16_000)) / 16_000
    tail = rng.standard_normal(len(time_)) * np.exp(-6.9 * time_ / seconds)
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    return tail.astype(np.float32)


def variants(utterance: Utterance, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features for the student, and mel power for the teacher."""
    for index in range(VARIANTS.get(utterance.group, 1)):
        samples, factor, colour = utterance.samples, 1.0, np.zeros(8)
        is_changed = index > 0 or utterance.group not in ("librispeech_speakers",)
        if is_changed:
            speed = np.exp(rng.uniform(np.log(0.82), np.log(1.22)))
            samples = soxr.resample(samples, 16_000, 16_000 / speed, quality="LQ").astype(np.float32)
            factor = np.exp(rng.uniform(np.log(0.9), np.log(1.12)))
            colour = rng.normal(0, 2.5, 8)
        # The level that the teacher expects; colour does not change it.
        gain = 10**-2.4 / max(float(np.mean(samples**2)), 1e-9)
        mel = plain = _PLAIN(samples)
        if is_changed:
            mel = MelPower(400, warp(ge2e_filters(), factor, colour))(samples)
            gain *= float(plain.mean()) / max(float(mel.mean()), 1e-12)
        if is_changed and rng.random() < 0.2:
            samples = fftconvolve(samples, room(rng))[: len(samples)].astype(np.float32)
        power = MelPower(512, warp(voice_filters(), factor, colour))(samples)
        yield levelled_log(power), mel * np.float32(gain)


def add(collected: Collected, utterance: Utterance, rng: np.random.Generator) -> None:
    """All variants of one recording."""
    for features, mel in variants(utterance, rng):
        if len(mel) < PART:
            mel = np.tile(mel, (-(-PART // len(mel)), 1))
        owner = len(collected.features)
        for start in range(0, len(mel) - PART + 1, STEP):
            collected.parts.append(mel[start : start + PART])
            collected.owners.append(owner)
        collected.features.append(features.astype(np.float16))
        collected.groups.append(utterance.group)
        collected.speakers.append(utterance.speaker)


def main() -> None:
    """Write train.npz and noise.npz."""
    speech, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rng, teacher, began = np.random.default_rng(9), Teacher(), time.time()
    noise = [
        MelPower(512, voice_filters())(read_audio(speech / "noise" / row["audio"]).samples[:LONGEST])
        for row in rows(speech / "noise")
    ]
    noise = [n / max(n.mean(), 1e-12) for n in noise if len(n) > 100 and n.mean() > 1e-9]
    np.savez(out / "noise.npz", noise=np.concatenate(noise).astype(np.float32), lengths=[len(n) for n in noise])
    data = training_data(speech)
    print(f"{time.time() - began:.0f} s: {len(data)} recordings", flush=True)
    train = Collected()
    for utterance in data:
        add(train, utterance, rng)
    print(f"{time.time() - began:.0f} s: {len(train.features)} variants, {len(train.parts)} parts", flush=True)
    train.save(out / "train.npz", teacher)
    print(f"{time.time() - began:.0f} s: done", flush=True)


if __name__ == "__main__":
    main()
