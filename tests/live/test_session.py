from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earshot.audio.capture import Notice, Source
from earshot.audio.journal import from_pcm
from earshot.core.errors import AudioError, OutputError, UnknownEngineError
from earshot.core.types import Audio, Event, Final, Partial, Samples, Segment
from earshot.engines.scripted import ScriptedRecognizer, ScriptedStream
from earshot.live import PacedSound, Remark, Session
from earshot.live.session import SessionEvent
from earshot.live.stored import StoredSession, find_session, list_sessions
from earshot.transcription import TranscriptionOptions

SCRIPTED = TranscriptionOptions(engine="scripted", punctuation=False)


def noise(seconds: float) -> Samples:
    return np.random.default_rng(3).uniform(-0.3, 0.3, round(16_000 * seconds)).astype(np.float32)


def fast(seconds: float = 20.0) -> PacedSound:
    return PacedSound(noise(seconds), speed=float("inf"))


def finals(events: list[SessionEvent]) -> list[Segment]:
    return [event.segment for event in events if isinstance(event, Final)]


class Collected:
    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.is_closed = False

    def write(self, segment: Segment) -> None:
        assert not self.is_closed
        self.segments.append(segment)

    def close(self) -> None:
        self.is_closed = True


class Cut(PacedSound):
    """Ends with an error after what it has."""

    def __iter__(self) -> Iterator[Samples]:
        yield from super().__iter__()
        raise AudioError("the cable was cut", fix="mend it")


def test_the_events_are_those_of_the_engine_and_the_journal_has_them(tmp_path: Path) -> None:
    sink = Collected()
    with Session(fast(), SCRIPTED, sinks=[sink], home=tmp_path) as session:
        events = list(session)
    said = finals(events)
    expected = ScriptedRecognizer().transcribe(Audio(noise(20.0)))
    assert tuple(said) == expected.segments
    assert tuple(sink.segments) == expected.segments
    assert sink.is_closed
    assert any(isinstance(event, Partial) for event in events)
    stored = find_session("last", tmp_path)
    assert stored.meta.is_complete
    assert stored.meta.engine == "scripted"
    assert stored.transcript().segments == expected.segments
    assert stored.duration == 20.0
    sound = from_pcm(stored.audio_path.read_bytes()[44:])
    np.testing.assert_allclose(sound, noise(20.0), atol=1 / 32768)


def test_bare_text_is_finished_as_files_are_and_recovered_so(tmp_path: Path) -> None:
    options = TranscriptionOptions(engine="scripted", model="i have twenty one dogs", numbers="digits")
    with Session(fast(5.0), options, home=tmp_path) as session:
        said = finals(list(session))
    assert "21 dogs" in said[0].text
    assert said[0].text.startswith("I have")
    meta = find_session("last", tmp_path).meta
    assert (meta.punctuation, meta.numbers) == (True, "digits")
    with Session(fast(5.0), SCRIPTED, home=tmp_path) as session:
        list(session)
    assert not find_session("last", tmp_path).meta.punctuation


def test_a_session_in_ten_lines_needs_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    with Session(fast(), SCRIPTED, has_journal=False) as session:
        assert finals(list(session))
    assert list(tmp_path.iterdir()) == []


def test_nothing_said_while_the_engine_loads_is_lost(tmp_path: Path) -> None:
    # The source runs in real time and is over before the engine is there.
    class Slow(ScriptedRecognizer):
        def stream(self, **options: object) -> ScriptedStream:
            done.wait(30)
            return super().stream()

    done = threading.Event()
    source = PacedSound(noise(4.0), speed=10.0)
    threading.Timer(1.0, done.set).start()
    with Session(source, SCRIPTED, recognizer=Slow(), home=tmp_path) as session:
        said = finals(list(session))
    assert said[0].text == "the quick brown fox jumps over the lazy dog"
    assert said[0].start == 0.0


def test_stopping_makes_the_last_utterance_final(tmp_path: Path) -> None:
    source = PacedSound(noise(600.0), speed=20.0)
    with Session(source, SCRIPTED, home=tmp_path) as session:
        events = []
        for event in session:
            events.append(event)
            if isinstance(event, Partial) and event.segment.text.startswith("the quick brown fox jumps"):
                session.stop()
    assert finals(events)[-1].text.startswith("the quick brown fox")
    stored = find_session("last", tmp_path)
    assert stored.meta.is_complete
    assert stored.duration < 590


