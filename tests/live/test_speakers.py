"""Who speaks in a live session: labels on finals, in the journal, after a crash, and what goes wrong."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.audio.capture import Notice
from earshot.core.errors import MissingExtraError
from earshot.core.types import Audio, Final, Samples, Segment
from earshot.live import PacedSound, Session, SpeakerKnown
from earshot.live.relabelling import labels_as_before, spoken_by
from earshot.live.session import SessionEvent
from earshot.live.speakers import Speakers, SpeakerTracker, main_speaker, online_tracker
from earshot.live.stored import StoredSession, find_session
from earshot.speakers.encoder import SpeakerEncoder
from earshot.speakers.types import Diarization, Turn, Vectors
from earshot.transcription import SpeakerOptions, Transcriber, TranscriptionOptions
from tests.speech import three_voices

SCRIPTED = TranscriptionOptions(engine="scripted", punctuation=False, speakers=SpeakerOptions())
"""Nine words of 0.4 s a final."""


class Tracked:
    """Knows beforehand who speaks. Counts what it hears."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self.num_samples = 0
        self.questions: list[tuple[float, float, float]] = []

    def accept(self, samples: Samples) -> None:
        self.num_samples += len(samples)

    def prepare(self) -> None:
        pass

    def turns(self, start: float, end: float) -> list[Turn]:
        self.questions.append((start, end, self.num_samples / 16_000))
        return [turn for turn in self._turns if turn.start < end and turn.end > start]


def silence(seconds: float) -> Samples:
    return np.zeros(round(16_000 * seconds), np.float32)


def fast(seconds: float) -> PacedSound:
    return PacedSound(silence(seconds), speed=float("inf"))


def finals(events: Sequence[SessionEvent]) -> list[Segment]:
    return [event.segment for event in events if isinstance(event, Final)]


def said(segments: Sequence[Segment]) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in segments]


def heard(
    tracker: SpeakerTracker, home: Path, seconds: float = 7.2, source: PacedSound | None = None
) -> tuple[list[SessionEvent], StoredSession]:
    with Session(source or fast(seconds), SCRIPTED, home=home, tracker=lambda: tracker) as session:
        events = list(session)
    return events, find_session("last", home)


def test_every_final_says_who_speaks_and_so_does_the_journal(tmp_path: Path) -> None:
    tracker = Tracked([Turn(0.0, 3.5, "Anna"), Turn(3.7, 7.2, "S1")])
    events, stored = heard(tracker, tmp_path)
    first, second = finals(events)
    assert (first.speaker, second.speaker) == ("Anna", "S1")
    assert stored.transcript().segments == (first, second)
    assert stored.meta.diarize
    # It was asked only when it had heard what it was asked about.
    assert all(end <= known for _, end, known in tracker.questions)
    assert tracker.num_samples == 16_000 * 7.2


def test_without_asking_nobody_is_told_apart(tmp_path: Path) -> None:
    options = TranscriptionOptions(engine="scripted", punctuation=False)
    tracker = Tracked([Turn(0.0, 9.0, "Anna")])
    with Session(fast(3.6), options, home=tmp_path, tracker=lambda: tracker) as session:
        (final,) = finals(list(session))
    assert final.speaker is None
    assert tracker.num_samples == 0
    assert not find_session("last", tmp_path).meta.diarize


def test_an_utterance_of_two_people_becomes_two_finals(tmp_path: Path) -> None:
    events, stored = heard(Tracked([Turn(0.0, 1.6, "S1"), Turn(1.6, 3.6, "S2")]), tmp_path, 3.6)
    assert said(finals(events)) == [("S1", "the quick brown fox"), ("S2", "jumps over the lazy dog")]
    assert said(stored.transcript().segments) == said(finals(events))
    assert [word.text for word in stored.transcript().words] == [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "the",
        "lazy",
        "dog",
    ]


