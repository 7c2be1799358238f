"""Who speaks in a live session: found out beside recognition, on a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from earshot.audio.capture import Notice
from earshot.core.errors import EarshotError
from earshot.core.types import SAMPLE_RATE, Samples, Segment, Transcript
from earshot.speakers.types import Turn

if TYPE_CHECKING:
    from earshot.speakers.diarization import DiarizationOptions
    from earshot.speakers.encoder import SpeakerEncoder
    from earshot.speakers.memory import SpeakerMemory
    from earshot.transcription import SpeakerOptions

_MOST_WAITING = 30.0
"""Seconds of sound that may wait here, so that memory stays bounded. After a pause of the whole machine a
tracker catches up; one that takes longer than the speech lasts is given up."""

_PATIENCE = 5.0
"""The same for sources that can wait: then they do."""


@dataclass(frozen=True, slots=True)
class SpeakerKnown:
    """Who said the final of that number, which came without a speaker; None where that cannot be told."""

    index: int
    speaker: str | None


class SpeakerTracker(Protocol):
    """Follows a stream and tells who speaks in it, as ``earshot.speakers.online.OnlineDiarizer`` does."""

    def accept(self, samples: Samples) -> None:
        """Take the next block: float32 (n,), 16 kHz, any n."""
        ...

    def prepare(self) -> None:
        """Look at what came so far, so that a question may be answered quickly."""
        ...

    def turns(self, start: float, end: float) -> Sequence[Turn]:
        """Who speaks between those seconds, in order; empty where that cannot be told.

        What was told of a moment is never told otherwise later.
        """
        ...


TrackerFactory: TypeAlias = Callable[[], SpeakerTracker]
"""Loads what a tracker needs, which may take a second. Raises EarshotError where that is not there."""

Answer: TypeAlias = "Future[Sequence[Turn]]"


class Speakers:
    """Runs a tracker on a thread of its own: blocks and questions are taken in the order in which they come.

    make: called on that thread. notices: where it is told when speakers cannot be told apart any more.
    is_live: whether the sound comes in real time; where not, ``append`` waits for a tracker that is behind.
    """

    def __init__(self, make: TrackerFactory, notices: deque[Notice], *, is_live: bool) -> None:
        self._make = make
        self._notices = notices
        self._is_live = is_live
        self._tracker: SpeakerTracker | None = None
        self._loaded: Future[None] = Future()
        self._queue: queue.SimpleQueue[Samples | tuple[float, float, Answer] | None] = queue.SimpleQueue()
        self._num_appended = 0
        self._num_taken = 0
        self._busy = 0.0
        self._delays: deque[float] = deque(maxlen=5)
        self._is_given_up = False
        self._thread = threading.Thread(target=self._run, name="earshot-speakers", daemon=True)
        self._thread.start()

    @property
    def seconds_behind(self) -> float:
        """How much sound waits."""
        return (self._num_appended - self._num_taken) / SAMPLE_RATE

    def wait_until_loaded(self) -> None:
        """Raises what the factory raised."""
        self._loaded.result()

    def append(self, samples: Samples) -> None:
        """The next block of the stream."""
        if self._is_given_up:
            return
        self._num_appended += len(samples)
        self._queue.put(samples)
        behind = self.seconds_behind
        if self._is_live and behind > _MOST_WAITING and self._busy > self._num_taken / SAMPLE_RATE:
            self._give_up("that takes longer than the speech lasts")
        elif behind > (_MOST_WAITING if self._is_live else _PATIENCE):
            self.ask(0.0, 0.0).result()

    def ask(self, start: float, end: float) -> Answer:
        """Who speaks between those seconds of what was appended: an answer that comes for certain, if late."""
        answer: Answer = Future()
        asked = time.perf_counter()
        answer.add_done_callback(lambda _: self._delays.append(time.perf_counter() - asked))
        self._queue.put((start, end, answer))
        return answer

    @property
    def usual_delay(self) -> float:
        """Seconds that answers took lately, by their median; 0 before there are any."""
        delays = sorted(self._delays.copy())
        return delays[len(delays) // 2] if delays else 0.0

    def close(self) -> None:
        """Answer what was asked, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._tracker = self._make()
        except BaseException as error:  # it belongs to the session
            self._is_given_up = True
            self._loaded.set_exception(error)
        else:
            self._loaded.set_result(None)
        while (item := self._queue.get()) is not None:
            if isinstance(item, tuple):
                start, end, answer = item
                answer.set_result(self._turns(start, end))
            else:
                self._take(item)
                self._num_taken += len(item)

    def _take(self, samples: Samples) -> None:
        if self._tracker is None or self._is_given_up:
            return
        begun = time.perf_counter()
        try:
            self._tracker.accept(samples)
            if self._queue.empty():
                self._tracker.prepare()
            self._busy += time.perf_counter() - begun
        except Exception as error:  # what was said matters more than who said it
            self._give_up(_reason(error))

    def _turns(self, start: float, end: float) -> Sequence[Turn]:
        if self._tracker is None or self._is_given_up or end <= start:
            return ()
        try:
            return tuple(self._tracker.turns(start, end))
        except Exception as error:
            self._give_up(_reason(error))
            return ()

    def _give_up(self, reason: str) -> None:
        self._is_given_up = True
        self._notices.append(Notice("speakers", f"speakers are not told apart any more: {reason}"))


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, EarshotError) else f"{type(error).__name__}: {text}"


def main_speaker(turns: Sequence[Turn], start: float, end: float) -> str | None:
    """Who speaks most between those seconds; None for nobody."""
    seconds: dict[str, float] = {}
    for turn in turns:
        length = min(turn.end, end) - max(turn.start, start)
        if length > 0:
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + length
    return max(seconds, key=lambda speaker: seconds[speaker]) if seconds else None


def split_by_speaker(segment: Segment, turns: Sequence[Turn]) -> tuple[Segment, ...]:
    """The segment cut where the speaker changes, each part with its speaker."""
    from earshot.speakers.assignment import assign_speakers

    if len({turn.speaker for turn in turns}) < 2 or len(segment.words) < 2:
        return (replace(segment, speaker=main_speaker(turns, segment.start, segment.end)),)
    return assign_speakers(Transcript((segment,)), turns).segments


def online_tracker(
    options: SpeakerOptions, *, encoder: SpeakerEncoder | None = None, memory: SpeakerMemory | None = None
) -> TrackerFactory:
    """Tells voices apart as they come; those that the memory knows go by their names.

    encoder: loaded already, None to load that of the options. memory: None for the user's own.
    """

    def make() -> SpeakerTracker:
        from earshot.speakers.encoder import find_encoder
        from earshot.speakers.memory import SpeakerMemory
        from earshot.speakers.online import OnlineDiarizer

        # One thread: recognition has the other cores.
        voices = encoder or find_encoder(options.encoder, num_threads=1)
        known = (memory or SpeakerMemory()).known_vectors(voices.name) if options.has_names else {}
        return OnlineDiarizer(diarization_options(options, num_threads=1), known, encoder=voices)

    return make


def diarization_options(options: SpeakerOptions, *, num_threads: int | None = None) -> DiarizationOptions:
    """The same, as a diarizer takes it."""
    from earshot.speakers.diarization import DiarizationOptions

    return DiarizationOptions(
        num_speakers=options.num_speakers,
        min_speakers=options.min_speakers,
        max_speakers=options.max_speakers,
        encoder=options.encoder,
        num_threads=num_threads,
    )
