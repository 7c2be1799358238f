"""Live streams for engines that recognize whole utterances: decode the open utterance again and again.

The prefix on which two successive passes agree is committed and never changes (local agreement, Liu et al.
2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection";
Macháček et al. 2023, "Turning Whisper into Real-Time Transcription System").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.errors import EngineError
from earshot.core.types import (
    SAMPLE_RATE,
    Audio,
    Event,
    Final,
    Grammar,
    Partial,
    Samples,
    Segment,
    SpeechEnded,
    SpeechStarted,
    Word,
)
from earshot.engines.base import Recognizer


_LONG_SPEECH = 48
"""Frames (1.5 s) of speech before anything is committed: until then it may be a noise."""


class OpenUtterance(Protocol):
    """An engine's own way to decode a growing utterance; see ``MoonshineRecognizer.open_utterance``."""

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:
        """Words so far (times from the utterance's start); the first ``num_stable`` must stay as they were."""
        ...

    def is_speech(self, samples: Samples) -> bool:
        """Whether what was decoded last was said rather than invented; asked before it becomes final."""
        ...


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """When a stream decodes and when it ends an utterance. Times in seconds, probabilities in [0, 1].

    threshold, end_threshold: speech begins above the one and ends below the other.
    padding: sound kept before the first speech, so that its onset is whole.
    update_interval: new sound between two partials.
    hesitation: silence after which the utterance is decoded to its end, for the case that it stays silent.
    min_silence: silence that ends an utterance whose text looks complete.
    max_silence: silence that ends any utterance.
    min_speech: utterances with less speech are dropped as clicks.
    """

    threshold: float = 0.4
    end_threshold: float = 0.2
    padding: float = 0.3
    update_interval: float = 0.4
    hesitation: float = 0.16
    min_silence: float = 0.32
    max_silence: float = 0.8
    min_speech: float = 0.1