def test_a_final_does_not_wait_for_a_slow_tracker_and_the_journal_learns_it_later(tmp_path: Path) -> None:
    asked, told = threading.Event(), threading.Event()

    class Slow(Tracked):
        def turns(self, start: float, end: float) -> list[Turn]:
            asked.set()
            assert told.wait(30)
            return super().turns(start, end)

    tracker = Slow([Turn(0.0, 9.0, "Anna")])
    source = PacedSound(silence(3.8), speed=20.0)
    source.is_live = True
    with Session(source, SCRIPTED, home=tmp_path, tracker=lambda: tracker) as session:
        events = []
        for event in session:
            events.append(event)
            if isinstance(event, Final):
                assert asked.is_set()
                assert event.segment.speaker is None
                told.set()
    assert [event for event in events if isinstance(event, SpeakerKnown)] == [SpeakerKnown(0, "Anna")]
    [segment] = find_session("last", tmp_path).transcript().segments
    assert segment.speaker == "Anna"


def test_finals_wait_for_a_tracker_that_is_usually_quick_and_for_no_other() -> None:
    speakers = Speakers(lambda: Tracked([]), deque(), is_live=True)
    try:
        assert speakers.usual_delay == 0.0
        for _ in range(5):
            speakers.ask(0.0, 1.0).result()
        assert 0 < speakers.usual_delay < 10
    finally:
        speakers.close()


def test_who_cannot_be_told_stays_unknown(tmp_path: Path) -> None:
    events, stored = heard(Tracked([]), tmp_path, 3.6)
    assert said(finals(events)) == [(None, "the quick brown fox jumps over the lazy dog")]
    assert [event for event in events if isinstance(event, SpeakerKnown)] == [SpeakerKnown(0, None)]
    assert stored.transcript().segments[0].speaker is None


@pytest.mark.parametrize("step", ["accept", "turns"])
def test_a_tracker_that_fails_is_told_once_and_costs_no_word(tmp_path: Path, step: str) -> None:
    class Broken(Tracked):
        def accept(self, samples: Samples) -> None:
            if step == "accept" and self.num_samples > 16_000 * 5:
                raise ZeroDivisionError("no voice")
            super().accept(samples)

        def turns(self, start: float, end: float) -> list[Turn]:
            if step == "turns" and start > 3:
                raise ZeroDivisionError("no voice")
            return super().turns(start, end)

    events, _ = heard(Broken([Turn(0.0, 99.0, "Anna")]), tmp_path, 10.8)
    assert [segment.speaker for segment in finals(events)] == ["Anna", None, None]
    told = [event.text for event in events if isinstance(event, Notice)]
    assert told == ["speakers are not told apart any more: ZeroDivisionError: no voice"]


def test_a_session_without_encoder_says_what_is_missing(tmp_path: Path) -> None:
    def make() -> SpeakerTracker:
        raise MissingExtraError("no voice encoder is installed", fix="pip install it")

    with (
        Session(fast(3.6), SCRIPTED, home=tmp_path, tracker=make) as session,
        pytest.raises(MissingExtraError, match="no voice encoder"),
    ):
        list(session)
    assert not any(thread.name == "earshot-speakers" for thread in threading.enumerate())
    assert find_session("last", tmp_path).is_unfinished


def test_a_source_that_can_wait_waits_for_the_tracker(tmp_path: Path) -> None:
    behind: list[float] = []

    class Slow(Tracked):
        def accept(self, samples: Samples) -> None:
            time.sleep(0.002)
            super().accept(samples)

    tracker = Slow([Turn(0.0, 99.0, "S1")])
    with Session(fast(60.0), SCRIPTED, home=tmp_path, tracker=lambda: tracker) as session:
        for _ in session:
            ahead = session.status.recorded - session.status.backlog
            behind += [ahead - tracker.num_samples / 16_000]
    assert max(behind) < 10
    assert tracker.num_samples == 16_000 * 60


def test_a_line_of_the_journal_that_names_nobody_is_left_out(tmp_path: Path) -> None:
    _, stored = heard(Tracked([Turn(0.0, 9.0, "Anna")]), tmp_path, 3.6)
    with (stored.folder / "events.jsonl").open("a") as file:
        for speaker in (None, 7, ["Anna"], {}):
            file.write(json.dumps({"type": "speaker", "index": 0, "speaker": speaker}) + "\n")
        file.write(json.dumps({"type": "speaker", "index": 9, "speaker": "Bob"}) + "\n")
        file.write(
            json.dumps({"type": "final", "index": 1, "text": "x", "start": 0, "end": 1, "speaker": 7}) + "\n"
        )
    assert [segment.speaker for segment in stored.transcript().segments] == ["Anna"]


