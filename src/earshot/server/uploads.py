"""Uploaded recordings: cut on a thread of their own, recognized by the pool's workers window by window."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earshot.audio.cutting import CutOptions
from earshot.audio.decode import open_audio
from earshot.audio.reader import AudioReader
from earshot.audio.resample import resampled
from earshot.core.types import SAMPLE_RATE, Audio, Grammar, Samples, Segment, Transcript
from earshot.engines import RecognitionStream
from earshot.live.relabelling import Names, spoken_by
from earshot.server.errors import TooLongError
from earshot.speakers.types import Diarization, Turn
from earshot.transcription import SpeakerOptions, Transcriber, TranscriptionOptions

if TYPE_CHECKING:
    from earshot.server.pool import RecognizerPool, Served


_PIECE = 5 * SAMPLE_RATE
"""Samples in which speakers are told apart in one turn."""

_DIARIZING = 0.4
"""How much of the time goes into telling speakers apart, where that is asked for."""


class UploadCancelledError(Exception):
    """Nobody waits for this recording any more."""


class UploadJob:
    """The work on one recording. See ``RecognizerPool.transcribe_file``."""

    def __init__(
        self,
        pool: RecognizerPool,
        served: Served,
        path: Path,
        options: TranscriptionOptions,
        progress: Callable[[float, float | None], None] | None,
        on_segment: Callable[[Segment], None] | None,
        name_speakers: Names | None,
    ) -> None:
        self._pool = pool
        self._path = path
        self._options = replace(options, speakers=None)
        self._speakers = options.speakers
        self._name_speakers = name_speakers or pool.remembered_names
        self._progress = progress
        self._on_segment = on_segment
        self._recognizer = PooledRecognizer(pool, served)
        self._max_duration = pool.options.max_duration
        self._is_cancelled = threading.Event()
        self._seconds = 0.0

    async def run(self) -> Transcript:
        """Wait for the whole; cancelling ends the thread at its next block."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Transcript] = loop.create_future()
        thread = threading.Thread(target=self._work, args=(loop, done), name="earshot-upload", daemon=True)
        thread.start()
        try:
            return await asyncio.shield(done)
        finally:
            self._is_cancelled.set()

    def _work(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Transcript]) -> None:
        try:
            outcome: Transcript | BaseException = self._transcribe(loop)
        except BaseException as error:  # it belongs to whoever asked
            outcome = error
        self._tell(loop, _settle, done, outcome)

    def _transcribe(self, loop: asyncio.AbstractEventLoop) -> Transcript:
        turns, before = ((), 0.0) if self._speakers is None else self._turns(loop, self._speakers)

        def progress(seconds: float, total: float | None) -> None:
            self._seconds = seconds
            if before:  # then the length is known, and a part of the work is done
                seconds, total = _DIARIZING * before + (1 - _DIARIZING) * seconds, before
            self._tell_progress(loop, seconds, total)

        segments: list[Segment] = []
        transcriber = Transcriber(
            self._options,
            recognizer=self._recognizer,
            aligners=self._pool.aligners,
            punctuators=self._pool.punctuators,
        )
        with open_audio(self._path) as reader:
            guarded = _Guarded(reader, self)
            for sentence in transcriber.segments(guarded, progress=progress):
                for segment in (sentence,) if self._speakers is None else spoken_by(sentence, turns):
                    segments.append(segment)
                    if self._on_segment is not None:
                        self._tell(loop, self._on_segment, segment)
        language = _common_language(segments) or self._options.language
        return Transcript(tuple(segments), language, self._seconds, self._recognizer.name)

    def _turns(self, loop: asyncio.AbstractEventLoop, speakers: SpeakerOptions) -> tuple[Sequence[Turn], float]:
        """Who speaks when, and the seconds of sound. Found first, so that segments come with their speakers."""
        diarizer = self._pool.diarizer(speakers)
        run = self._pool.scheduler.run_blocking
        num_samples = 0
        with open_audio(self._path) as reader:
            total = reader.info.duration
            for piece in _gathered(resampled(_Guarded(reader, self), reader.info.sample_rate)):
                run(lambda piece=piece: diarizer.accept(piece))  # type: ignore[misc]
                num_samples += len(piece)
                self._tell_progress(loop, _DIARIZING * num_samples / SAMPLE_RATE, total)
        diarization: Diarization = run(diarizer.finish)
        names = self._name_speakers(diarization) if speakers.has_names else {}
        turns = [replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in diarization.turns]
        return turns, num_samples / SAMPLE_RATE

    def _tell_progress(self, loop: asyncio.AbstractEventLoop, seconds: float, total: float | None) -> None:
        if self._progress is not None:
            self._tell(loop, self._progress, seconds, total)

    def _tell(self, loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: object) -> None:
        try:
            loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._is_cancelled.set()

    def check(self, seconds: float) -> None:
        """Raise when nobody waits any more, or when there is more sound than allowed."""
        if self._is_cancelled.is_set():
            raise UploadCancelledError
        if seconds > self._max_duration:
            raise TooLongError(
                f"the recording is longer than {self._max_duration:g} s", fix="cut it into parts"
            )


