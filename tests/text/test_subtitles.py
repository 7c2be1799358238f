"""Cues that people can read."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.types import Segment, Transcript, Word
from earshot.text.clean import display_width
from earshot.text.subtitles import Cue, SubtitleOptions, make_cues
from tests.text.transcripts import examples, tidy_transcripts, transcripts

options = st.builds(
    SubtitleOptions,
    max_line_width=st.integers(8, 60),
    max_line_count=st.integers(1, 4),
    min_duration=st.floats(0, 2),
    max_duration=st.floats(2, 10),
    reading_speed=st.floats(5, 40),
    min_gap=st.floats(0, 0.5),
)


def spoken(text: str, *, start: float = 0.0, pace: float = 0.07, pause: float = 0.2) -> Segment:
    """A segment with a word's time in proportion to its letters and a pause after punctuation."""
    words: list[Word] = []
    clock = start
    for token in text.split():
        end = clock + pace * (len(token) + 1)
        words.append(Word(token, clock, end, time_source="engine"))
        clock = end + (pause if token[-1] in ",.?!" else 0.0)
    return Segment(text, start, words[-1].end or start, tuple(words), language="en")


def lines_of(text: str, **changes: float) -> list[tuple[str, ...]]:
    cues = make_cues(Transcript((spoken(text),)), SubtitleOptions(**changes))  # type: ignore[arg-type]
    return [cue.lines for cue in cues]


def check(cues: list[Cue], chosen: SubtitleOptions, *, has_labels: bool) -> None:
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms
        assert cue.end_ms - cue.start_ms <= max(round(chosen.max_duration * 1000), 1)
        assert 1 <= len(cue.lines) <= chosen.max_line_count
        for line in cue.lines:
            assert line.strip() == line != ""
        first = cue.label + cue.lines[0] if has_labels else cue.lines[0]
        for line in (first, *cue.lines[1:]):
            assert display_width(line) <= chosen.max_line_width
    for before, after in itertools.pairwise(cues):
        assert before.end_ms <= after.start_ms


@examples
@given(transcripts, options, st.booleans())
def test_no_cue_breaks_the_rules(transcript: Transcript, chosen: SubtitleOptions, has_labels: bool) -> None:
    check(make_cues(transcript, chosen, has_labels=has_labels), chosen, has_labels=has_labels)


@examples
@given(tidy_transcripts(), options)
def test_all_words_are_shown_in_order_unbroken(transcript: Transcript, chosen: SubtitleOptions) -> None:
    cues = make_cues(transcript, chosen)
    shown = " ".join(line for cue in cues for line in cue.lines)
    assert shown.replace(" ", "") == transcript.text.replace(" ", "")
    for word in transcript.text.split():
        if word.isascii():  # at most 8 letters: fits any line
            assert word in shown


@examples
@given(tidy_transcripts())
def test_cues_are_up_while_their_words_are_said(transcript: Transcript) -> None:
    cues = make_cues(transcript, SubtitleOptions(min_gap=0))
    for word in transcript.words:
        assert word.start is not None
        assert any(cue.start_ms <= round(word.start * 1000) < cue.end_ms for cue in cues)


def test_a_short_text_is_one_line() -> None:
    assert lines_of("All right, let us go home.") == [("All right, let us go home.",)]


def test_two_lines_are_balanced_and_break_at_the_clause() -> None:
    text = "It was the best of times, it was the worst of times."
    assert lines_of(text) == [("It was the best of times,", "it was the worst of times.")]


def test_a_line_breaks_before_a_preposition_and_not_after_an_article() -> None:
    assert lines_of("She put the small red book upon the old kitchen table") == [
        ("She put the small red book", "upon the old kitchen table")
    ]
    words = "they walked along the river with the children and the dog to a house that stood by the sea "
    for lines in lines_of(words * 6):
        for line in lines:
            assert line.split()[-1] not in ("the", "a")


def test_cues_end_with_sentences() -> None:
    cues = lines_of(
        "The train was late again this morning. Nobody on the platform seemed to mind at all. "
        "A man in a grey coat read his paper. Then it began to rain on the station roof."
    )
    assert all(lines[-1].endswith(".") for lines in cues)


def test_a_title_and_a_name_stay_together() -> None:
    for lines in lines_of("Nobody in all the town would ever speak again with good old Dr. Manette himself"):
        assert not any(line.endswith("Dr.") for line in lines)


def test_german_articles_lead_their_nouns() -> None:
    text = "Wir gingen gestern Abend mit den Kindern durch den Wald und über die Brücke an das Ufer " * 3
    segment = spoken(text)
    german = Segment(text, segment.start, segment.end, segment.words, language="de")
    for cue in make_cues(Transcript((german,))):
        assert all(line.split()[-1] not in ("den", "die", "das") for line in cue.lines)


