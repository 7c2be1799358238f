"""Words and the turns in which they lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.types import Segment, Transcript, Word
from earshot.speakers.assignment import assign_speakers
from earshot.speakers.rttm import read_rttm
from earshot.speakers.types import Turn


def words(text: str, start: float, pace: float = 0.5) -> Segment:
    listed = tuple(
        Word(word, start + index * pace, start + (index + 0.8) * pace)
        for index, word in enumerate(text.split())
    )
    return Segment(text, listed[0].start or 0.0, listed[-1].end or 0.0, listed, None, "en")


def told(transcript: Transcript) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in transcript.segments]


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    said = Transcript((words("how are you I am fine", 0.0),), "en", 4.0, "scripted")
    found = assign_speakers(said, [Turn(0.0, 1.45, "S1"), Turn(1.45, 3.0, "S2")])
    assert told(found) == [("S1", "how are you"), ("S2", "I am fine")]
    first, second = found.segments
    assert (first.start, second.end) == (said.segments[0].start, said.segments[0].end)
    assert first.end <= second.start
    assert second.words == said.segments[0].words[3:]
    assert (found.language, found.duration, found.engine) == ("en", 4.0, "scripted")


def test_one_speaker_leaves_segments_whole() -> None:
    said = Transcript((words("all of it is mine", 0.0),))
    (segment,) = assign_speakers(said, [Turn(0.0, 9.0, "S1")]).segments
    assert segment.speaker == "S1"
    assert segment.words == said.segments[0].words


def test_in_overlap_a_word_stays_with_whom_had_the_word_before() -> None:
    said = Transcript((words("one two three four five six", 0.0),))
    turns = [Turn(0.0, 2.4, "S1"), Turn(1.0, 3.0, "S2")]
    assert told(assign_speakers(said, turns)) == [("S1", "one two three four five"), ("S2", "six")]


def test_words_outside_of_turns_go_to_the_nearest_and_far_away_to_nobody() -> None:
    said = Transcript((words("near", 5.5), words("far", 20.0)))
    assert told(assign_speakers(said, [Turn(0.0, 5.0, "S1")])) == [("S1", "near"), (None, "far")]
    assert told(assign_speakers(said, [])) == [(None, "near"), (None, "far")]


def test_a_change_beside_the_end_of_a_sentence_is_moved_there() -> None:
    said = Transcript((words("that is all. And now me", 0.0, 0.3),))
    early = assign_speakers(said, [Turn(0.0, 0.55, "S1"), Turn(0.55, 3.0, "S2")])
    late = assign_speakers(said, [Turn(0.0, 1.15, "S1"), Turn(1.15, 3.0, "S2")])
    assert told(early) == told(late) == [("S1", "that is all."), ("S2", "And now me")]


def test_text_without_words_is_split_by_its_share_of_the_time() -> None:
    said = Transcript((Segment("aaaa bbbb cccc dddd", 0.0, 4.0),))
    found = assign_speakers(said, [Turn(0.0, 2.0, "S1"), Turn(2.0, 4.0, "S2")])
    assert told(found) == [("S1", "aaaa bbbb"), ("S2", "cccc dddd")]
    assert all(segment.words == () for segment in found.segments)


def test_an_empty_transcript_stays_one() -> None:
    assert assign_speakers(Transcript(), [Turn(0, 1, "S1")]) == Transcript()


times = st.floats(0, 60, allow_nan=False)
turn_lists = st.lists(
    st.tuples(times, st.floats(0, 9), st.sampled_from("ABC")).map(lambda t: Turn(t[0], t[0] + t[1], t[2])),
    max_size=12,
)
some_words = st.lists(
    st.tuples(st.text("ab.,é ", max_size=5), st.none() | times, st.floats(0, 2)).map(
        lambda t: Word(t[0], t[1], None if t[1] is None else t[1] + t[2])
    ),
    max_size=12,
)


@given(some_words, turn_lists)
def test_no_word_is_lost_or_changed_whatever_the_times(listed: list[Word], turns: list[Turn]) -> None:
    segment = Segment(" ".join(word.text for word in listed), 0.0, 60.0, tuple(listed))
    found = assign_speakers(Transcript((segment,)), turns)
    kept = [word for word in found.words if word.text.strip()]
    assert kept == [word for word in listed if word.text.strip()]
    assert all(one.start <= one.end for one in found.segments)
    assert {one.speaker for one in found.segments} <= {"A", "B", "C", None}


def test_real_mixes_with_the_true_turns(speech: Path) -> None:
    """Words outside overlap, spread evenly in their utterance, come back to the one who said them."""
    right = total = 0
    for path in sorted((speech / "two_speaker_mixes").glob("*.rttm"))[:12]:
        (turns,) = read_rttm(path).values()
        for row in json.loads(path.with_suffix(".seglst.json").read_text()):
            pace = (row["end_time"] - row["start_time"]) / len(row["words"].split())
            found = assign_speakers(Transcript((words(row["words"], row["start_time"], pace),)), turns)
            for segment in found.segments:
                for word in segment.words:
                    speaking = {
                        t.speaker for t in turns if t.start < (word.end or 0) and t.end > (word.start or 0)
                    }
                    if len(speaking) == 1:
                        total += 1
                        right += segment.speaker == row["speaker"]
    assert total > 150
    assert right / total == pytest.approx(1, abs=0.03)
