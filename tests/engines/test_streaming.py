"""The live stream of an offline engine, with a recognizer whose words are known and real speech."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

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
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.streaming import BufferedStream, StreamingOptions
from tests.engines.conformance import finals_of


class Metronome(OfflineRecognizer):
    """Hears "w0 w1 w2 …", a word each half second of audio; every second pass doubts all words it heard before.

    max_duration: how much it bears. fickle: whether it ever changes its mind.
    """

    def __init__(self, max_duration: float = 20.0, *, fickle: bool = False) -> None:
        self.name = "metronome"
        self.capabilities = Capabilities(max_duration=max_duration)
        self.num_passes = 0
        self._fickle = fickle

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        return [self._hear(audio) for audio in audios]

    def _hear(self, audio: Audio) -> Transcript:
        assert audio.duration <= (self.capabilities.max_duration or 0) + 1e-6
        self.num_passes += 1
        mood = "?" if self._fickle and self.num_passes % 3 == 0 else ""
        words = tuple(
            Word(f"w{index}{mood}", index / 2, index / 2 + 0.5, time_source="engine")
            for index in range(int(audio.duration * 2))
        )
        text = " ".join(word.text for word in words)
        segments = (Segment(text, 0.0, audio.duration, words),) if words else ()
        return Transcript(segments, None, audio.duration, self.name)


def run(stream: BufferedStream, samples: Samples, block: int = 1_600) -> list[Event]:
    events: list[Event] = []
    for start in range(0, len(samples), block):
        events += stream.accept(samples[start : start + block])
    return events + stream.finish()


@pytest.fixture
def long_speech(sample: Audio) -> Samples:
    """Half a minute without a pause: the loud parts of the sample, over and over."""
    frames = sample.samples[: len(sample.samples) // 512 * 512].reshape(-1, 512)
    loud = frames[np.abs(frames).mean(axis=1) > 0.02].ravel()
    return np.tile(loud, 30 * SAMPLE_RATE // len(loud) + 1)[: 30 * SAMPLE_RATE]


def test_endless_speech_is_cut_and_nothing_is_lost(long_speech: Samples) -> None:
    events = run(BufferedStream(Metronome(8.0)), long_speech)
    finals = finals_of(events)
    assert len(finals) >= 4
    for before, after in itertools.pairwise(finals):
        assert abs(after.start - before.end) <= 0.5
        assert before.end - before.start <= 8.0 + 0.1
    assert finals[0].start <= 0.5
    assert finals[-1].end >= 29.0


def test_a_fickle_engine_never_changes_committed_words(long_speech: Samples) -> None:
    stable: list[str] = []
    num_checked = 0
    for event in run(BufferedStream(Metronome(fickle=True)), long_speech):
        match event:
            case SpeechStarted() | SpeechEnded():
                stable = []
            case Partial(segment, num_stable):
                assert segment.text.split()[: len(stable)] == stable
                stable = segment.text.split()[:num_stable]
                num_checked += bool(stable)
            case Final(segment):
                assert segment.text.split()[: len(stable)] == stable
                stable = []
    assert num_checked


def test_skipping_partials_keeps_the_finals(sample: Audio) -> None:
    every = BufferedStream(Metronome())
    few = BufferedStream(Metronome())
    few.skip_partials = True
    shown, spared = run(every, sample.samples), run(few, sample.samples)
    assert [final.text for final in finals_of(shown)] == [final.text for final in finals_of(spared)]
    partials = [sum(isinstance(event, Partial) for event in events) for events in (shown, spared)]
    assert partials[1] < partials[0]


def test_more_patience_means_fewer_utterances(sample: Audio) -> None:
    hasty = StreamingOptions(min_silence=0.2, max_silence=0.2)
    calm = StreamingOptions(min_silence=3.0, max_silence=3.0)
    counts = [
        len(finals_of(run(BufferedStream(Metronome(), options=options), sample.samples)))
        for options in (hasty, calm)
    ]
    assert counts[1] == 1 < counts[0]


def test_silence_says_nothing() -> None:
    stream = BufferedStream(Metronome())
    assert run(stream, np.zeros(3 * SAMPLE_RATE, np.float32)) == []


def test_utterances_keep_the_sound_before_the_first_word(sample: Audio) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    events = run(BufferedStream(Metronome()), np.concatenate([silence, sample.samples]))
    start = next(event.time for event in events if isinstance(event, SpeechStarted))
    loud = 1.0 + int(np.argmax(np.abs(sample.samples) > 0.1)) / SAMPLE_RATE
    assert loud - 1.0 < start < loud - 0.1
