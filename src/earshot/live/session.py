"""A live session: sound to the journal at once, and to text as fast as the engine goes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from earshot.audio.capture import Microphone, Notice, Source
from earshot.audio.meter import Level
from earshot.core.types import SAMPLE_RATE, Event, Final, Samples, Segment
from earshot.engines import RecognitionStream, Recognizer, load_engine
from earshot.live.backlog import Backlog
from earshot.live.finishing import Finisher, SegmentSink, Tail
from earshot.live.following import Follower, Followers, Remark
from earshot.live.journal import SessionJournal, SessionMeta, disk_notice, event_fields, now, segment_fields
from earshot.live.pump import Pump
from earshot.live.speakers import (
    Answer,
    SpeakerKnown,
    Speakers,
    TrackerFactory,
    online_tracker,
    split_by_speaker,
)
from earshot.transcription import TranscriptionOptions
from earshot.transcription.processors import PostProcessor, Punctuators, TextOptions, post_processors

if TYPE_CHECKING:
    from earshot.engines.alignment import Aligner

SessionEvent: TypeAlias = Event | Notice | Remark | SpeakerKnown

_STEP = SAMPLE_RATE // 5
"""Samples recognized at once when there is a backlog: events still come in good time."""

_TICK = 0.1
"""Seconds after which we look around even when no sound comes."""

_BEHIND, _CAUGHT_UP = 2.0, 0.5
"""Seconds of backlog at which partials are left out, and at which they come again."""

_PATIENCE = 60.0
"""Seconds of backlog at which a source that can wait has to."""

_MARGIN = 0.2
"""Seconds of sound around an utterance in which its words are looked for."""

_TAIL = 45.0
"""Seconds of sound kept for word times: longer than any engine's utterance."""

_SPEAKER_PATIENCE = 0.1
"""Seconds that a final of live speech waits to hear who said it. Whoever is not known by then follows
as SpeakerKnown, and is in the journal and the sinks. Where answers usually take longer, none waits."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How a session is doing. Times in seconds.

    level: now. loudest_dbfs: the highest peak so far. is_ready: whether the engine is loaded.
    recorded: sound so far. backlog: of it not recognized yet. delay: from the end of the last utterance to its
    text; None before the first and where the sound does not come in real time. num_overruns: losses of sound.
    """

    source: str
    level: Level
    loudest_dbfs: float
    recorded: float
    backlog: float
    delay: float | None
    num_overruns: int
    num_finals: int
    is_ready: bool
    is_behind: bool


