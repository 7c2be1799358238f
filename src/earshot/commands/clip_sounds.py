"""The sounds of a data set in memory, all of one length, and those that no recording holds.

Silence is cut from background noise; what is no command is made of other words, of halves of two words, and of
speech that stands in running text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.commands.dataset import Clip
from earshot.commands.trimming import sound_span
from earshot.core.errors import AudioError, CommandError
from earshot.core.types import SAMPLE_RATE, Samples

CLIP_SAMPLES = SAMPLE_RATE
"""Every net hears one second."""

SHORTEST, LONGEST = 0.1, 10.0
"""Seconds; clips outside are refused."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A clip that cannot be used, and why."""

    path: Path
    reason: str


def one_second(samples: Samples, num_samples: int = CLIP_SAMPLES) -> Samples:
    """Of that length: shorter clips get zeros on both sides, of longer ones the loudest second is kept."""
    start = start_of_second(samples, num_samples)
    if start < 0 or len(samples) < num_samples:
        return np.pad(samples, (-start, num_samples - len(samples) + start))
    return samples[start : start + num_samples]


def start_of_second(samples: Samples, num_samples: int = CLIP_SAMPLES) -> int:
    """Where ``one_second`` begins in a clip; below 0 where zeros come first."""
    lacking = num_samples - len(samples)
    if lacking >= 0:
        return -(lacking // 2)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    return int(np.argmax(energy[num_samples:] - energy[:-num_samples]))


def load_clip(path: Path) -> Samples:
    """One second of it at 16 kHz: float32 (16000,).

    Raises CommandError for clips under 0.1 s or over 10 s; AudioError for what is no sound.
    """
    samples = read_audio(path).samples
    seconds = len(samples) / SAMPLE_RATE
    if not SHORTEST <= seconds <= LONGEST:
        raise CommandError(f"{path} lasts {seconds:.2f} s", fix=f"a clip lasts {SHORTEST} to {LONGEST:g} s")
    return one_second(samples)


def load_clips(
    clips: Sequence[Clip], *, progress: Callable[[int], object] | None = None
) -> tuple[list[Clip], Samples, list[Refused]]:
    """The clips that can be used, their sounds as float32 (clips, 16000), and those that cannot.

    Four bytes a sample: ten thousand clips take 640 MB. progress: told the number of clips done.
    """
    kept: list[Clip] = []
    refused: list[Refused] = []
    sounds = np.empty((len(clips), CLIP_SAMPLES), np.float32)
    for index, clip in enumerate(clips):
        try:
            sounds[len(kept)] = load_clip(clip.path)
            kept.append(clip)
        except (AudioError, CommandError) as error:
            refused.append(Refused(clip.path, error.message))
        if progress is not None:
            progress(index + 1)
    return kept, sounds[: len(kept)], refused


def cut_silence(background: Samples, rng: np.random.Generator, *, num_samples: int = CLIP_SAMPLES) -> Samples:
    """A second of background at a volume of 0 to 100 %, as the published test set was made: float32 (n,)."""
    return cut_at_random(background, rng, num_samples=num_samples) * np.float32(rng.random())


def cut_at_random(samples: Samples, rng: np.random.Generator, *, num_samples: int = CLIP_SAMPLES) -> Samples:
    """A piece from anywhere; what is shorter is repeated: float32 (num_samples,)."""
    if len(samples) <= num_samples:
        return np.resize(samples, num_samples)
    start = int(rng.integers(0, len(samples) - num_samples + 1))
    return samples[start : start + num_samples]


def spliced(first: Samples, second: Samples, rng: np.random.Generator) -> Samples:
    """The first half of one word's sound and the second half of another's: a word that nobody taught.

    Cross-faded over 10 ms, about the middle of each: float32 (16000,).
    """
    head, tail = (clip[slice(*sound_span(clip))] for clip in (first, second))
    head = head[: round(len(head) * rng.uniform(0.4, 0.6))]
    tail = tail[round(len(tail) * rng.uniform(0.4, 0.6)) :]
    fade = min(160, len(head), len(tail))
    if not fade:
        return one_second(np.concatenate([head, tail]).astype(np.float32))
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    middle = head[-fade:] * (1 - ramp) + tail[:fade] * ramp
    return one_second(np.concatenate([head[:-fade], middle, tail[fade:]]))


def pieces_of_speech(recordings: Iterable[Path], *, step: float = 1.0) -> Samples:
    """Running speech cut in seconds: float32 (pieces, 16000). step: seconds from one to the next.

    Pieces without speech to speak of, under −50 dB, are left out.
    """
    pieces = []
    for path in recordings:
        samples = read_audio(path).samples
        for start in range(0, len(samples) - CLIP_SAMPLES + 1, round(step * SAMPLE_RATE)):
            piece = samples[start : start + CLIP_SAMPLES]
            if float(np.mean(np.square(piece, dtype=np.float64))) > 1e-5:
                pieces.append(piece)
    return np.stack(pieces) if pieces else np.empty((0, CLIP_SAMPLES), np.float32)
