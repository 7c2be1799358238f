"""The pool: who computes when, what streams and recordings share, and what they do not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earshot.core.errors import AudioError, EngineError, UnsupportedError
from earshot.core.types import Audio, Event, Final, Partial, Samples, Transcript
from earshot.engines import Recognizer
from earshot.engines.scripted import ScriptedRecognizer, ScriptedStream
from earshot.server.errors import TooLongError, TooManyError, UnknownServedModelError
from earshot.server.pool import RecognizerPool
from earshot.server.scheduler import Scheduler
from earshot.server.settings import ServerOptions
from tests.conftest import SAMPLE_TEXT
from tests.server.sounds import letters, silence


@asynccontextmanager
async def opened(
    recognizer: Recognizer, folder: Path, engine: str = "scripted", **options: Any
) -> AsyncIterator[RecognizerPool]:
    pool = RecognizerPool(ServerOptions(engine=engine, data_folder=folder, **options), {engine: recognizer})
    await asyncio.to_thread(pool.open)
    try:
        yield pool
    finally:
        await asyncio.to_thread(pool.close)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(2)
    scheduler.start()
    yield scheduler
    scheduler.close()


# --- the scheduler ------------------------------------------------------------------------------------------


def test_who_waited_longest_comes_first_and_live_before_files(scheduler: Scheduler) -> None:
    order: list[str] = []
    gate = threading.Event()

    async def work() -> None:
        held = [asyncio.ensure_future(scheduler.run(lambda: gate.wait(20))) for _ in range(2)]
        await asyncio.sleep(0.05)
        file = asyncio.to_thread(scheduler.run_blocking, lambda: order.append("file"))
        waiting = [asyncio.ensure_future(file)]
        await asyncio.sleep(0.1)
        for name in "abc":
            waiting.append(asyncio.ensure_future(scheduler.run(lambda name=name: order.append(name))))
            await asyncio.sleep(0.01)
        assert scheduler.num_waiting == 3
        gate.set()
        await asyncio.gather(*held, *waiting)

    asyncio.run(work())
    assert [name for name in order if name != "file"] == ["a", "b", "c"]
    assert order.index("file") >= 2


def test_a_file_in_work_leaves_a_worker_for_live_speech(scheduler: Scheduler) -> None:
    gate = threading.Event()

    async def work() -> str:
        files = [asyncio.ensure_future(asyncio.to_thread(scheduler.run_blocking, gate.wait)) for _ in range(5)]
        await asyncio.sleep(0.1)
        heard = await asyncio.wait_for(scheduler.run(lambda: "heard"), 10)
        gate.set()
        await asyncio.gather(*files)
        return heard

    assert asyncio.run(work()) == "heard"


def test_an_error_belongs_to_whoever_asked(scheduler: Scheduler) -> None:
    def fail() -> None:
        raise ValueError("mine")

    async def work() -> str:
        with pytest.raises(ValueError, match="mine"):
            await scheduler.run(fail)
        with pytest.raises(ValueError, match="mine"):
            await asyncio.to_thread(scheduler.run_blocking, fail)
        return await scheduler.run(lambda: "next")

    assert asyncio.run(work()) == "next"


def test_after_the_end_work_is_refused(scheduler: Scheduler) -> None:
    scheduler.close()
    with pytest.raises(Exception, match="the server is stopping"):
        scheduler.run_blocking(lambda: None)


# --- streams ------------------------------------------------------------------------------------------------


def test_streams_share_weights_and_nothing_else(tmp_path: Path, moonshine: Recognizer, sample: Audio) -> None:
    async def listen(pool: RecognizerPool, samples: Samples) -> str:
        with pool.open_stream(word_times=True) as stream:
            events: list[Event] = []
            for start in range(0, len(samples), 3_000):
                events += await stream.accept(samples[start : start + 3_000])
            events += await stream.finish()
        finals = [event.segment for event in events if isinstance(event, Final)]
        assert all(word.start is not None for segment in finals for word in segment.words)
        return " ".join(segment.text for segment in finals)

    async def work() -> list[str]:
        async with opened(moonshine, tmp_path, "moonshine") as pool:
            several = [listen(pool, sample.samples[shift:]) for shift in (0, 0, 0, 100_000)]
            return await asyncio.gather(*several)

    *same, other = asyncio.run(work())
    for text in same:
        assert letters(text).startswith(SAMPLE_TEXT)
    assert not letters(other).startswith("it was the best")


def test_finals_do_not_depend_on_how_busy_it_is(tmp_path: Path, moonshine: Recognizer, sample: Audio) -> None:
    """Partials are left out while others wait; what is final stays complete."""
    samples = sample.samples

    async def listen(pool: RecognizerPool) -> tuple[str, int]:
        with pool.open_stream() as stream:
            events = [*await stream.accept(samples), *await stream.finish()]
        text = " ".join(event.segment.text for event in events if isinstance(event, Final))
        return letters(text), sum(isinstance(event, Partial) for event in events)

    async def work() -> tuple[tuple[str, int], list[tuple[str, int]]]:
        async with opened(moonshine, tmp_path, "moonshine") as pool:
            return await listen(pool), await asyncio.gather(*(listen(pool) for _ in range(6)))

    alone, crowd = asyncio.run(work())
    assert alone[0].startswith(SAMPLE_TEXT)
    for text, _ in crowd:
        assert text.startswith(SAMPLE_TEXT)
    assert sum(count for _, count in crowd) < len(crowd) * alone[1]


def test_places_are_limited_and_given_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(ScriptedRecognizer(), tmp_path, max_sessions=2) as pool:
            first, second = pool.open_stream(), pool.open_stream()
            with pytest.raises(TooManyError):
                pool.open_stream()
            first.close()
            first.close()
            third = pool.open_stream()
            assert pool.num_streams == 2
            second.close()
            third.close()
            assert pool.num_streams == 0

    asyncio.run(work())


def test_only_what_is_served_can_be_had(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(ScriptedRecognizer(), tmp_path) as pool:
            for name in (None, "scripted", "whisper-1", "gpt-4o-transcribe"):
                assert pool.find(name) is pool.default
            for name in ("moonshine", "/etc", "", "scripted/../x"):
                with pytest.raises(UnknownServedModelError):
                    pool.find(name)

    asyncio.run(work())


def test_a_language_is_checked(tmp_path: Path, moonshine: Recognizer) -> None:
    async def work() -> None:
        async with opened(moonshine, tmp_path, "moonshine") as pool:
            with pytest.raises(UnsupportedError, match="knows en, not 'de'"):
                pool.open_stream(language="de")

    asyncio.run(work())


class FragileRecognizer(ScriptedRecognizer):
    """Counts who is inside at once, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: set[int] = set()
        self.most_inside = 0
        self.is_failing = False

    def transcribe_batch(self, audios: Sequence[Audio], **options: Any) -> list[Transcript]:
        with self.counted():
            return super().transcribe_batch(audios, **options)

    def stream(self, **options: Any) -> ScriptedStream:
        outer = self

        class Stream(ScriptedStream):
            def accept(self, samples: Samples) -> list[Event]:
                with outer.counted():
                    return super().accept(samples)

        return Stream(self)

    def counted(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def counting() -> Iterator[None]:
            thread = threading.get_ident()
            is_outermost = thread not in self.inside
            self.inside.add(thread)
            self.most_inside = max(self.most_inside, len(self.inside))
            time.sleep(0.002)
            try:
                if self.is_failing:
                    raise EngineError("the engine fails")
                yield
            finally:
                if is_outermost:
                    self.inside.discard(thread)

        return counting()


def write_noise(path: Path, seconds: float) -> None:
    """Bursts that a voice detector may take for speech or not; the engine is a fake."""
    random = np.random.default_rng(0)
    soundfile.write(path, random.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32), 16_000)


