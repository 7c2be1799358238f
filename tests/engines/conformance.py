"""What every engine must keep, whatever is inside. Subclass ``Conformance`` and give a ``recognizer`` fixture.

class TestMine(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls): ...
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from earshot.core.errors import EngineError, UnsupportedError
from earshot.core.types import (
    Audio,
    Event,
    Final,
    Grammar,
    Partial,
    Segment,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from earshot.engines import Recognizer


def run_stream(recognizer: Recognizer, audio: Audio, block: int) -> list[Event]:
    events: list[Event] = []
    with recognizer.stream() as stream:
        for start in range(0, len(audio.samples), block):
            events += stream.accept(audio.samples[start : start + block])
        events += stream.finish()
    return events


def finals_of(events: list[Event]) -> list[Segment]:
    return [event.segment for event in events if isinstance(event, Final)]


def check_segment(segment: Segment, duration: float) -> None:
    assert segment.text == segment.text.strip()
    assert segment.text
    assert 0 <= segment.start <= segment.end <= duration + 0.1
    if segment.words:
        assert " ".join(word.text for word in segment.words).split() == segment.text.split()
    clock = 0.0
    for word in segment.words:
        assert (word.start is None) == (word.end is None) == (word.time_source is None)
        assert word.confidence is None or 0 <= word.confidence <= 1
        if word.start is not None and word.end is not None:
            assert clock - 1e-6 <= word.start <= word.end <= duration + 0.1
            clock = word.start


def check_transcript(transcript: Transcript, duration: float) -> None:
    assert transcript.duration == pytest.approx(duration, abs=0.01)
    assert transcript.engine
    clock = 0.0
    for segment in transcript.segments:
        check_segment(segment, duration)
        assert segment.start >= clock - 1e-6
        clock = segment.start


class Conformance:
    """Set ``hears`` to False for engines under test whose tiny weights know nothing of the sample's words."""

    hears = True

    def test_a_recording_becomes_ordered_segments(self, recognizer: Recognizer, sample: Audio) -> None:
        transcript = recognizer.transcribe(sample)
        check_transcript(transcript, sample.duration)
        if self.hears:
            assert len(transcript.text.split()) >= 10

    def test_another_rate_is_resampled(self, recognizer: Recognizer, sample: Audio) -> None:
        half = Audio(np.ascontiguousarray(np.repeat(sample.samples, 2)), 32_000)
        check_transcript(recognizer.transcribe(half), sample.duration)

    def test_a_batch_equals_its_parts(self, recognizer: Recognizer, sample: Audio) -> None:
        if not self.hears:
            pytest.skip("the tiny weights of this test are too close to chance for equal texts")
        parts = [Audio(sample.samples[: 16_000 * n], 16_000) for n in (5, 3, 4)]
        together = recognizer.transcribe_batch(parts)
        alone = [recognizer.transcribe_batch([part])[0] for part in parts]
        assert [t.text for t in together] == [t.text for t in alone]
        for transcript, part in zip(together, parts, strict=True):
            check_transcript(transcript, part.duration)

    def test_an_empty_batch_is_nothing(self, recognizer: Recognizer) -> None:
        assert recognizer.transcribe_batch([]) == []

    @pytest.mark.parametrize("num_samples", [0, 1, 160, 399, 1_600])
    def test_tiny_recordings_are_no_error(self, recognizer: Recognizer, num_samples: int) -> None:
        audio = Audio(np.zeros(num_samples, np.float32))
        check_transcript(recognizer.transcribe(audio), audio.duration)

    def test_a_stream_keeps_the_order_of_events(self, recognizer: Recognizer, sample: Audio) -> None:
        events = run_stream(recognizer, sample, 1_600)
        is_open = False
        for event in events:
            match event:
                case SpeechStarted():
                    assert not is_open
                    is_open = True
                case Partial(segment, num_stable):
                    assert is_open
                    assert 0 <= num_stable <= len(segment.text.split())
                case Final(segment):
                    check_segment(segment, sample.duration)
                case SpeechEnded():
                    assert is_open
                    is_open = False
        assert not is_open
        if self.hears:
            assert any(isinstance(event, Partial) for event in events)
            assert finals_of(events)
        for before, after in itertools.pairwise(finals_of(events)):
            assert before.start <= after.start

    def test_finals_do_not_depend_on_block_sizes(self, recognizer: Recognizer, sample: Audio) -> None:
        texts = [
            [s.text for s in finals_of(run_stream(recognizer, sample, block))] for block in (1_600, 517, 16_000)
        ]
        assert texts[0] == texts[1] == texts[2]

    def test_stable_words_stay(self, recognizer: Recognizer, sample: Audio) -> None:
        stable: list[str] = []
        for event in run_stream(recognizer, sample, 1_600):
            match event:
                case SpeechStarted() | SpeechEnded():
                    stable = []
                case Partial(segment, num_stable):
                    words = segment.text.split()
                    assert words[: len(stable)] == stable
                    stable = words[:num_stable]
                case Final(segment):
                    assert segment.text.split()[: len(stable)] == stable
                    stable = []

    def test_two_streams_do_not_mix(self, recognizer: Recognizer, sample: Audio) -> None:
        alone = [s.text for s in finals_of(run_stream(recognizer, sample, 4_000))]
        first: list[Event] = []
        second: list[Event] = []
        silence = np.zeros(4_000, np.float32)
        with recognizer.stream() as one, recognizer.stream() as other:
            for start in range(0, len(sample.samples), 4_000):
                first += one.accept(sample.samples[start : start + 4_000])
                second += other.accept(silence)
            first += one.finish()
            second += other.finish()
        assert [s.text for s in finals_of(first)] == alone

    def test_a_finished_stream_takes_nothing_more(self, recognizer: Recognizer) -> None:
        with recognizer.stream() as stream:
            stream.accept(np.zeros(1_600, np.float32))
            stream.finish()
            with pytest.raises(EngineError):
                stream.accept(np.zeros(1_600, np.float32))

    def test_what_it_cannot_do_it_refuses(self, recognizer: Recognizer, sample: Audio) -> None:
        if not recognizer.capabilities.grammar:
            with pytest.raises(UnsupportedError):
                recognizer.transcribe(sample, grammar=Grammar(("yes", "no")))
            with pytest.raises(UnsupportedError):
                recognizer.stream(grammar=Grammar(("yes", "no")))
        if not recognizer.capabilities.hot_words:
            with pytest.raises(UnsupportedError):
                recognizer.transcribe(sample, hot_words=("Dickens",))

    def test_capabilities_are_kept(self, recognizer: Recognizer, sample: Audio) -> None:
        words = recognizer.transcribe(sample).words
        if recognizer.capabilities.word_times:
            assert all(word.start is not None for word in words)
        if recognizer.capabilities.confidences:
            assert all(word.confidence is not None for word in words)
        if self.hears:
            assert words