def _gathered(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Blocks that are worth a worker's turn."""
    gathered: list[Samples] = []
    count = 0
    for block in blocks:
        gathered.append(block)
        count += len(block)
        if count >= _PIECE:
            yield np.concatenate(gathered)
            gathered, count = [], 0
    if count:
        yield np.concatenate(gathered)


class _Guarded(AudioReader):
    """A reader that stops where the job says so."""

    def __init__(self, reader: AudioReader, job: UploadJob) -> None:
        self._reader = reader
        self._job = job
        self.info = reader.info

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``AudioReader``."""
        return self._reader.warnings

    @property
    def num_samples(self) -> int:
        """See ``AudioReader``."""
        return self._reader.num_samples

    def __iter__(self) -> Iterator[Samples]:
        for block in self._reader:
            self._job.check(self._reader.num_samples / self.info.sample_rate)
            yield block

    def close(self) -> None:
        """See ``AudioReader``."""
        self._reader.close()


class PooledRecognizer:
    """A recognizer whose batches wait for their turn among all that the server has to do."""

    def __init__(self, pool: RecognizerPool, served: Served) -> None:
        self.name = served.name
        self.capabilities = served.capabilities
        self.cut_options: CutOptions = getattr(served.recognizer, "cut_options", CutOptions())
        self._pool = pool
        self._served = served

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """A window at once while nobody listens live, else a clip a core at a time."""
        step = len(audios) if not self._pool.num_streams else self._pool.scheduler.num_workers
        results: list[Transcript] = []
        for start in range(0, len(audios), max(1, step)):
            part = audios[start : start + step]
            results += self._pool.scheduler.run_blocking(
                lambda part=part: self._recognized(part, grammar, hot_words)  # type: ignore[misc]
            )
        return results

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """Not for files, which come in windows."""
        return self._pool.scheduler.run_blocking(
            lambda: self._served.recognizer.transcribe(audio, grammar=grammar, hot_words=hot_words)
        )

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> RecognitionStream:
        """See ``Recognizer``."""
        return self._served.recognizer.stream(grammar=grammar, hot_words=hot_words)

    def close(self) -> None:
        """The weights are the pool's."""

    def _recognized(
        self, audios: Sequence[Audio], grammar: Grammar | None, hot_words: Sequence[str]
    ) -> list[Transcript]:
        with self._served.turn():
            return self._served.recognizer.transcribe_batch(audios, grammar=grammar, hot_words=hot_words)


def _common_language(segments: Sequence[Segment]) -> str | None:
    seconds: dict[str, float] = {}
    for segment in segments:
        if segment.language:
            seconds[segment.language] = seconds.get(segment.language, 0.0) + segment.end - segment.start
    return max(seconds, key=lambda language: seconds[language]) if seconds else None


def _settle(done: asyncio.Future[Transcript], outcome: Transcript | BaseException) -> None:
    if done.done():
        return
    if isinstance(outcome, Transcript):
        done.set_result(outcome)
    elif isinstance(outcome, UploadCancelledError):
        done.cancel()
    else:
        done.set_exception(outcome)
        done.exception()  # whoever asked may be gone; then nobody else shall be told