def test_an_engine_that_asks_for_it_is_entered_by_one_at_a_time(tmp_path: Path, sample: Audio) -> None:
    recognizer = FragileRecognizer()
    path = tmp_path / "a.wav"
    soundfile.write(path, sample.samples, 16_000)

    async def work() -> None:
        async with opened(recognizer, tmp_path, "sherpa") as pool:  # one that promises nothing of threads
            streams = [pool.open_stream() for _ in range(4)]
            await asyncio.gather(*(stream.accept(silence(4)) for stream in streams), pool.transcribe_file(path))
            for stream in streams:
                stream.close()

    asyncio.run(work())
    assert recognizer.most_inside == 1


def test_a_failing_engine_is_told_to_its_client_alone(tmp_path: Path) -> None:
    recognizer = FragileRecognizer()

    async def work() -> list[Event]:
        async with opened(recognizer, tmp_path) as pool:
            with pool.open_stream() as stream:
                recognizer.is_failing = True
                with pytest.raises(EngineError):
                    await stream.accept(silence(1))
            recognizer.is_failing = False
            with pool.open_stream() as stream:
                return [*await stream.accept(silence(1)), *await stream.finish()]

    assert any(isinstance(event, Final) for event in asyncio.run(work()))


# --- recordings ---------------------------------------------------------------------------------------------


