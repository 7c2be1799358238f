"""Utterances of a stream, each recognized at the first likely end of speech and given when the end is sure.

The stream is ``BufferedStream`` with its adaptive end-point; what it decodes are orders. How long it waits is
decided by the grammar: behind a whole sentence that can hardly go on a short silence will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from earshot.assistant.recognition import Recognition
from earshot.assistant.replies import Expectation
from earshot.assistant.understanding import Understanding
from earshot.core.types import Event, Final, Samples, SpeechEnded, SpeechStarted, Word
from earshot.engines.streaming import BufferedStream, StreamingOptions

OPTIONS = StreamingOptions(hesitation=0.13, min_silence=0.3, max_silence=0.75, patience=60.0)
"""People stop in the middle of an order for longer than in running speech."""

_WHOLE, _MAY_GO_ON, _BROKEN = 1.0, 0.55, 0.0
"""How complete an utterance is taken to be: a sentence; one that longer sentences begin with; none."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said between two silences. samples: float32 (n,) at 16 kHz. end: seconds of the stream."""

    recognition: Recognition
    samples: Samples = field(repr=False, compare=False)
    end: float = 0.0


class OrderStream:
    """The stream of one listener. expected: asked whenever an utterance is recognized."""

    def __init__(
        self,
        understanding: Understanding,
        expected: Callable[[], Expectation],
        *,
        options: StreamingOptions = OPTIONS,
    ) -> None:
        self._understanding = understanding
        self._expected = expected
        self._latest: _OrderUtterance | None = None
        assert understanding.engine is not None, "nobody listens without an engine"
        self._stream = BufferedStream(understanding.engine, options=options, open_utterance=self._open)
        self._stream.skip_partials = True
        self.is_open = False
        """Whether somebody is speaking now."""

    def accept(self, samples: Samples) -> list[Utterance]:
        """Take the next block: float32 (n,), 16 kHz, any n. Returns the utterances that ended in it."""
        return self._utterances(self._stream.accept(samples))

    def finish(self) -> list[Utterance]:
        """No more comes: what is open has ended. Use the stream no more."""
        return self._utterances(self._stream.finish())

    def _open(self) -> _OrderUtterance:
        self._latest = _OrderUtterance(self._understanding, self._expected)
        return self._latest

    def _utterances(self, events: Sequence[Event]) -> list[Utterance]:
        found: list[Utterance] = []
        for event in events:
            match event:
                case SpeechStarted():
                    self.is_open = True
                case Final(segment):
                    assert self._latest is not None
                    assert self._latest.recognition is not None
                    found.append(Utterance(self._latest.recognition, self._latest.samples, segment.end or 0.0))
                case SpeechEnded():
                    self.is_open = False
        return found


class _OrderUtterance:
    """See ``OpenUtterance``."""

    language: str | None = None

    def __init__(self, understanding: Understanding, expected: Callable[[], Expectation]) -> None:
        self._understanding = understanding
        self._expected = expected
        self._is_whole = _BROKEN
        self.recognition: Recognition | None = None
        self.samples: Samples

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:  # noqa: ARG002 - all may change
        expected = self._expected()
        recognition = self._understanding.hear(samples, expected)
        self.recognition, self.samples = recognition, samples
        if not recognition.accepted:
            self._is_whole = _BROKEN if expected.kind == "order" else _MAY_GO_ON
        else:
            self._is_whole = _MAY_GO_ON if self._understanding.may_go_on(recognition, expected) else _WHOLE
        return tuple(Word(word) for word in recognition.said.split())

    def is_speech(self, samples: Samples) -> bool:  # noqa: ARG002 - the recognizer has decided
        return self.recognition is not None

    def completeness(self, num_silent_frames: int) -> float:  # noqa: ARG002 - words tell, not sound
        return self._is_whole