def test_chinese_breaks_between_characters_and_never_before_a_comma() -> None:
    text = "这是一个很长的句子，没有空格，但是应该在合适的地方换行。我们希望字幕看起来很好，而且容易阅读。"
    cues = make_cues(Transcript((Segment(text, 0, 12),)), SubtitleOptions(max_line_width=24))
    check(cues, SubtitleOptions(max_line_width=24), has_labels=False)
    lines = [line for cue in cues for line in cue.lines]
    assert "".join(lines) == text
    assert not any(line[0] in "，。" for line in lines)


def test_chinese_words_given_one_by_one_are_joined_as_the_text_has_them() -> None:
    segment = Segment("你好世界", 0, 2, tuple(Word(c, i / 2, i / 2 + 0.5) for i, c in enumerate("你好世界")))
    assert make_cues(Transcript((segment,)))[0].lines == ("你好世界",)


def test_only_a_word_wider_than_the_line_is_cut() -> None:
    cues = make_cues(Transcript((Segment("see " + "x" * 50, 0, 5),)), SubtitleOptions(max_line_width=20))
    assert "".join(line for cue in cues for line in cue.lines) == "see" + "x" * 50
    family = "👩\u200d👩\u200d👧"
    cues = make_cues(Transcript((Segment(family * 10, 0, 5),)), SubtitleOptions(max_line_width=14))
    assert all(line.replace(family, "") == "" for cue in cues for line in cue.lines)


def test_a_short_cue_stays_in_the_silence_but_not_over_the_next() -> None:
    first = Segment("Yes.", 1.0, 1.2, (Word("Yes.", 1.0, 1.2),))
    alone = make_cues(Transcript((first,), duration=60))
    assert (alone[0].start_ms, alone[0].end_ms) == (1000, 2000)
    at_the_end = make_cues(Transcript((first,), duration=1.5))
    assert at_the_end[0].end_ms == 1500
    other = Segment("No.", 1.6, 1.9, (Word("No.", 1.6, 1.9),), speaker="Bob")
    both = make_cues(Transcript((first, other)))
    assert both[0].end_ms <= both[1].start_ms == 1600


def test_a_gap_parts_cues_where_there_is_time() -> None:
    cues = make_cues(Transcript((spoken("One sentence ends exactly here now. " * 8, pause=0.0),)))
    gaps = [after.start_ms - before.end_ms for before, after in itertools.pairwise(cues)]
    assert len(gaps) >= 2
    assert all(gap == 83 for gap in gaps)


def test_no_cue_lasts_longer_than_allowed() -> None:
    slow = spoken("word " * 30, pace=0.4)
    for cue in make_cues(Transcript((slow,)), SubtitleOptions(max_duration=5)):
        assert cue.end_ms - cue.start_ms <= 5000
    endless = Segment("hm", 0.0, 60.0, (Word("hm", 0.0, 60.0),))
    assert make_cues(Transcript((endless,)))[0].end_ms == 7000


def test_words_without_times_are_spread_over_their_segment() -> None:
    cues = make_cues(Transcript((Segment("one two three four five six " * 8, 10, 30),)))
    assert cues[0].start_ms == 10_000
    assert 29_000 <= cues[-1].end_ms <= 31_000
    starts = [cue.start_ms for cue in cues]
    assert max(b - a for a, b in itertools.pairwise(starts)) <= 7_000


def test_a_label_shows_when_the_speaker_changes() -> None:
    long = (
        "Well, this is what I have been telling you since the morning of the day before yesterday, my friend."
    )
    segments = (
        Segment(long, 0, 8, speaker="Anna"),
        Segment("And I agree.", 9, 10, speaker="Bob"),
        Segment("Overlap.", 9.2, 10, speaker="Anna"),
    )
    cues = make_cues(Transcript(segments), has_labels=True)
    assert len(cues) > 3
    assert [cue.label for cue in cues if cue.label] == ["Anna: ", "Bob: ", "Anna: "]
    assert all(not cue.label for cue in make_cues(Transcript(segments)))


def test_a_speaker_of_a_long_name_leaves_room_for_words() -> None:
    segment = Segment("Hello there, my dear friends.", 0, 3, speaker="Sir Bartholomew " * 20)
    cue = make_cues(Transcript((segment,)), has_labels=True)[0]
    assert display_width(cue.label) <= 21
    assert cue.label.endswith("…: ")


def test_two_utterances_without_a_full_stop_are_not_one_sentence() -> None:
    first, second = spoken("yes that is fine"), spoken("no i do not", start=1.9)
    assert len(make_cues(Transcript((first, second)))) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"max_line_width": 3},
        {"max_line_count": 0},
        {"min_duration": 8.0},
        {"max_duration": float("inf")},
        {"reading_speed": 0.0},
        {"min_gap": -1.0},
    ],
)
def test_options_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SubtitleOptions(**change)  # type: ignore[arg-type]