def test_after_a_pause_the_answer_is_there_at_once(voices: SpeakerEncoder, sample_path: Path) -> None:
    class Counting:
        """The same encoder, which says how much it was asked."""

        num_calls = 0

        def __getattr__(self, name: str) -> object:
            return getattr(voices, name)

        def embed(self, clips: Sequence[Samples]) -> Vectors:
            self.num_calls += 1
            return voices.embed(clips)

    first, second, _ = three_voices(sample_path)
    pause = np.random.default_rng(0).normal(0, 2e-4, 16_000).astype(np.float32)
    sound = np.concatenate([first[: 16_000 * 13], pause, second[: 16_000 * 5], pause])

    def told(*, is_prepared: bool) -> tuple[list[str], int]:
        encoder = Counting()
        tracker = online_tracker(SpeakerOptions(has_names=False), encoder=encoder)()  # type: ignore[arg-type]
        labels, num_calls = [], 0
        questions = {14: (0.5, 13.0), 20: (14.0, 18.9)}
        for second_of_sound in range(1, 21):
            for start in range(16_000 * (second_of_sound - 1), 16_000 * second_of_sound, 1_600):
                tracker.accept(sound[start : start + 1_600])
                if is_prepared:
                    tracker.prepare()
            if second_of_sound in questions:
                before = encoder.num_calls
                span = questions[second_of_sound]
                labels.append(main_speaker(tracker.turns(*span), *span) or "")
                num_calls += encoder.num_calls - before
        return labels, num_calls

    labels, num_calls = told(is_prepared=False)
    assert labels == ["S1", "S2"]
    assert num_calls > 0
    assert told(is_prepared=True) == (labels, 0)


# --- after a crash ------------------------------------------------------------------------------------------


def diarization(*turns: tuple[float, float, str]) -> Diarization:
    return Diarization(tuple(Turn(*turn) for turn in turns))


def spoken(start: float, end: float, speaker: str | None) -> Segment:
    return Segment("words", start, end, (), speaker)


def test_labels_stay_those_that_were_shown() -> None:
    found = diarization((0, 10, "S1"), (10, 20, "S2"), (20, 30, "S3"), (30, 40, "S4"))
    shown = [spoken(0, 9, "Anna"), spoken(11, 19, "S1"), spoken(25, 26, None)]
    # S2 was shown as S1; the third is known by name, the fourth gets what nobody has.
    assert labels_as_before(found, shown, {"S3": "Bob"}) == {"S1": "Anna", "S2": "S1", "S3": "Bob", "S4": "S2"}


def test_whoever_was_two_before_has_the_label_that_he_had_for_longer() -> None:
    found = diarization((0, 20, "S1"), (20, 30, "S2"))
    shown = [spoken(0, 5, "S1"), spoken(5, 20, "S2")]
    assert labels_as_before(found, shown, {}) == {"S1": "S2", "S2": "S3"}


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9), st.sampled_from("abc")), max_size=12),
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 9), st.sampled_from(["S1", "S2", "Anna", None])),
        max_size=12,
    ),
)
def test_every_label_gets_one_and_no_two_the_same(
    turns: list[tuple[int, int, str]], shown: list[tuple[int, int, str | None]]
) -> None:
    found = diarization(*((start, start + length, label) for start, length, label in turns))
    labels = labels_as_before(found, [spoken(s, s + n, label) for s, n, label in shown], {})
    assert set(labels) == {label for _, _, label in turns}
    assert len(set(labels.values())) == len(labels)


def test_a_passage_is_cut_by_the_turns_near_it() -> None:
    recognizer = TranscriptionOptions(engine="scripted")
    with Transcriber(recognizer) as transcriber:
        segment = transcriber.recognizer.transcribe(Audio(silence(3.6))).segments[0]
    far = [Turn(100.0 + 9 * index, 105.0 + 9 * index, "S9") for index in range(50)]
    parts = spoken_by(segment, [Turn(0.0, 1.6, "S1"), Turn(1.6, 3.6, "S2"), *far])
    assert said(parts) == [("S1", "the quick brown fox"), ("S2", "jumps over the lazy dog")]
    assert said(spoken_by(segment, far)) == [(None, segment.text)]
