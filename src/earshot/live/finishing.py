"""What happens to an utterance once it is final: word times, then journal and sinks, on a thread aside."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from earshot.audio.capture import Notice
from earshot.core.errors import EarshotError
from earshot.core.types import SAMPLE_RATE, Audio, Samples, Segment
from earshot.live.journal import SessionJournal, words_fields
from earshot.live.speakers import Answer, SpeakerKnown, main_speaker

if TYPE_CHECKING:
    from earshot.engines.alignment import Aligner


class SegmentSink(Protocol):
    """Takes finished utterances in order, their words with times where they could be found."""

    def write(self, segment: Segment) -> None:
        """Take the next one. An EarshotError or OSError is told to the user and does not end the session."""
        ...

    def close(self) -> None:
        """No more comes."""
        ...


class Tail:
    """The last moments of a stream, by sample number. seconds: how much is kept."""

    def __init__(self, seconds: float) -> None:
        self._limit = int(seconds * SAMPLE_RATE)
        self._blocks: deque[Samples] = deque()
        self._start = 0
        self._end = 0

    def append(self, samples: Samples) -> None:
        """Take the next block."""
        self._blocks.append(samples)
        self._end += len(samples)
        while self._end - self._start - len(self._blocks[0]) >= self._limit:
            self._start += len(self._blocks.popleft())

    def between(self, start: float, end: float) -> tuple[Samples, float]:
        """What is kept of that time, and the second at which it begins."""
        first = min(max(round(start * SAMPLE_RATE), self._start), self._end)
        last = max(first, round(end * SAMPLE_RATE))
        samples = np.concatenate([*self._blocks, np.empty(0, np.float32)])
        return samples[first - self._start : last - self._start], first / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class _Utterance:
    index: int
    segment: Segment
    sound: Samples
    start: float
    speaker: Answer | None


class Finisher:
    """Gives words their times and hands segments to journal and sinks, in order and without delaying anyone.

    has_word_times: whether to look for those that the engine does not give. aligners: by language, to
    share with others what is loaded. known: where speakers are put that come late.
    """

    def __init__(
        self,
        sinks: Sequence[SegmentSink],
        journal: SessionJournal | None,
        notices: deque[Notice],
        *,
        has_word_times: bool,
        language: str | None,
        aligners: dict[str, Aligner | None] | None = None,
        known: deque[SpeakerKnown] | None = None,
    ) -> None:
        self._sinks = list(sinks)
        self._journal = journal
        self._notices = notices
        self._known = known
        self._has_word_times = has_word_times
        self._language = language
        self._aligners = {} if aligners is None else aligners
        self._queue: queue.SimpleQueue[_Utterance | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="earshot-finishing", daemon=True)
        self._thread.start()

    def put(
        self, index: int, segment: Segment, sound: Samples, start: float, speaker: Answer | None = None
    ) -> None:
        """The final of that number; sound: 16 kHz, in which it is said, from second ``start`` of the stream.

        speaker: who says it, where that comes only now.
        """
        self._queue.put(_Utterance(index, segment, sound, start, speaker))

    def timed_at_once(self, segment: Segment, sound: Samples, start: float) -> Segment:
        """With word times where that takes no longer than to find them: 3 ms a second of sound."""
        is_loaded = (segment.language or self._language or "") in self._aligners
        if not self._has_word_times or not is_loaded:
            return segment
        return self._timed(_Utterance(-1, segment, sound, start, None))

    def close(self) -> None:
        """Finish what waits, then close the sinks."""
        self._queue.put(None)
        self._thread.join()
        for sink in self._sinks:
            self._guarded(sink, sink.close)

    def _run(self) -> None:
        if self._has_word_times and self._language:
            self._aligner(self._language)  # reading its model takes a second that the first word need not wait
        while (utterance := self._queue.get()) is not None:
            segment = self._timed(utterance) if self._has_word_times else utterance.segment
            if segment is not utterance.segment:
                self._note(utterance, "words", words_fields(segment.words))
            if utterance.speaker is not None:
                speaker = main_speaker(utterance.speaker.result(), segment.start, segment.end)
                if speaker is not None:
                    segment = replace(segment, speaker=speaker)
                    self._note(utterance, "speaker", speaker)
                if self._known is not None:
                    self._known.append(SpeakerKnown(utterance.index, speaker))
            for sink in list(self._sinks):
                self._guarded(sink, partial(sink.write, segment))

    def _note(self, utterance: _Utterance, kind: str, value: object) -> None:
        if self._journal is not None:
            self._journal.append_event({"type": kind, "index": utterance.index, kind: value})

    def _timed(self, utterance: _Utterance) -> Segment:
        segment = utterance.segment
        if (
            not segment.words
            or not len(utterance.sound)
            or all(word.start is not None for word in segment.words)
        ):
            return segment
        try:
            aligner = self._aligner(segment.language or self._language or "")
            if aligner is None:
                return segment
            words = aligner.align_words(Audio(utterance.sound), segment.words, offset=utterance.start)
        except EarshotError as error:
            self._has_word_times = False
            self._notices.append(Notice("text", f"word times are left out: {error}"))
            return segment
        return replace(segment, words=words)

    def _aligner(self, language: str) -> Aligner | None:
        if language not in self._aligners:
            from earshot.engines.alignment import find_aligner

            self._aligners[language] = find_aligner(language)
        return self._aligners[language]

    def _guarded(self, sink: SegmentSink, action: Callable[[], None]) -> None:
        try:
            action()
        except (EarshotError, OSError) as error:
            if sink in self._sinks:
                self._sinks.remove(sink)
            self._notices.append(Notice("sink", str(error)))
