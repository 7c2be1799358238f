"""From words and turns to minutes: names, shares, doubts."""

from __future__ import annotations

import pytest

from earshot.core.types import Segment, Transcript
from earshot.meetings import MeetingOptions, build_meeting
from earshot.meetings.types import UNKNOWN, overlap_seconds
from earshot.meetings.wording import speaker_name
from earshot.speakers.types import Turn
from tests.meetings.examples import meeting


def said(*pairs: tuple[str | None, str]) -> Transcript:
    return Transcript(
        tuple(Segment(text, 2.0 * i, 2.0 * i + 1.5, (), who, "en") for i, (who, text) in enumerate(pairs)), "en"
    )


def test_known_voices_have_names_and_the_others_numbers() -> None:
    turns = [Turn(0, 1.5, "S2"), Turn(2, 3.5, "S1"), Turn(4, 5.5, "S3")]
    made = build_meeting(
        said(("S2", "One."), ("S1", "Two."), ("S3", "Three.")),
        turns,
        MeetingOptions(),
        names={"S1": "Anna"},
        known=frozenset({"S1"}),
    )
    assert [one.name for one in made.participants] == ["Speaker 2", "Anna", "Speaker 3"]
    assert [one.is_known for one in made.participants] == [False, True, False]
    assert [segment.speaker for segment in made.transcript.segments] == ["Speaker 2", "Anna", "Speaker 3"]


def test_two_labels_of_one_name_are_one_participant() -> None:
    turns = [Turn(0, 2, "S1"), Turn(1.5, 3.5, "S2"), Turn(5, 6, "S1")]
    made = build_meeting(
        said(("S1", "One."), ("S2", "Two."), ("S1", "Three.")),
        turns,
        MeetingOptions(),
        names={"S1": "Anna", "S2": "Anna"},
    )
    (anna,) = made.participants
    assert anna.seconds == pytest.approx(4.5)  # what overlaps counts once
    assert anna.num_turns == 1
    assert made.overlap == 0


def test_words_of_nobody_are_of_an_unknown_speaker() -> None:
    made = build_meeting(said((None, "Who said that?"), ("S1", "Me.")), [Turn(2, 3, "S1")], MeetingOptions())
    assert [speaker_name(turn.speaker) for turn in made.dialogue()] == [UNKNOWN, "Speaker 1"]
    assert [one.name for one in made.participants] == ["Speaker 1"]


def test_shares_and_counts() -> None:
    made = meeting()
    anna = made.participants[0]
    assert anna.num_turns == 6
    assert anna.num_words == sum(len(turn.text.split()) for turn in made.dialogue() if turn.speaker == "Anna")
    assert sum(one.seconds for one in made.participants) == pytest.approx(sum(t.duration for t in made.turns))


def test_overlap_counts_stretches_in_which_two_speak() -> None:
    assert overlap_seconds([]) == 0
    assert overlap_seconds([Turn(0, 4, "A"), Turn(3, 6, "B"), Turn(3.5, 5, "C")]) == pytest.approx(2)
    assert overlap_seconds([Turn(0, 4, "A"), Turn(2, 6, "A")]) == 0
    assert overlap_seconds([Turn(0, 60, "A"), Turn(0, 60, "B")]) == pytest.approx(60)


def test_twenty_voices_are_doubted_and_all_kept() -> None:
    labels = [f"S{number}" for number in range(1, 21)]
    made = build_meeting(
        said(*((label, f"Number {i}.") for i, label in enumerate(labels))),
        [Turn(2.0 * i, 2.0 * i + 1, label) for i, label in enumerate(labels)],
        MeetingOptions(),
    )
    assert len(made.participants) == 20
    assert made.warnings == ("20 voices were found: say --num-speakers if there were fewer",)


def test_a_title_is_one_line_and_never_empty() -> None:
    assert build_meeting(Transcript(), (), MeetingOptions(title=" \n\x00 ")).title == "Meeting"
    long = build_meeting(Transcript(), (), MeetingOptions(title="a\nb" * 500)).title
    assert "\n" not in long
    assert len(long) <= 200