def test_a_duration_ends_it_to_the_sample(tmp_path: Path) -> None:
    with Session(fast(60.0), SCRIPTED, duration=7.3, home=tmp_path) as session:
        list(session)
    assert find_session("last", tmp_path).duration == 7.3


def test_a_source_that_breaks_off_leaves_all_that_was_said(tmp_path: Path) -> None:
    source = Cut(noise(5.0), speed=float("inf"))
    events: list[SessionEvent] = []
    with (
        pytest.raises(AudioError, match="the cable was cut"),
        Session(source, SCRIPTED, home=tmp_path) as session,
    ):
        events.extend(session)
    expected = ScriptedRecognizer().transcribe(Audio(noise(5.0))).segments
    assert tuple(finals(events)) == expected
    stored = find_session("last", tmp_path)
    assert stored.transcript().segments == expected
    assert stored.meta.is_complete  # nothing is left to recover


def test_a_source_with_a_bug_ends_in_good_order(tmp_path: Path) -> None:
    class Buggy(PacedSound):
        def __iter__(self) -> Iterator[Samples]:
            yield from super().__iter__()
            raise ZeroDivisionError("oops")

    source = Buggy(noise(5.0), speed=float("inf"))
    with (
        pytest.raises(AudioError, match="ZeroDivisionError: oops"),
        Session(source, SCRIPTED, home=tmp_path) as session,
    ):
        list(session)
    assert find_session("last", tmp_path).duration == 5.0


def test_a_source_that_does_not_open_leaves_no_session(tmp_path: Path) -> None:
    class Absent(PacedSound):
        def __enter__(self) -> PacedSound:
            raise AudioError("there is no microphone")

    with pytest.raises(AudioError, match="there is no microphone"), Session(Absent(noise(1)), home=tmp_path):
        pass
    assert list_sessions(tmp_path) == ([], [])


def test_leaving_early_leaves_an_unfinished_session(tmp_path: Path) -> None:
    with Session(fast(), SCRIPTED, home=tmp_path) as session:
        for event in session:
            if isinstance(event, Final):
                break
    stored = find_session("last", tmp_path)
    assert stored.is_unfinished
    assert len(stored.transcript().segments) == 1


def test_an_engine_that_is_not_there_costs_no_sound(tmp_path: Path) -> None:
    with Session(fast(3.0), TranscriptionOptions(engine="nonsense"), home=tmp_path) as session:
        with pytest.raises(UnknownEngineError):
            list(session)
        while session.status.recorded < 3.0:
            threading.Event().wait(0.01)
    stored = find_session("last", tmp_path)
    assert stored.is_unfinished
    assert stored.duration == 3.0


def test_processors_change_finals_and_the_raw_text_is_kept(tmp_path: Path) -> None:
    def shout(segment: Segment) -> Segment:
        return replace(segment, text=segment.text.upper(), words=())

    with Session(fast(5.0), SCRIPTED, processors=[shout], home=tmp_path) as session:
        said = finals(list(session))
    assert said[0].text == "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG"
    stored = find_session("last", tmp_path)
    assert stored.transcript().segments[0].text == said[0].text
    first = next(event for event in events_of(stored) if event["type"] == "final")
    assert first["raw"] == "the quick brown fox jumps over the lazy dog"


def events_of(stored: StoredSession) -> list[dict[str, object]]:
    return [json.loads(line) for line in (stored.folder / "events.jsonl").read_text().splitlines()]


def test_a_processor_that_fails_is_left_out_and_told_once(tmp_path: Path) -> None:
    def broken(segment: Segment) -> Segment:
        raise KeyError("bug")

    with Session(fast(), SCRIPTED, processors=[broken], home=tmp_path) as session:
        events = list(session)
    assert tuple(finals(events)) == ScriptedRecognizer().transcribe(Audio(noise(20.0))).segments
    notices = [event for event in events if isinstance(event, Notice)]
    assert [notice.kind for notice in notices] == ["text"]
    assert "KeyError" in notices[0].text


def test_a_sink_that_fails_is_told_once_and_the_others_go_on(tmp_path: Path) -> None:
    class Full(Collected):
        def write(self, segment: Segment) -> None:
            raise OutputError("cannot write minutes.txt: the disk is full")

    good = Collected()
    with Session(fast(), SCRIPTED, sinks=[Full(), good], home=tmp_path) as session:
        events = list(session)
    assert len(good.segments) == len(finals(events)) > 3
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "cannot write minutes.txt: the disk is full"
    ]


