"""Is a recording fit to teach a word? Refused with the reason, or accepted with warnings that name the cost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from earshot.audio.vad import VoiceActivityDetector
from earshot.commands.trimming import sound_span
from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.visual.level import LevelMeter, decibels

MIN_DURATION, MAX_DURATION = 0.1, 10.0
"""Seconds. The encoder says nothing of less; more is a sentence, and no window of the spotter holds it."""

SILENCE_DB = -60.0
"""dBFS; a peak below is the noise of a microphone that nobody speaks into."""

MIN_SNR_DB = 15.0
LONG_WORD = 2.5
"""Seconds of sound in a command from which on the spotter gets dear."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A recording of a word. samples: its sound with a little around it, float32 at 16 kHz.

    is_speech: what the voice activity detector thinks; a clap is none, and is spotted by its level.
    """

    name: str
    samples: Samples
    is_speech: bool
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return len(self.samples) / SAMPLE_RATE


def check_take(samples: Samples, name: str) -> Take:
    """Look at a recording, float32 (n,) at 16 kHz. Raises AudioError when nobody could learn from it."""
    duration = len(samples) / SAMPLE_RATE
    if duration < MIN_DURATION:
        raise AudioError(
            f"{name} is {1000 * duration:.0f} ms long, too short to be a command",
            fix="record at least 100 ms: the whole word with a little silence around it",
        )
    if duration > MAX_DURATION:
        raise AudioError(
            f"{name} is {duration:.1f} s long, too long to be a command",
            fix="record one word or a short phrase in at most 10 seconds",
        )
    if not np.isfinite(samples).all():
        raise AudioError(f"{name} holds samples that are no numbers", fix="record it again")
    peak = float(np.abs(samples).max())
    if decibels(peak) < SILENCE_DB:
        level = "digital silence" if peak == 0 else f"silent (peak {decibels(peak):.0f} dBFS)"
        raise AudioError(f"{name} is {level}", fix="check the microphone and say the word after the prompt")
    first, last = sound_span(samples)
    detector = VoiceActivityDetector()
    probabilities = np.concatenate([detector.probabilities(samples), detector.flush()])
    # The detector needs a moment to be sure of a short clip.
    is_speech = bool(probabilities.max(initial=0.0) >= 0.3)
    return Take(name, samples[first:last].copy(), is_speech, tuple(_warnings(samples, first, last, is_speech)))


def fit_recordings(
    recordings: Iterable[tuple[str, Samples]],
) -> tuple[list[tuple[str, Samples]], list[AudioError]]:
    """Those that a word can be taught from, and for each of the others why not.

    recordings: names and float32 samples at 16 kHz.
    """
    fit, refusals = [], []
    for name, samples in recordings:
        try:
            check_take(samples, name)
        except AudioError as error:
            refusals.append(error)
        else:
            fit.append((name, samples))
    return fit, refusals


def _warnings(samples: Samples, first: int, last: int, is_speech: bool) -> list[str]:
    warnings = []
    meter = LevelMeter(SAMPLE_RATE)
    meter.accept(samples)
    levels = meter.levels()
    if levels.num_clips:
        share = 100 * levels.num_clipped / max(1, last - first)
        warnings.append(
            f"{levels.num_clips} peaks are clipped ({share:.1f} % of the sound): "
            "taught so, 95 % of ten words were told apart and not 97 %; "
            "record again, farther from the microphone"
        )
    ratio = signal_to_noise(samples, first, last)
    if ratio is not None and ratio < MIN_SNR_DB:
        warnings.append(
            f"the background is only {ratio:.0f} dB below the word: "
            "taught at 10 dB, 96 % of ten words were told apart and not 97 %; record again in a quieter place"
        )
    if (last - first) / SAMPLE_RATE > LONG_WORD:
        warnings.append(
            f"{(last - first) / SAMPLE_RATE:.1f} s of sound is long for a command: spotting it costs "
            "several times the work of a word"
        )
    if not is_speech:
        warnings.append("this does not sound like speech: it is listened for whenever anything is loud")
    return warnings


def signal_to_noise(samples: Samples, first: int, last: int) -> float | None:
    """DB between the sound and what is around it; None where too little is around it to tell."""
    around = np.concatenate([samples[:first], samples[last:]])
    if len(around) < SAMPLE_RATE // 20:
        return None
    noise = float(np.mean(np.square(around, dtype=np.float64)))
    sound = float(np.mean(np.square(samples[first:last], dtype=np.float64)))
    if noise <= 0:
        return math.inf
    return 10 * math.log10(max(sound, 1e-20) / noise)
