"""The few types that flow between the rooms: frozen, slotted, eager.

Times are float seconds from the start of the stream. Unknown is ``None``, never 0.0 or NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Hz; what every engine, the voice activity detector and the features work at."""

TimeSource: TypeAlias = Literal["engine", "aligned", "interpolated"]
"""Where a word's times come from: the engine itself, forced alignment, or its aligned neighbours."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono sound. samples: float32 (n,), nominally in [-1, 1]; sample_rate: Hz, positive."""

    samples: Samples
    sample_rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(
                f"samples are float32 of shape (n,), not {self.samples.dtype} of {self.samples.shape}"
            )
        if self.sample_rate <= 0:
            raise ValueError(f"a sample rate is positive, not {self.sample_rate}")

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written (punctuation attached), its times in seconds and how sure the engine is.

    start, end: None when nothing could tell. confidence: probability in [0, 1], None when unknown.
    time_source: None exactly when the times are.
    """

    text: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None
    time_source: TimeSource | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech: an utterance, or a subtitle-sized part of one."""

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    language: str | None = None

    @property
    def confidence(self) -> float | None:
        """Mean of the words' confidences, None where no word has one."""
        known = [word.confidence for word in self.words if word.confidence is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was said, in order. duration: seconds of audio. engine: its name and model."""

    segments: tuple[Segment, ...] = ()
    language: str | None = None
    duration: float | None = None
    engine: str | None = None

    @property
    def text(self) -> str:
        """The segments' texts joined by spaces."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at ``time`` seconds."""

    time: float


@dataclass(frozen=True, slots=True)
class Partial:
    """The utterance so far. The first ``num_stable`` words of the segment will not change any more."""

    segment: Segment
    num_stable: int = 0


@dataclass(frozen=True, slots=True)
class Final:
    """A finished utterance, never taken back; finals joined equal the transcript."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Speech ended at ``time`` seconds."""

    time: float


Event: TypeAlias = SpeechStarted | Partial | Final | SpeechEnded


@dataclass(frozen=True, slots=True)
class Grammar:
    """What may be said: whole phrases, or a JSGF grammar.

    phrases: sentences in the engine's language, lower case; jsgf: the text of a JSGF grammar. Exactly one
    is given. allows_unknown: speech that fits nothing is reported as ``[unk]`` instead of being forced.
    """

    phrases: tuple[str, ...] = ()
    jsgf: str | None = None
    allows_unknown: bool = False

    def __post_init__(self) -> None:
        if bool(self.phrases) == (self.jsgf is not None):
            raise ValueError("a grammar is given either by phrases or by JSGF text")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do by itself; the rooms above add what is missing where they can.

    languages: ISO 639-1 codes, empty where the model decides or anything goes.
    max_duration: seconds of audio that one decoding pass bears, None for any.
    """

    streaming: bool = False
    word_times: bool = False
    confidences: bool = False
    grammar: bool = False
    hot_words: bool = False
    languages: frozenset[str] = field(default_factory=frozenset)
    max_duration: float | None = None