class BufferedStream:
    """The live stream of an offline recognizer.

    Everything happens at frame borders of the stream's own clock, so events do not depend on block sizes.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        grammar: Grammar | None = None,
        hot_words: Sequence[str] = (),
        options: StreamingOptions | None = None,
    ) -> None:
        self._recognizer = recognizer
        self._grammar = grammar
        self._hot_words = tuple(hot_words)
        self._options = options or StreamingOptions()
        self._detector: VoiceActivityDetector | None = VoiceActivityDetector()
        longest = recognizer.capabilities.max_duration or 30.0
        self._longest = int(longest * SAMPLE_RATE // FRAME)
        self._rest = np.empty(0, np.float32)
        self._before: list[Samples] = []  # the last frames of silence, kept as padding
        self._now = 0  # frames of the stream
        self._utterance: _Utterance | None = None

    def accept(self, samples: Samples) -> list[Event]:
        """Take the next block: float32 (n,), 16 kHz, any n."""
        if self._detector is None:
            raise EngineError("this stream is finished", fix="open a new one")
        gathered = np.concatenate([self._rest, samples])
        num_frames = len(gathered) // FRAME
        self._rest = gathered[num_frames * FRAME :]
        frames = gathered[: num_frames * FRAME].reshape(-1, FRAME)
        events: list[Event] = []
        for frame, probability in zip(frames, self._detector.probabilities(frames.ravel()), strict=True):
            events += self._step(frame, float(probability))
        return events

    def finish(self) -> list[Event]:
        """The open utterance becomes final."""
        events: list[Event] = []
        if self._detector is not None and len(self._rest):
            events += self.accept(np.zeros(FRAME - len(self._rest), np.float32))
        self._detector = None
        if self._utterance is not None:
            events += self._end(self._utterance)
        return events

    def __enter__(self) -> BufferedStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._detector = None
        self._utterance = None

    def _step(self, frame: Samples, probability: float) -> list[Event]:
        self._now += 1
        if self._utterance is None:
            return self._wait(frame, probability)
        return self._listen(self._utterance, frame, probability)

    def _wait(self, frame: Samples, probability: float) -> list[Event]:
        if probability < self._options.threshold:
            self._before = [*self._before, frame][-_frames(self._options.padding) :]
            return []
        start = self._now - 1 - len(self._before)
        self._utterance = _Utterance(self._open(), start, [*self._before, frame])
        self._before = []
        return [SpeechStarted(start * FRAME / SAMPLE_RATE)]

    def _open(self) -> OpenUtterance:
        opener = getattr(self._recognizer, "open_utterance", None)
        if opener is not None and self._grammar is None and not self._hot_words:
            utterance: OpenUtterance = opener()
            return utterance
        return RedecodedUtterance(self._recognizer, self._grammar, self._hot_words)

    def _listen(self, utterance: _Utterance, frame: Samples, probability: float) -> list[Event]:
        options = self._options
        utterance.frames.append(frame)
        if probability >= options.end_threshold:
            utterance.num_speech_frames += 1
            utterance.silence = 0
        else:
            utterance.silence += 1
        if utterance.silence == _frames(options.hesitation):
            utterance.decode()
        if utterance.silence >= _frames(options.min_silence) and (
            utterance.looks_complete or utterance.silence >= _frames(options.max_silence)
        ):
            return self._end(utterance)
        if len(utterance.frames) >= self._longest:
            return self._end(utterance)
        if utterance.silence == 0 and utterance.num_new_frames >= _frames(options.update_interval):
            utterance.decode()
            return self._partial(utterance)
        return []

    def _partial(self, utterance: _Utterance) -> list[Event]:
        if not utterance.words:
            return []
        segment = utterance.segment(utterance.words)
        return [Partial(segment, utterance.num_stable)]

    def _end(self, utterance: _Utterance) -> list[Event]:
        """Close the utterance; what was decoded when the silence began is final unless speech followed."""
        self._utterance = None
        self._before = utterance.frames[-min(utterance.silence, _frames(self._options.padding)) :]
        if utterance.silence == 0:
            self._before = []
        ended = SpeechEnded((utterance.start + len(utterance.frames) - utterance.silence) * FRAME / SAMPLE_RATE)
        if utterance.num_speech_frames < _frames(self._options.min_speech):
            return [ended]
        if utterance.num_new_frames > utterance.silence:
            utterance.decode()
        if not utterance.words or not (utterance.num_stable or utterance.is_speech()):
            return [ended]
        return [Final(utterance.segment(utterance.words)), ended]


class RedecodedUtterance:
    """A growing utterance for engines that only know whole ones: committed words stay, the rest is replaced."""

    def __init__(self, recognizer: Recognizer, grammar: Grammar | None, hot_words: Sequence[str]) -> None:
        self._recognizer = recognizer
        self._grammar = grammar
        self._hot_words = hot_words
        self._words: tuple[Word, ...] = ()

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:
        """See ``OpenUtterance``."""
        transcript = self._recognizer.transcribe_batch(
            [Audio(samples)], grammar=self._grammar, hot_words=self._hot_words
        )[0]
        words = transcript.words
        stable = self._words[:num_stable]
        if [word.text for word in words[:num_stable]] != [word.text for word in stable]:
            words = (*stable, *words[_best_join(stable, words) :])
        self._words = words
        return words

    def is_speech(self, samples: Samples) -> bool:  # noqa: ARG002 - the engine decided when it gave words
        """Whether there are words."""
        return bool(self._words)


class _Utterance:
    """The open utterance: its frames, its words so far and how many of them are committed."""

    def __init__(self, decoder: OpenUtterance, start: int, frames: list[Samples]) -> None:
        self.start = start
        self.frames = frames
        self.words: tuple[Word, ...] = ()
        self.num_stable = 0
        self.num_speech_frames = 1
        self.silence = 0
        self._decoder = decoder
        self._num_decoded = 0

    @property
    def num_new_frames(self) -> int:
        return len(self.frames) - self._num_decoded

    @property
    def looks_complete(self) -> bool:
        """Whether the text ends as sentences do."""
        return bool(self.words) and self.words[-1].text.endswith((".", "?", "!", "…", "。", "？", "！"))

    def decode(self) -> None:
        words = self._decoder.decode(np.concatenate(self.frames), self.num_stable)
        self._num_decoded = len(self.frames)
        if self.num_speech_frames >= _LONG_SPEECH:
            self.num_stable = max(self.num_stable, _agreement(self.words, words))
        self.words = words

    def is_speech(self) -> bool:
        return self._decoder.is_speech(np.concatenate(self.frames))

    def segment(self, words: tuple[Word, ...]) -> Segment:
        offset = self.start * FRAME / SAMPLE_RATE
        end = offset + (len(self.frames) - self.silence) * FRAME / SAMPLE_RATE
        placed = tuple(
            word
            if word.start is None or word.end is None
            else replace(word, start=word.start + offset, end=word.end + offset)
            for word in words
        )
        return Segment(" ".join(word.text for word in words), offset, end, placed)


def _agreement(before: Sequence[Word], after: Sequence[Word]) -> int:
    """How many first words two passes agree on; the last word of either may still be growing."""
    count = 0
    for old, new in zip(before[:-1], after[:-1], strict=False):
        if old.text != new.text:
            break
        count += 1
    return count


def _best_join(stable: Sequence[Word], words: Sequence[Word]) -> int:
    """Where in ``words`` the continuation of ``stable`` begins: the end of the cheapest prefix alignment."""
    costs = list(range(len(words) + 1))
    for row, kept in enumerate(stable, start=1):
        previous, costs = costs, [row]
        for column, word in enumerate(words, start=1):
            substitution = previous[column - 1] + (kept.text != word.text)
            costs.append(min(substitution, previous[column] + 1, costs[column - 1] + 1))
    return min(range(len(costs)), key=lambda column: (costs[column], -column))


def _frames(seconds: float) -> int:
    return max(1, round(seconds * SAMPLE_RATE / FRAME))
