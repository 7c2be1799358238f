"""A source that gives no sound until a wake word was heard in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from earshot.audio.capture import Notice, Source
from earshot.audio.vad import VoiceActivityDetector
from earshot.commands.gate import WakeGate
from earshot.core.types import SAMPLE_RATE, Samples

PATIENCE = 6.0
"""Seconds in which somebody who said the wake word may begin to speak."""

PAUSE = 2.5
"""Seconds without speech after which the wake word is needed again."""

_SPEECH = 0.5


class GatedSource:
    """What is said after a wake word, until a pause; the time between does not count.

    Listening costs a few hundredths of a core meanwhile, as no recognizer runs. patience, pause: seconds.
    """

    def __init__(
        self, source: Source, gate: WakeGate, *, patience: float = PATIENCE, pause: float = PAUSE
    ) -> None:
        self._source = source
        self._gate = gate
        self._patience, self._pause = round(patience * SAMPLE_RATE), round(pause * SAMPLE_RATE)
        self.name = source.name
        self.is_live = source.is_live
        self.is_microphone = False  # silence to the last bit is what the gate gives
        self.notices: deque[Notice] = source.notices
        self.num_wakes = 0

    @property
    def num_overruns(self) -> int:
        """How often sound was lost."""
        return self._source.num_overruns

    def __enter__(self) -> GatedSource:
        self._source.__enter__()
        self.notices = self._source.notices
        return self

    def __exit__(self, *exception: object) -> None:
        self._source.__exit__(*exception)

    def stop(self) -> None:
        """End the iteration soon. May be called from any thread."""
        self._source.stop()

    def __iter__(self) -> Iterator[Samples]:
        detector = VoiceActivityDetector()
        num_heard = 0  # samples that went through the gate since it was reset
        num_left = 0  # samples until it closes
        for block in self._source:
            if num_left > 0:
                yield block
                is_speech = bool((detector.probabilities(block) >= _SPEECH).any())
                num_left = max(num_left, self._pause) if is_speech else num_left - len(block)
                continue
            events = self._gate.accept(block)
            num_heard += len(block)
            if not events:
                continue
            self.num_wakes += 1
            self.notices.append(Notice("awake", f"heard {events[-1].label!r}"))
            rest = block[max(0, len(block) - (num_heard - round(events[-1].time * SAMPLE_RATE))) :]
            self._gate.reset()
            detector.reset()
            num_heard, num_left = 0, self._patience
            if len(rest):
                yield rest