class Session:
    """Listens to a source until it ends or ``stop`` is called. A context manager and an iterator.

        with Session(Microphone("usb")) as session:
            for event in session:
                if isinstance(event, Final):
                    print(event.segment.text)

    Entering opens the source and begins to keep sound; only then is the engine loaded, so the first word is
    whole. Iterating gives the stream's events and notices, on the thread that iterates; leaving the loop early
    leaves the session unfinished, for ``earshot sessions recover``. Where the source breaks off, all that was
    said comes first, then its AudioError.

    options: engine, model and what it takes. recognizer: one that is loaded already and stays the caller's.
    processors: applied to each final in order, after marks and numbers. sinks: take each finished segment, with
    word times; closed at the end. followers: get each event as it is given out, aside; their remarks come as
    events.
    has_journal: keep sound and text in a folder of ``home`` (None: the user's own), crash-proof.
    duration: seconds after which it stops. aligners, punctuators: to share what is loaded with other sessions.
    tracker: loads what tells speakers apart where ``options.speakers`` asks for that; None for our own. Finals
    then say who speaks, and are cut where the speaker changes; one that does not say is followed by a
    SpeakerKnown, a moment later.
    lost: seconds that a full disk has cost, known after leaving.
    """

    def __init__(
        self,
        source: Source | None = None,
        options: TranscriptionOptions | None = None,
        *,
        recognizer: Recognizer | None = None,
        processors: Sequence[PostProcessor] = (),
        sinks: Sequence[SegmentSink] = (),
        followers: Sequence[Follower] = (),
        has_journal: bool = True,
        home: Path | None = None,
        duration: float | None = None,
        aligners: dict[str, Aligner | None] | None = None,
        punctuators: Punctuators | None = None,
        tracker: TrackerFactory | None = None,
    ) -> None:
        self.options = options or TranscriptionOptions()
        self.journal: SessionJournal | None = None
        self._source = source or Microphone()
        self._notices: deque[Notice] = deque(maxlen=100)
        self._recognizer = recognizer
        self._processors = [*_finishing(self.options, punctuators), *processors]
        self._aligners = aligners
        self._tracker = tracker
        self._sinks = sinks
        self._remarks: deque[Remark] = deque()
        self._known: deque[SpeakerKnown] = deque()
        self._followers = Followers(followers, self._remarks, self._notices)
        self._has_journal = has_journal
        self._home = home
        self._resources = ExitStack()
        self._backlog = Backlog(self._read_back if has_journal else None)
        limit = None if duration is None else round(duration * SAMPLE_RATE)
        self._pump = Pump(self._source, [self._receive], limit=limit, on_end=self._backlog.close)
        self._is_stopping = threading.Event()
        self._language: str | None = None
        self._is_complete = False
        self._is_ready = False
        self._is_behind = False
        self._has_caught_up = False
        self._has_told_behind = False
        self._num_finals = 0
        self.lost = 0.0
        self._delay: float | None = None

    def __enter__(self) -> Session:
        with ExitStack() as stack:
            stack.callback(self._close_journal)
            stack.callback(self._followers.close)
            stack.callback(self._pump.join)
            stack.callback(self.stop)
            self._pump.open()  # first: a microphone that is not there shall leave no empty session behind
            if self._has_journal:
                self.journal = SessionJournal(self._meta(), home=self._home, on_failure=self._tell_disk)
            self._pump.start()
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def stop(self) -> None:
        """End soon: what was captured is still recognized. May be called from any thread or signal handler."""
        self._is_stopping.set()
        self._pump.stop()

    @property
    def status(self) -> SessionStatus:
        """Now; may be asked from any thread."""
        return SessionStatus(
            source=self._source.name,
            level=self._pump.level,
            loudest_dbfs=self._pump.loudest_dbfs,
            recorded=self._pump.num_samples / SAMPLE_RATE,
            backlog=self._backlog.seconds,
            delay=self._delay,
            num_overruns=self._source.num_overruns,
            num_finals=self._num_finals,
            is_ready=self._is_ready,
            is_behind=self._is_behind,
        )

    def __iter__(self) -> Iterator[SessionEvent]:
        with ExitStack() as stack:
            speakers = self._speakers(stack)  # loads beside the engine
            recognizer = self._recognizer
            if recognizer is None:
                recognizer = load_engine(self.options.engine, self.options.engine_options)
                stack.callback(recognizer.close)
            self._language = self.options.language or _only(recognizer.capabilities.languages)
            finisher = self._finisher(recognizer)
            stack.callback(finisher.close)
            options = self.options
            stream = stack.enter_context(
                recognizer.stream(grammar=options.grammar, hot_words=options.hot_words)
            )
            if speakers is not None:
                speakers.wait_until_loaded()
            self._is_ready = True
            yield from self._recognized(stream, finisher, speakers)
        self._followers.close()
        yield from self._news()
        self._is_complete = True
        if self._pump.error is not None:
            raise self._pump.error

    def _recognized(
        self, stream: RecognitionStream, finisher: Finisher, speakers: Speakers | None
    ) -> Iterator[SessionEvent]:
        tail = Tail(_TAIL)
        while (block := self._backlog.take(_STEP, _TICK)) is not None:
            yield from self._news()
            if not len(block):
                continue
            self._ease(stream)
            tail.append(block)
            if speakers is not None:
                speakers.append(block)
            yield from self._told_all(stream.accept(block), tail, finisher, speakers)
        yield from self._told_all(stream.finish(), tail, finisher, speakers)

    def _told_all(
        self, events: Iterable[Event], tail: Tail, finisher: Finisher, speakers: Speakers | None
    ) -> Iterator[Event]:
        for event in events:
            for told in self._told(event, tail, finisher, speakers):
                self._followers.put(told)
                yield told

    def _told(self, event: Event, tail: Tail, finisher: Finisher, speakers: Speakers | None) -> Iterator[Event]:
        """The event as the user gets it, after the journal has it: a final for each who spoke in it."""
        if not isinstance(event, Final):
            self._write(event_fields(event))
            yield event
            return
        raw = replace(event.segment, language=event.segment.language or self._language)
        segment = self._processed(raw)
        changed = {"raw": raw.text} if raw.text != segment.text else {}
        patience, late = 0.0, None
        if speakers is not None:
            patience = _SPEAKER_PATIENCE if speakers.usual_delay <= _SPEAKER_PATIENCE else 0.0
            late = speakers.ask(segment.start, segment.end)
        for part in self._by_speaker(segment, late, patience, tail, finisher):
            index = self._num_finals
            self._num_finals += 1
            self._write({"type": "final", "index": index, **segment_fields(part), **changed})
            changed = {}
            sound = tail.between(part.start - _MARGIN, part.end + _MARGIN)
            finisher.put(index, part, *sound, speaker=late if part.speaker is None else None)
            self._delay = self._pump.age(segment.end) if self._source.is_live else None
            yield Final(part)

    def _by_speaker(
        self, segment: Segment, answer: Answer | None, patience: float, tail: Tail, finisher: Finisher
    ) -> tuple[Segment, ...]:
        """Who says it, as far as that is known in time."""
        if answer is None:
            return (segment,)
        try:
            turns = answer.result(patience if self._source.is_live else None)
        except TimeoutError:
            return (segment,)
        if len({turn.speaker for turn in turns}) > 1:  # then it matters when each word was said
            sound = tail.between(segment.start - _MARGIN, segment.end + _MARGIN)
            segment = finisher.timed_at_once(segment, *sound)
        return split_by_speaker(segment, turns)

    def _processed(self, segment: Segment) -> Segment:
        for process in list(self._processors):
            try:
                segment = process(segment)
            except Exception as error:  # the words themselves matter more than how they are dressed
                self._processors.remove(process)
                reason = f"{type(error).__name__}: {error}"
                self._notices.append(
                    Notice("text", f"a step of post-processing fails and is left out: {reason}")
                )
        return segment

    def _ease(self, stream: RecognitionStream) -> None:
        """Leave partials out while there is a backlog, finals never."""
        waiting = self._backlog.seconds
        if waiting < _CAUGHT_UP:
            self._is_behind = False
            self._has_caught_up = True
        elif waiting > _BEHIND and not self._is_behind:
            self._is_behind = True
            if self._has_caught_up and self._source.is_live and not self._has_told_behind:
                self._has_told_behind = True
                text = "recognition is slower than the speech: finals come later, partials are left out"
                self._notices.append(Notice("behind", text))
        if hasattr(stream, "skip_partials"):
            stream.skip_partials = self._is_behind

    def _news(self) -> Iterator[Notice | Remark | SpeakerKnown]:
        while self._known:
            yield self._known.popleft()
        for notices in (self._pump.notices, self._notices):
            while notices:
                notice = notices.popleft()
                self._write({"type": "notice", "kind": notice.kind, "text": notice.text})
                yield notice
        while self._remarks:
            remark = self._remarks.popleft()
            self._write({"type": remark.kind, **asdict(remark)})
            yield remark

    def _write(self, fields: dict[str, Any] | None) -> None:
        if self.journal is not None and fields is not None:
            self.journal.append_event(fields)

    def _receive(self, block: Samples) -> None:
        """On the capturing thread."""
        if self.journal is not None:
            self.journal.append_audio(block)
        self._backlog.append(block)
        while not (self._source.is_live or self._is_stopping.is_set()):
            if self._backlog.wait_until_below(_PATIENCE, _TICK):
                break

    def _read_back(self, start: int, count: int) -> Samples:
        assert self.journal is not None, "the journal is made before the first block comes"
        return self.journal.read_audio(start, count)

    def _tell_disk(self, error: OSError | None) -> None:
        """On the journal's thread."""
        self._notices.append(disk_notice(error))

    def _close_journal(self) -> None:
        if self.journal is None:
            return
        self.lost = self.journal.close(is_complete=self._is_complete)

    def _meta(self) -> SessionMeta:
        options = self.options
        speakers = options.speakers
        engine = self._recognizer.name.split("/")[0] if self._recognizer else options.engine
        return SessionMeta(
            now(),
            self._source.name,
            engine,
            options.model,
            options.language,
            punctuation=options.punctuation,
            numbers=options.numbers,
            diarize=speakers is not None,
            num_speakers=speakers.num_speakers if speakers is not None else None,
        )

    def _speakers(self, stack: ExitStack) -> Speakers | None:
        if self.options.speakers is None:
            return None
        tracker = self._tracker or online_tracker(self.options.speakers)
        speakers = Speakers(tracker, self._notices, is_live=self._source.is_live)
        stack.callback(speakers.close)
        return speakers

    def _finisher(self, recognizer: Recognizer) -> Finisher:
        return Finisher(
            self._sinks,
            self.journal,
            self._notices,
            has_word_times=self.options.word_times and not recognizer.capabilities.word_times,
            language=self._language,
            aligners=self._aligners,
            known=self._known,
        )


def _finishing(options: TranscriptionOptions, punctuators: Punctuators | None) -> list[PostProcessor]:
    """Marks, capitals and numbers; what fits a grammar stays as it is."""
    if options.grammar is not None:
        return []
    return post_processors(TextOptions(options.punctuation, options.numbers), punctuators)


def _only(languages: frozenset[str]) -> str | None:
    """The language of an engine that knows one."""
    return next(iter(languages)) if len(languages) == 1 else None


def listen(
    device: str | int | None = None,
    options: TranscriptionOptions | None = None,
    *,
    has_journal: bool = True,
) -> Iterator[Segment]:
    """What is said into a microphone, utterance by utterance, until the loop is left or the device is gone.

    >>> for segment in listen():          # doctest: +SKIP
    ...     print(segment.text)
    """
    with Session(Microphone(device), options, has_journal=has_journal) as session:
        for event in session:
            if isinstance(event, Final):
                yield event.segment