def test_words_get_their_times_a_moment_after_the_final(tmp_path: Path, sample: Audio) -> None:
    sink = Collected()
    options = TranscriptionOptions(engine="moonshine")
    source = PacedSound(sample.samples, speed=float("inf"))
    with Session(source, options, sinks=[sink], home=tmp_path) as session:
        said = finals(list(session))
    assert [segment.text for segment in sink.segments] == [segment.text for segment in said]
    stored = find_session("last", tmp_path).transcript()
    assert stored.segments == tuple(sink.segments)
    for segment in sink.segments:
        for word in segment.words:
            assert word.start is not None
            assert word.end is not None
            assert segment.start - 0.5 <= word.start < word.end <= segment.end + 0.5
    first = sink.segments[0].words[0]
    assert first.text == "It"
    assert first.start == pytest.approx(1.2, abs=0.15)  # heard in the recording
    assert sink.segments[0].language == "en"


def test_an_engine_that_is_too_slow_gets_no_partials_but_all_finals(tmp_path: Path) -> None:
    class Stream(ScriptedStream):
        skip_partials = False

        def accept(self, samples: Samples) -> list[Event]:
            asked.append(self.skip_partials)
            if len(asked) > 3:
                threading.Event().wait(0.05)
            return super().accept(samples)

    class Slow(ScriptedRecognizer):
        def stream(self, **options: object) -> ScriptedStream:
            return Stream(self)

    asked: list[bool] = []
    source = PacedSound(noise(30.0), speed=15.0)
    with Session(source, SCRIPTED, recognizer=Slow(), home=tmp_path) as session:
        events = list(session)
    assert not asked[0]
    assert True in asked
    assert tuple(finals(events)) == ScriptedRecognizer().transcribe(Audio(noise(30.0))).segments
    assert [event.kind for event in events if isinstance(event, Notice)] == ["behind"]


def test_a_source_that_can_wait_is_not_taken_into_memory_whole(tmp_path: Path) -> None:
    blocks_given: deque[int] = deque()

    class Counting(PacedSound):
        def __iter__(self) -> Iterator[Samples]:
            for block in super().__iter__():
                blocks_given.append(len(block))
                yield block

    source: Source = Counting(noise(300.0), speed=float("inf"))
    with Session(source, SCRIPTED, has_journal=False) as session:
        threading.Event().wait(1.0)
        assert sum(blocks_given) < 65 * 16_000
        assert len(finals(list(session))) == 84
    assert sum(blocks_given) == 300 * 16_000


def test_a_muted_microphone_is_noticed(tmp_path: Path) -> None:
    class Muted(PacedSound):
        is_microphone = True

    sound = np.concatenate([noise(2.0), np.zeros(10 * 16_000, np.float32), noise(2.0)])
    with Session(Muted(sound, name="the headset", speed=float("inf")), SCRIPTED, home=tmp_path) as session:
        notices = [event for event in session if isinstance(event, Notice)]
    assert [notice.kind for notice in notices] == ["muted"]
    assert "the headset" in notices[0].text


def test_what_follows_comes_as_events_and_delays_nobody(tmp_path: Path) -> None:
    def slow_echo(event: Event) -> list[Remark]:
        if not isinstance(event, Final):
            return []
        threading.Event().wait(0.2)
        return [Remark("translation", event.segment.text.upper(), "xx", event.segment.start, event.segment.end)]

    def broken(event: Event) -> list[Remark]:
        raise ValueError("no such language")

    with Session(fast(), SCRIPTED, followers=[broken, slow_echo], home=tmp_path) as session:
        events = list(session)
    said = finals(events)
    remarks = [event for event in events if isinstance(event, Remark)]
    assert [remark.text for remark in remarks] == [segment.text.upper() for segment in said]
    assert [remark.start for remark in remarks] == [segment.start for segment in said]
    assert events.index(remarks[0]) > 3  # recognition did not wait for it
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "a follower fails and is left out: no such language"
    ]
    stored = find_session("last", tmp_path)
    assert [event["text"] for event in events_of(stored) if event["type"] == "translation"] == [
        remark.text for remark in remarks
    ]
    assert stored.transcript().segments == tuple(said)
