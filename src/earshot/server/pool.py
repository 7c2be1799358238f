"""One set of weights for everybody: live streams and uploads share the recognizers and the workers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from earshot.core.errors import EarshotError, UnsupportedError, nearest
from earshot.core.types import (
    SAMPLE_RATE,
    Audio,
    Capabilities,
    Event,
    Final,
    Grammar,
    Samples,
    Segment,
    Transcript,
)
from earshot.engines import EngineOptions, RecognitionStream, Recognizer, find_engine, load_engine
from earshot.engines.alignment import Aligner, find_aligner
from earshot.engines.base import Task, check_request
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.streaming import BufferedStream, StreamingOptions
from earshot.live.finishing import Tail
from earshot.live.relabelling import Names
from earshot.live.speakers import SpeakerTracker, diarization_options, online_tracker
from earshot.server.errors import RequestError, TooManyError, UnknownServedModelError
from earshot.server.scheduler import Scheduler
from earshot.server.settings import ServerOptions
from earshot.server.uploads import UploadJob
from earshot.speakers.diarization import Diarizer
from earshot.speakers.encoder import SpeakerEncoder
from earshot.speakers.memory import SpeakerMemory
from earshot.speakers.types import Diarization
from earshot.transcription import SpeakerOptions, TranscriptionOptions
from earshot.transcription.processors import BareTextPunctuation, Punctuators

_log = logging.getLogger("earshot.server")

_STEP = SAMPLE_RATE // 5
"""Samples that one turn of a stream takes, so that nobody waits long for theirs."""

_TAIL = 45.0
"""Seconds of sound kept for word times: longer than any engine's utterance."""

_UPLOADS_AT_ONCE = 4
"""Recordings that are read and cut at once, beside the workers; others wait. They take turns of a window."""

_CONCURRENT = frozenset({"ctc", "moonshine", "pocketsphinx", "scripted", "vosk", "wav2vec2", "whisper"})
"""Engines whose streams and batches may run in several threads at once; others take turns."""

_MARGIN = 0.2
"""Seconds of sound around an utterance in which its words are looked for."""


def is_openai_name(name: str) -> bool:
    """What clients of OpenAI's ask for by default; here it means the default engine."""
    return name == "whisper-1" or name.startswith("gpt-")


