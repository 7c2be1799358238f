"""Live streams for engines that recognize whole utterances: decode the open utterance again and again.

The prefix on which two successive passes agree is committed and never changes (local agreement, Liu et al.
2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection";
Macháček et al. 2023, "Turning Whisper into Real-Time Transcription System").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")

UNMARKED = 0.5
"""How complete a text without marks sounds."""

_LONGEST = 30.0
"""Seconds of one utterance, for engines that name no limit of their own."""

_DOUBT = 2.5
"""How steeply the silence that is waited for grows with the doubt that a sentence is complete. Most ends are
doubtful, few pauses are plain: a straight line was 50 ms later at the median and cut 4 % more pauses."""

_COMMITTED = 0.65
"""Part of the longest utterance within which words are committed; a forced cut lies behind it."""


class OpenUtterance(Protocol):
    """An engine's own way to decode a growing utterance; see ``MoonshineRecognizer.open_utterance``.

    language: of what was decoded last, None when unknown.
    """

    language: str | None

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:
        """Words so far (times from the utterance's start); the first ``num_stable`` must stay as they were."""
        ...

    def is_speech(self, samples: Samples) -> bool:
        """Whether what was decoded last was said rather than invented; asked before it becomes final."""
        ...

    def completeness(self, num_silent_frames: int) -> float:
        """How probably what was decoded last is all that the speaker wanted to say, in [0, 1].

        num_silent_frames: frames of 32 ms since speech ended.
        """
        ...


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """When a stream decodes and when it ends an utterance. Times in seconds, probabilities in [0, 1].

    threshold, end_threshold: speech begins above the one and ends below the other.
    padding: sound kept before the first speech, so that its onset is whole.
    first_update: speech before the first partial. update_interval: new sound between two partials;
    update_share: at least this share of the utterance is new, so that long ones are not decoded too often.
    hesitation: silence after which the utterance is decoded to its end, for the case that it stays silent.
    min_silence, max_silence: silence that ends an utterance which sounds complete, or anything but complete.
    patience: seconds of utterance after which ``min_silence`` is enough for any.
    min_speech: utterances with less speech are dropped as clicks.
    """

    threshold: float = 0.4
    end_threshold: float = 0.2
    padding: float = 0.3
    first_update: float = 0.26
    update_interval: float = 0.4
    update_share: float = 0.04
    hesitation: float = 0.13
    min_silence: float = 0.19
    max_silence: float = 0.52
    patience: float = 12.0
    min_speech: float = 0.1

    def with_max_pause(self, seconds: float | None) -> StreamingOptions:
        """The same with all silences stretched so that the longest is so long; None changes nothing."""
        if seconds is None:
            return self
        return replace(self, min_silence=self.min_silence * seconds / self.max_silence, max_silence=seconds)


class BufferedStream:
    """The live stream of an offline recognizer.

    Everything happens at frame borders of the stream's own clock, so events do not depend on block sizes.
    skip_partials: set it while the computer is too slow; finals are then still decoded, partials are not.
    open_utterance: makes what decodes an utterance; None for the recognizer's own way.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        grammar: Grammar | None = None,
        hot_words: Sequence[str] = (),
        options: StreamingOptions | None = None,
        open_utterance: Callable[[], OpenUtterance] | None = None,
    ) -> None:
        self.skip_partials = False
        self._open_utterance = open_utterance
        self._recognizer = recognizer
        self._grammar = grammar
        self._hot_words = tuple(hot_words)
        self._options = options or StreamingOptions()
        self._detector: VoiceActivityDetector | None = VoiceActivityDetector()
        longest = recognizer.capabilities.max_duration or _LONGEST
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
        started = self._begin([*self._before, frame])
        self._before = []
        return started

    def _begin(self, frames: list[Samples]) -> list[Event]:
        """Open an utterance whose last frame is the present one."""
        start = self._now - len(frames)
        self._utterance = _Utterance(self._open(), start, frames, int(_COMMITTED * self._longest))
        return [SpeechStarted(start * FRAME / SAMPLE_RATE)]

    def _open(self) -> OpenUtterance:
        if self._open_utterance is not None:
            return self._open_utterance()
        opener = getattr(self._recognizer, "open_utterance", None)
        if opener is not None and self._grammar is None and not self._hot_words:
            utterance: OpenUtterance = opener()
            return utterance
        return RedecodedUtterance(self._recognizer, self._grammar, self._hot_words)

    def _listen(self, utterance: _Utterance, frame: Samples, probability: float) -> list[Event]:
        options = self._options
        utterance.append(frame, is_speech=probability >= options.end_threshold)
        if len(utterance.frames) >= self._longest:
            return self._cut(utterance)
        if utterance.silence == _frames(options.hesitation):
            utterance.decode()
            return self._partial(utterance)
        if utterance.silence > _frames(options.hesitation) and utterance.silence >= self._patience(utterance):
            return self._end(utterance)
        if utterance.silence == 0 and not self.skip_partials and self._is_update_due(utterance):
            utterance.decode()
            return self._partial(utterance)
        return []

    def _is_update_due(self, utterance: _Utterance) -> bool:
        options = self._options
        if not utterance.is_decoded:
            return utterance.num_speech_frames >= _frames(options.first_update)
        interval = max(_frames(options.update_interval), int(options.update_share * len(utterance.frames)))
        return utterance.num_new_frames >= interval

    def _patience(self, utterance: _Utterance) -> int:
        """Frames of silence that end the utterance as it stands."""
        options = self._options
        shortest, longest = _frames(options.min_silence), _frames(options.max_silence)
        if len(utterance.frames) > _frames(options.patience):
            return shortest
        return round(shortest + (longest - shortest) * math.pow(1 - utterance.completeness, _DOUBT))

    def _partial(self, utterance: _Utterance) -> list[Event]:
        if not utterance.words:
            return []
        return [Partial(utterance.segment(), utterance.num_stable)]

    def _cut(self, utterance: _Utterance) -> list[Event]:
        """The utterance is as long as the engine bears: end it where it is quietest and go on from there."""
        cut = utterance.quietest()
        following = utterance.frames[cut:]
        utterance.truncate(cut)
        events = self._end(utterance)
        return [*events, *self._begin(following)]

    def _end(self, utterance: _Utterance) -> list[Event]:
        """Close the utterance; what was decoded when the silence began is final unless speech followed."""
        self._utterance = None
        silence = min(utterance.silence, _frames(self._options.padding))
        self._before = utterance.frames[len(utterance.frames) - silence :]
        ended = SpeechEnded(utterance.end)
        if utterance.num_speech_frames < _frames(self._options.min_speech):
            return [ended]
        if not utterance.is_decoded or utterance.num_new_frames > utterance.silence:
            utterance.decode()
        if not utterance.words or not (utterance.num_stable or utterance.is_speech):
            return [ended]
        return [Final(utterance.segment()), ended]


class RedecodedUtterance:
    """A growing utterance for engines that only know whole ones: committed words stay, the rest is replaced."""

    def __init__(self, recognizer: Recognizer, grammar: Grammar | None, hot_words: Sequence[str]) -> None:
        self._recognizer = recognizer
        self._grammar = grammar
        self._hot_words = hot_words
        self._words: tuple[Word, ...] = ()
        self.language: str | None = None

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:
        """See ``OpenUtterance``."""
        transcript = self._recognizer.transcribe_batch(
            [Audio(samples)], grammar=self._grammar, hot_words=self._hot_words
        )[0]
        self.language = transcript.language
        self._words = with_stable(self._words[:num_stable], transcript.words)
        return self._words

    def is_speech(self, samples: Samples) -> bool:  # noqa: ARG002 - the engine decided when it gave words
        """Whether there are words."""
        return bool(self._words)

    def completeness(self, num_silent_frames: int) -> float:  # noqa: ARG002 - the text is all there is to go by
        """Half, where marks do not tell."""
        return 0.9 if self._words and self._words[-1].text.endswith(_SENTENCE_ENDS) else UNMARKED


class _Utterance:
    """The open utterance: its frames, its words so far and how many of them are committed.

    start: its first frame in the stream. commit_limit: frames after which nothing more is committed, so that
    an utterance that gets too long can be cut behind everything that was.
    """

    def __init__(self, decoder: OpenUtterance, start: int, frames: list[Samples], commit_limit: int) -> None:
        self.start = start
        self.frames = frames
        self.words: tuple[Word, ...] = ()
        self.num_stable = 0
        self.num_speech_frames = 1
        self.silence = 0
        self.completeness = 0.0
        self._decoder = decoder
        self._commit_limit = commit_limit
        self._num_decoded = 0

    @property
    def is_decoded(self) -> bool:
        return self._num_decoded > 0

    @property
    def num_new_frames(self) -> int:
        return len(self.frames) - self._num_decoded

    @property
    def end(self) -> float:
        """When speech ended, in seconds of the stream."""
        return (self.start + len(self.frames) - self.silence) * FRAME / SAMPLE_RATE

    @property
    def is_speech(self) -> bool:
        """Whether the words were said rather than invented."""
        return self._decoder.is_speech(self._samples())

    def append(self, frame: Samples, *, is_speech: bool) -> None:
        self.frames.append(frame)
        self.num_speech_frames += is_speech
        self.silence = 0 if is_speech else self.silence + 1

    def decode(self) -> None:
        words = self._decoder.decode(self._samples(), self.num_stable)
        self._num_decoded = len(self.frames)
        if self.num_speech_frames >= _LONG_SPEECH and len(self.frames) <= self._commit_limit:
            self.num_stable = max(self.num_stable, _agreement(self.words, words))
        self.words = words
        if self.silence:
            self.completeness = self._decoder.completeness(self.silence)

    def quietest(self) -> int:
        """The frame behind the commit limit around which there is least sound."""
        loudness = [float(np.abs(frame).mean()) for frame in self.frames[self._commit_limit :]]
        smooth = np.convolve(np.pad(loudness, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        return self._commit_limit + int(np.argmin(smooth))

    def truncate(self, num_frames: int) -> None:
        """Keep the first ``num_frames`` frames."""
        self.frames = self.frames[:num_frames]
        self.silence = 0
        self._num_decoded = -1  # whatever was decoded is of another length now

    def segment(self) -> Segment:
        offset = self.start * FRAME / SAMPLE_RATE
        placed = tuple(
            word
            if word.start is None or word.end is None
            else replace(word, start=word.start + offset, end=word.end + offset)
            for word in self.words
        )
        text = " ".join(word.text for word in self.words)
        return Segment(text, offset, self.end, placed, language=self._decoder.language)

    def _samples(self) -> Samples:
        return np.concatenate(self.frames)


def _agreement(before: Sequence[Word], after: Sequence[Word]) -> int:
    """How many first words two passes agree on; the last word of either may still be growing."""
    count = 0
    for old, new in zip(before[:-1], after[:-1], strict=False):
        if old.text != new.text:
            break
        count += 1
    return count


def with_stable(stable: tuple[Word, ...], words: tuple[Word, ...]) -> tuple[Word, ...]:
    """``words``, but that they begin with ``stable``, which were committed, wherever they say otherwise now."""
    if [word.text for word in words[: len(stable)]] == [word.text for word in stable]:
        return words
    return (*stable, *words[_best_join(stable, words) :])


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