def test_a_recording_tells_its_progress_and_its_segments(
    tmp_path: Path, moonshine: Recognizer, sample: Audio
) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, sample.samples, 16_000)
    told: list[tuple[float, float | None]] = []
    segments: list[str] = []

    async def work() -> Transcript:
        async with opened(moonshine, tmp_path, "moonshine") as pool:
            transcript = await pool.transcribe_file(
                path,
                progress=lambda seconds, total: told.append((seconds, total)),
                on_segment=lambda segment: segments.append(segment.text),
            )
            await asyncio.sleep(0)
            return transcript

    transcript = asyncio.run(work())
    assert letters(transcript.text).startswith(SAMPLE_TEXT)
    assert transcript.duration == pytest.approx(10)
    assert (transcript.language, transcript.engine) == ("en", "moonshine/tiny-en")
    assert " ".join(segments) == transcript.text
    assert [seconds for seconds, _ in told] == sorted(seconds for seconds, _ in told)
    assert told[-1] == (pytest.approx(10), pytest.approx(10))


def test_live_speech_does_not_wait_for_a_long_recording(
    tmp_path: Path, moonshine: Recognizer, sample: Audio
) -> None:
    """While a long recording is in work, a live stream hears every block long before the recording is done."""
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(sample.samples, 15), 16_000)

    async def work() -> tuple[str, bool]:
        async with opened(moonshine, tmp_path, "moonshine") as pool:
            upload = asyncio.ensure_future(pool.transcribe_file(path))
            await asyncio.sleep(0.2)
            with pool.open_stream() as stream:
                events = [*await stream.accept(sample.samples), *await stream.finish()]
                was_first = not upload.done()
            assert "best of times" in (await upload).text
        text = " ".join(event.segment.text for event in events if isinstance(event, Final))
        return letters(text), was_first

    text, was_first = asyncio.run(work())
    assert text.startswith(SAMPLE_TEXT)
    assert was_first


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b"nonsense" * 100), lambda path: None])
def test_a_recording_that_cannot_be_read_is_an_error(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    path = tmp_path / "a.wav"
    make(path)

    async def work() -> None:
        async with opened(ScriptedRecognizer(), tmp_path) as pool:
            with pytest.raises(AudioError):
                await pool.transcribe_file(path)
            assert pool.num_uploads == 0

    asyncio.run(work())


def test_a_recording_over_the_longest_is_stopped_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, silence(3600, 8_000), 8_000)  # an hour in a few kilobytes

    async def work() -> None:
        async with opened(ScriptedRecognizer(), tmp_path, max_duration=60) as pool:
            with pytest.raises(TooLongError):
                await pool.transcribe_file(path)

    asyncio.run(work())


def test_cancelling_ends_the_work_on_a_recording(tmp_path: Path, sample: Audio) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(sample.samples, 60), 16_000)

    async def work() -> None:
        async with opened(ScriptedRecognizer(), tmp_path) as pool:
            task = asyncio.ensure_future(pool.transcribe_file(path))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert pool.num_uploads == 0
            patience = time.monotonic() + 10
            while any(thread.name == "earshot-upload" for thread in threading.enumerate()):
                assert time.monotonic() < patience
                await asyncio.sleep(0.02)

    asyncio.run(work())


def test_the_aligner_is_loaded_once_for_all(tmp_path: Path, moonshine: Recognizer, sample: Audio) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, sample.samples[:32_000], 16_000)

    async def work() -> None:
        async with opened(moonshine, tmp_path, "moonshine") as pool:
            before = pool.aligner("en")
            await pool.transcribe_file(path)
            assert pool.aligners["en"] is before

    asyncio.run(work())