class RecognizerPool:
    """Holds each served recognizer once. ``open`` loads them, ``close`` releases them; both are blocking.

    recognizers: such as are loaded already and stay the caller's, by the name of their engine. aligners,
    punctuators: loaded for all.
    """

    def __init__(self, options: ServerOptions, recognizers: Mapping[str, Recognizer] | None = None) -> None:
        self.options = options
        self._given = dict(recognizers or {})
        self._served: dict[str, Served] = {}
        self._translating: dict[str, Served] = {}
        self._resources = ExitStack()
        self.scheduler = Scheduler()
        self.num_streams = 0
        self.num_uploads = 0
        self.num_finals = 0
        self.num_live_samples = 0
        self.upload_seconds = 0.0
        self.punctuators = Punctuators()
        self.aligners: dict[str, Aligner | None] = {}
        self._voice_encoder: SpeakerEncoder | None = None
        self._lock = threading.Lock()
        self._upload_places = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    def open(self) -> None:
        """Load what is served. Raises EarshotError where an engine cannot be loaded."""
        self.scheduler.start()
        options = self.options
        first = EngineOptions(options.model, options.language, language_model=options.language_model)
        wanted = [(options.engine, first)]
        for name in options.more_engines:
            engine, _, chosen = name.partition("/")
            wanted.append((engine, EngineOptions(chosen or None)))
        for engine, loaded in wanted:
            served = self._load(engine, loaded)
            self._served.setdefault(served.name, served)
            if options.has_translations and "translate" in find_engine(engine).tasks:
                self._translating[served.name] = self._load(engine, replace(loaded, task="translate"))
        for served in self._served.values():
            if not served.capabilities.word_times and served.language:
                self.aligner(served.language)  # reading its model takes a second that no client shall wait

    def close(self) -> None:
        """Stop the workers and release the weights. Calling it twice is harmless."""
        self.scheduler.close()
        self._resources.close()

    @property
    def live_seconds(self) -> float:
        """How much live sound was heard."""
        return self.num_live_samples / SAMPLE_RATE

    @property
    def default(self) -> Served:
        """What recognizes where a client names nothing."""
        return next(iter(self._served.values()))

    @property
    def served(self) -> tuple[Served, ...]:
        """All that can be asked for, the default first."""
        return tuple(self._served.values())

    def find(self, name: str | None = None, task: Task = "transcribe") -> Served:
        """By name (``moonshine/tiny-en``), engine (``moonshine``), or a name that OpenAI's clients send.

        Nothing is ever loaded for a client. Raises UnknownServedModelError, or RequestError where nothing that
        is served translates.
        """
        known = self._served if task == "transcribe" else self._translating
        if not known:
            raise RequestError(
                "nothing that is served here translates",
                fix="start the server with --engine whisper --translations, or ask for a transcription",
                code="unsupported",
                param="model",
            )
        if name is None or is_openai_name(name):
            return next(iter(known.values()))
        for served in known.values():
            if name in (served.name, served.engine):
                return served
        raise UnknownServedModelError(
            f"the model {name[:80]!r} is not served", fix=nearest(name[:80], known), param="model"
        )

    def open_stream(
        self,
        model: str | None = None,
        *,
        language: str | None = None,
        grammar: Grammar | None = None,
        hot_words: Sequence[str] = (),
        word_times: bool = False,
        punctuation: bool = True,
        endpointing: StreamingOptions | None = None,
    ) -> ServedStream:
        """A live stream; close it, or leave it as a context manager.

        word_times: finals have the time of every word, which costs a moment. punctuation: marks and capitals
        where the engine writes none. endpointing: when utterances end, for engines that leave it to us.
        Raises TooManyError, UnknownServedModelError, UnsupportedError for a language, grammar or hot words that
        the engine does not know.
        """
        served = self.find(model)
        served.check_language(language)
        if self.num_streams >= self.options.max_sessions:
            raise TooManyError(
                f"{self.options.max_sessions} streams listen already", fix="try again when one has ended"
            )
        return ServedStream(
            self,
            served,
            served.open_stream(grammar, hot_words, endpointing),
            language=language or served.language,
            word_times=word_times and not served.capabilities.word_times,
            punctuate=BareTextPunctuation(self.punctuators) if punctuation and grammar is None else None,
        )

    async def transcribe_file(
        self,
        path: Path,
        options: TranscriptionOptions | None = None,
        progress: Callable[[float, float | None], None] | None = None,
        *,
        model: str | None = None,
        task: Task = "transcribe",
        on_segment: Callable[[Segment], None] | None = None,
        name_speakers: Names | None = None,
    ) -> Transcript:
        """A recording that the server itself put at ``path``. Cancelling the caller ends the work soon.

        options: of these language, word_times, punctuation, numbers, sentences, grammar, hot_words and speakers
        count; the recognizer is that of ``model``. progress: told the seconds done and in all, on the loop.
        on_segment: told each finished segment, on the event loop. name_speakers: whose voices are known, asked
        on a thread; None for the speaker memory of the data folder.
        Raises AudioError, TooManyError, UnknownServedModelError or UnsupportedError.
        """
        served = self.find(model, task)
        options = options or TranscriptionOptions()
        served.check_language(options.language)
        if self.num_uploads >= self.options.max_uploads:
            raise TooManyError(
                f"{self.options.max_uploads} recordings are in work already", fix="try again in a while"
            )
        self.num_uploads += 1
        try:
            await self._upload_places.acquire()
        except BaseException:
            self.num_uploads -= 1
            raise
        try:
            options = replace(options, language=options.language or served.language)
            job = UploadJob(self, served, path, options, progress, on_segment, name_speakers)
            transcript = await job.run()
            self.upload_seconds += transcript.duration or 0.0
            self.tell_content(transcript.text)
            return transcript
        finally:
            self._upload_places.release()
            self.num_uploads -= 1

    def count_heard(self, num_samples: int, *, num_finals: int = 0) -> None:
        """Live sound that was heard, and what became of it; may be called from any thread."""
        with self._lock:
            self.num_live_samples += num_samples
            self.num_finals += num_finals

    def tell_content(self, text: str) -> None:
        """To the log, where that was asked for."""
        if self.options.log_content:
            _log.info("heard: %s", text)

    def aligner(self, language: str) -> Aligner | None:
        """Finds word times in that language, loaded once; None where there is none. Blocking."""
        with self._lock:
            if language not in self.aligners:
                self.aligners[language] = find_aligner(language)
            return self.aligners[language]

    def voice_encoder(self) -> SpeakerEncoder:
        """Tells voices apart, loaded once. Blocking. Raises MissingExtraError where there is none.

        It computes on half of the cores, so that live speech has the others.
        """
        from earshot.core.runtime import num_cores
        from earshot.speakers.encoder import find_encoder

        with self._lock:
            if self._voice_encoder is None:
                self._voice_encoder = find_encoder(num_threads=max(1, num_cores() // 2))
            return self._voice_encoder

    def diarizer(self, speakers: SpeakerOptions) -> Diarizer:
        """For one recording. Blocking. Raises as ``voice_encoder`` does."""
        return Diarizer(diarization_options(speakers), encoder=self.voice_encoder())

    def tracker(self, speakers: SpeakerOptions) -> SpeakerTracker:
        """For one live session. Blocking. Raises as ``voice_encoder`` does."""
        return online_tracker(speakers, encoder=self.voice_encoder(), memory=self.memory)()

    @property
    def memory(self) -> SpeakerMemory:
        """The voices that this computer knows."""
        return SpeakerMemory(self.options.data_folder / "speakers.sqlite")

    def remembered_names(self, diarization: Diarization) -> dict[str, str]:
        """Whose voices are known; a memory that is damaged costs names, no words."""
        try:
            return self.memory.name_speakers(diarization)
        except EarshotError as error:
            _log.warning("speakers stay without names: %s", error)
            return {}

    def _load(self, engine: str, options: EngineOptions) -> Served:
        recognizer = self._given.get(engine)
        if recognizer is None:
            recognizer = load_engine(engine, options)
            self._resources.callback(recognizer.close)
        return Served(engine, recognizer, options.language)


class Served:
    """A recognizer that clients may ask for. engine: as in ``moonshine``; name: as in ``moonshine/tiny-en``."""

    def __init__(self, engine: str, recognizer: Recognizer, language: str | None) -> None:
        self.engine = engine
        self.recognizer = recognizer
        self.capabilities: Capabilities = recognizer.capabilities
        self.name = recognizer.name
        known = recognizer.capabilities.languages
        self.language = language or (next(iter(known)) if len(known) == 1 else None)
        self._lock = None if engine in _CONCURRENT else threading.Lock()

    def open_stream(
        self, grammar: Grammar | None, hot_words: Sequence[str], endpointing: StreamingOptions | None
    ) -> RecognitionStream:
        """See ``RecognizerPool.open_stream``."""
        recognizer = self.recognizer
        if endpointing is not None and isinstance(recognizer, OfflineRecognizer):
            check_request(self.name, self.capabilities, grammar, hot_words)
            return BufferedStream(recognizer, grammar=grammar, hot_words=hot_words, options=endpointing)
        return recognizer.stream(grammar=grammar, hot_words=hot_words)

    def check_language(self, language: str | None) -> None:
        """Raise UnsupportedError for a language that is not known here. language: ISO 639-1, None for any."""
        known = self.capabilities.languages
        if language is not None and known and language not in known:
            listed = ", ".join(sorted(known)[:12])
            raise UnsupportedError(f"{self.name} knows {listed}, not {language[:20]!r}", fix="leave it out")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One thread at a time, where the engine asks for that."""
        if self._lock is None:
            yield
            return
        with self._lock:
            yield


class ServedStream:
    """A live stream whose work is done by the pool's workers; one call at a time. A context manager."""

    def __init__(
        self,
        pool: RecognizerPool,
        served: Served,
        stream: RecognitionStream,
        *,
        language: str | None,
        word_times: bool,
        punctuate: BareTextPunctuation | None,
    ) -> None:
        self.served = served
        self._pool = pool
        self._stream = stream
        self._language = language
        self._tail = Tail(_TAIL) if word_times else None
        self._punctuate = punctuate
        self._is_open = True
        self.num_samples = 0
        pool.num_streams += 1

    async def accept(self, samples: Samples) -> list[Event]:
        """Take the next block: float32 (n,), 16 kHz, any n. Returns when it was heard: that is the brake."""
        events: list[Event] = []
        for start in range(0, len(samples), _STEP):
            block = samples[start : start + _STEP]
            events += await self._pool.scheduler.run(lambda block=block: self._accept(block))  # type: ignore[misc]
        return events

    async def finish(self) -> list[Event]:
        """Everything open becomes final."""
        return await self._pool.scheduler.run(self._finish)

    def close(self) -> None:
        """Give the place to others. Calling it twice is harmless."""
        if self._is_open:
            self._is_open = False
            self._pool.num_streams -= 1
            self._stream.__exit__(None, None, None)

    def __enter__(self) -> ServedStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self, block: Samples) -> list[Event]:
        if hasattr(self._stream, "skip_partials"):
            # Whoever else waits may wait for a final, and those come first.
            self._stream.skip_partials = self._pool.scheduler.num_waiting > 0
        if self._tail is not None:
            self._tail.append(block)
        self.num_samples += len(block)
        self._pool.count_heard(len(block))
        with self.served.turn():
            events = self._stream.accept(block)
        return [self._finished(event) for event in events]

    def _finish(self) -> list[Event]:
        with self.served.turn():
            events = self._stream.finish()
        return [self._finished(event) for event in events]

    def _finished(self, event: Event) -> Event:
        if not isinstance(event, Final):
            return event
        segment = replace(event.segment, language=event.segment.language or self._language)
        if self._punctuate is not None:
            segment = self._punctuate(segment)
        self._pool.count_heard(0, num_finals=1)
        self._pool.tell_content(segment.text)
        return Final(self._timed(segment))

    def _timed(self, segment: Segment) -> Segment:
        if self._tail is None or not segment.words or all(word.start is not None for word in segment.words):
            return segment
        aligner = self._pool.aligner(segment.language or "")
        if aligner is None:
            return segment
        sound, start = self._tail.between(segment.start - _MARGIN, segment.end + _MARGIN)
        if not len(sound):
            return segment
        try:
            words = aligner.align_words(Audio(sound), segment.words, offset=start)
        except EarshotError:  # the words matter more than their times
            return segment
        return replace(segment, words=words)
