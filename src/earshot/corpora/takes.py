"""Is a take of a phrase fit to learn from? Level, clipping, length, and whether the phrase was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from earshot.audio.cutting import CutOptions, cut_speech
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.corpora.letters import letters_of
from earshot.text.error_rate import character_error_rate
from earshot.visual.level import LevelMeter, decibels

_CUT: Final = CutOptions(padding=0.3, join_gap=1.0)
"""A reader takes breath within a phrase; a second of quiet ends it."""

_QUIET_DB: Final = -32.0
_FASTEST, _SLOWEST = 25.0, 3.0
"""Letters a second. 1,137 read utterances (LibriSpeech, LJSpeech, VCTK) have 5.6 to 20.6."""

_MISREAD: Final = 0.4
"""Character error rate from which on something else was read: engines err themselves, and less than this."""

_LONGEST: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """samples: float32 (n,) at 16 kHz. peak_db: dBFS. complaints: one line each, empty for a good one.

    heard: what an engine has understood, None where none was asked.
    """

    samples: Samples
    peak_db: float
    complaints: tuple[str, ...]
    heard: str | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE


def takes_of(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Each stretch of speech in a stream at 16 kHz that ends in a second of quiet, with a little around it."""
    for region in cut_speech(blocks, max_duration=_LONGEST, options=_CUT):
        yield region.samples


def check_take(samples: Samples, text: str, hear: Callable[[Samples], str] | None = None) -> Take:
    """Look at a take of ``text``. hear: an engine that tells what it understands."""
    meter = LevelMeter(SAMPLE_RATE)
    meter.accept(samples)
    levels = meter.levels()
    peak = decibels(levels.peak)
    complaints = []
    if levels.num_clips:
        complaints.append(f"too loud: {levels.num_clips} peaks are clipped; move away from the microphone")
    elif peak < _QUIET_DB:
        complaints.append(f"too quiet: its peak is {peak:.0f} dBFS; come nearer, or turn the microphone up")
    rate = len(letters_of(text)) / max(len(samples) / SAMPLE_RATE, 0.01)
    if rate > _FASTEST:
        complaints.append(f"too short for the phrase: {rate:.0f} letters a second; was all of it read?")
    elif rate < _SLOWEST:
        complaints.append(f"too long for the phrase: {rate:.1f} letters a second; was something else said?")
    heard = hear(samples) if hear is not None else None
    if heard is not None and (error := _misread(text, heard)) is not None:
        complaints.append(error)
    return Take(samples, peak, tuple(complaints), heard)


def _misread(text: str, heard: str) -> str | None:
    rate = character_error_rate(text, heard, normalise=letters_of).rate
    if rate is None or rate <= _MISREAD:
        return None
    return f"perhaps not what is written: {heard!r} was heard" if heard.strip() else "no words were heard"
