"""A recognizer that says what it was told to: a public fake for tests of everything above the engines.

It hears nothing and loads nothing, but keeps every rule of the protocol: what it says depends on the amount
of audio alone, so neither on block sizes nor on what the audio holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earshot.core.errors import EngineError
from earshot.core.types import (
    SAMPLE_RATE,
    Audio,
    Capabilities,
    Event,
    Final,
    Grammar,
    Partial,
    Samples,
    Segment,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from earshot.engines.base import Engine, EngineOptions, check_request

_SCRIPT = "the quick brown fox jumps over the lazy dog"


class ScriptedRecognizer:
    """Says the words of a script at an even pace.

    script: words separated by spaces, said over and over. seconds_per_word, words_per_segment: the pace.
    """

    def __init__(
        self, script: str = _SCRIPT, *, seconds_per_word: float = 0.4, words_per_segment: int = 9
    ) -> None:
        if not script.split() or seconds_per_word <= 0 or words_per_segment < 1:
            raise EngineError("a script has words, a positive pace and at least one word a segment")
        self.name = "scripted"
        self.capabilities = Capabilities(streaming=True, word_times=True, confidences=True)
        self._script = script.split()
        self._pace = round(seconds_per_word * SAMPLE_RATE)
        self._words_per_segment = words_per_segment

    def _word(self, index: int) -> Word:
        start = index * self._pace
        return Word(
            self._script[index % len(self._script)],
            start / SAMPLE_RATE,
            (start + self._pace) / SAMPLE_RATE,
            confidence=1.0,
            time_source="engine",
        )

    def _segment(self, index: int, num_words: int) -> Segment:
        """The first ``num_words`` words of segment ``index``."""
        first = index * self._words_per_segment
        words = tuple(self._word(first + i) for i in range(num_words))
        return Segment(
            " ".join(w.text for w in words), words[0].start or 0.0, words[-1].end or 0.0, words, language="en"
        )

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """As many whole words as the audio has time for."""
        with self.stream(grammar=grammar, hot_words=hot_words) as stream:
            num_samples = round(audio.duration * SAMPLE_RATE)
            events = [*stream.accept(np.zeros(num_samples, np.float32)), *stream.finish()]
        segments = tuple(event.segment for event in events if isinstance(event, Final))
        return Transcript(segments, "en", audio.duration, self.name)

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """One after the other."""
        return [self.transcribe(audio, grammar=grammar, hot_words=hot_words) for audio in audios]

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> ScriptedStream:
        """A stream that says each word when its time has passed."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        return ScriptedStream(self)

    def close(self) -> None:
        """Nothing to release."""


class ScriptedStream:
    """Counts samples and says the words whose time has come."""

    def __init__(self, recognizer: ScriptedRecognizer) -> None:
        self._recognizer = recognizer
        self._num_samples = 0
        self._num_words = 0
        self._is_finished = False

    def accept(self, samples: Samples) -> list[Event]:
        """Events of the words that became complete."""
        if self._is_finished:
            raise EngineError("this stream is finished", fix="open a new one")
        recognizer = self._recognizer
        self._num_samples += len(samples)
        events: list[Event] = []
        while (self._num_words + 1) * recognizer._pace <= self._num_samples:
            segment, before = divmod(self._num_words, recognizer._words_per_segment)
            if before == 0:
                events.append(SpeechStarted(recognizer._word(self._num_words).start or 0.0))
            self._num_words += 1
            said = recognizer._segment(segment, before + 1)
            if before + 1 == recognizer._words_per_segment:
                events += [Final(said), SpeechEnded(said.end)]
            else:
                events.append(Partial(said, num_stable=before + 1))
        return events

    def finish(self) -> list[Event]:
        """The open segment becomes final."""
        self._is_finished = True
        segment, num_words = divmod(self._num_words, self._recognizer._words_per_segment)
        if not num_words:
            return []
        said = self._recognizer._segment(segment, num_words)
        return [Final(said), SpeechEnded(said.end)]

    def __enter__(self) -> ScriptedStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_finished = True


def _load(options: EngineOptions) -> ScriptedRecognizer:
    return ScriptedRecognizer(options.model) if options.model else ScriptedRecognizer()


ENGINE = Engine(
    "scripted",
    "says a fixed text (--model 'words to say'); for tests",
    _load,
    has_default_model=True,
)
