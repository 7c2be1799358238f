"""Summaries by choice of sentences: what a reader would want of them, whole and live."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.types import Final, Partial, Segment, SpeechStarted, Transcript
from earshot.text.sentences import split_segments
from earshot.text.summary import RunningSummary, Summary, summarize
from earshot.text.summary_ranking import centrality, choose, similarities, term_weights, terms

BRIDGE = [
    "The old bridge over the river must be closed for repairs next spring.",
    "Engineers found deep cracks in two pillars of the bridge.",
    "Closing the bridge for repairs means that buses take the tunnel instead.",
    "The repairs of the bridge pillars will cost four million and last six months.",
    "The council decides in March whether the bridge is repaired or replaced.",
    "A new bridge would cost three times as much as repairs of the old pillars.",
]
SMALL_TALK = [
    "Okay.", "Yeah, right.", "Can everybody hear me?", "Sorry, I was on mute.", "Let me share my screen.",
    "Is somebody making coffee?", "Thank you all for coming.", "What a lovely sweater!", "One moment please.",
    "My cat just walked over the keyboard.", "Shall we start?", "See you next week then.",
]  # fmt: skip


def meeting(seed: int = 0) -> list[Segment]:
    """The bridge among small talk: an utterance each five seconds."""
    lines = [*BRIDGE, *SMALL_TALK]
    random.Random(seed).shuffle(lines)
    return [Segment(line, 5.0 * at, 5.0 * at + 4, speaker="Anna") for at, line in enumerate(lines)]


def is_on_topic(text: str) -> bool:
    return text in BRIDGE


@pytest.mark.parametrize("seed", range(5))
def test_it_tells_the_topic_and_leaves_the_small_talk(seed: int) -> None:
    summary = summarize(Transcript(tuple(meeting(seed)), language="en"), num_sentences=3)
    assert len(summary.sentences) == 3
    assert all(is_on_topic(sentence.text) for sentence in summary.sentences), summary.text


def test_unknown_languages_work_by_themselves() -> None:
    lines = [
        "Мост через реку закроют на ремонт весной.", "Инженеры нашли трещины в опорах моста.",
        "Ремонт моста и опор будет стоить четыре миллиона.", "Да.", "Ага, понятно.", "Меня слышно?",
        "Извините, у меня был выключен микрофон.", "Совет решит, ремонтировать мост или строить новый мост.",
    ]  # fmt: skip
    summary = summarize(" ".join(lines), num_sentences=3)
    assert all("мост" in sentence.text.lower() for sentence in summary.sentences), summary.text


def test_chinese_is_read_without_spaces() -> None:
    text = "这座桥明年春天要关闭维修。好的。工程师在桥墩上发现了裂缝。喂喂喂。"
    text += "桥的维修费用是四百万。今天天气不错。桥墩维修需要六个月。"
    summary = summarize(text, num_sentences=3)
    assert all("桥" in sentence.text for sentence in summary.sentences), summary.text


def test_sentences_come_in_order_with_their_times_speakers_and_places() -> None:
    segments = meeting()
    summary = summarize(segments, num_sentences=4)
    assert [sentence.index for sentence in summary.sentences] == sorted({s.index for s in summary.sentences})
    for sentence in summary.sentences:
        segment = next(segment for segment in segments if segment.text == sentence.text)
        assert (sentence.start, sentence.end) == (segment.start, pytest.approx(segment.end))
        assert sentence.speaker == "Anna"
    assert max(sentence.score for sentence in summary.sentences) == 1.0
    assert summary.text == " ".join(sentence.text for sentence in summary.sentences)


def test_a_text_has_no_times() -> None:
    summary = summarize(" ".join(BRIDGE), num_sentences=1)
    assert summary.sentences[0].start is None
    assert summary.sentences[0].end is None


def test_repeats_are_told_once() -> None:
    lines = [*BRIDGE[:3], BRIDGE[0], BRIDGE[0], *SMALL_TALK[:5], BRIDGE[0]]
    summary = summarize(" ".join(lines), num_sentences=3)
    assert len({sentence.text for sentence in summary.sentences}) == 3


def test_the_length_is_what_was_asked_for() -> None:
    assert len(summarize(meeting()).sentences) == 5
    assert len(summarize(meeting(), ratio=0.5).sentences) == 9
    assert len(summarize(meeting(), ratio=0.001).sentences) == 1
    assert len(summarize(meeting(), num_sentences=1_000).sentences) == 18
    assert summarize(meeting(), num_sentences=2).num_sentences == 18


@pytest.mark.parametrize(
    "arguments", [{"num_sentences": 0}, {"ratio": 0.0}, {"ratio": 1.5}, {"num_sentences": 2, "ratio": 0.2}]
)
def test_impossible_lengths_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"summary|ratio"):
        summarize(meeting(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["", "   ", [], Transcript(), [Segment("", 0, 1)], "\0\x01"])
def test_nothing_said_gives_an_empty_summary(source: str) -> None:
    assert summarize(source) == Summary()


@pytest.mark.parametrize("source", ["Yes.", "😀", "...", "?! ?! ?!", "a a a a", "The the the. The the."])
def test_little_said_gives_that(source: str) -> None:
    summary = summarize(source, num_sentences=3)
    assert 1 <= len(summary.sentences) <= 3


@given(st.lists(st.text(max_size=80), max_size=25), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_any_text_can_be_summarized(lines: list[str], num_sentences: int) -> None:
    segments = [Segment(line, float(at), at + 1.0) for at, line in enumerate(lines)]
    said = {sentence.text for sentence in split_segments(segments)}
    summary = summarize(segments, num_sentences=num_sentences)
    assert len(summary.sentences) == min(num_sentences, summary.num_sentences)
    assert {sentence.text for sentence in summary.sentences} <= said


def test_a_very_long_transcript_is_read_to_its_end() -> None:
    lines = [f"Item {at} about topic {at % 50} and matter {at % 7} is noted." for at in range(3_000)]
    few = summarize(" ".join(lines), num_sentences=20)
    assert len(few.sentences) == 20
    many = summarize(" ".join(lines), ratio=0.8)
    assert len(many.sentences) == 2_400
    assert many.sentences[-1].index > 2_900


def test_words_are_cut_to_stems_and_joined_marks() -> None:
    assert terms("Repairing REPAIRED repairs") == ["repair"] * 3
    assert terms("naïve Café’s") == ["naïve", "café's"]
    assert terms("桥墩裂缝") == ["桥墩", "墩裂", "裂缝"]
    assert terms("हिन्दी में") == ["हिन्दी", "में"]
    assert terms("’tis ‘naïveté’") == ["tis", "naïvet"]
    assert terms("... !? —") == []


def test_centrality_is_that_of_the_walk() -> None:
    similarity = np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], np.float32)
    ranks = centrality(similarity, np.ones(3))
    # The stationary state of a star of three, solved by hand: c = 0.05 + 0.85 · 2 l, l = 0.05 + 0.85 · c / 2.
    assert ranks[0] == pytest.approx(0.135 / 0.2775, abs=1e-4)
    assert ranks[1] == pytest.approx(ranks[2])
    assert ranks.sum() == pytest.approx(1)


def test_choice_prefers_the_different() -> None:
    similarity = np.array([[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]], np.float32)
    assert choose(np.array([1.0, 0.98, 0.7]), similarity, 2) == [0, 2]
    assert choose(np.array([1.0, 0.98, 0.7]), similarity, 2, diversity=0.0) == [0, 1]


def test_similar_sentences_are_similar() -> None:
    from collections import Counter

    counters = [Counter(terms(line)) for line in ("the red house", "the house red", "a small dog", "")]
    weights = term_weights(Counter(term for counter in counters for term in counter), 4)
    matrix = similarities(counters, weights)
    assert matrix[0, 1] == pytest.approx(1, abs=1e-5)
    assert matrix[0, 2] == 0
    assert not matrix[3].any()


def test_the_live_summary_finds_the_topic() -> None:
    running = RunningSummary(num_sentences=3, language="en")
    for segment in meeting():
        running.accept(Final(segment))
    assert all(is_on_topic(sentence.text) for sentence in running.summary.sentences), running.summary.text
    assert running.summary.sentences == tuple(sorted(running.summary.sentences, key=lambda s: s.index))


def test_only_finals_count() -> None:
    running = RunningSummary()
    assert running.accept(SpeechStarted(0.0)) is None
    assert running.accept(Partial(Segment("The bridge is", 0, 1), 2)) is None
    assert running.accept(Final(Segment("", 0, 1))) is None
    assert running.summary == Summary()
    changed = running.accept(Final(Segment("The bridge is closed.", 0, 1)))
    assert changed is not None
    assert changed is running.summary
    assert changed.text == "The bridge is closed."


def test_it_tells_whether_it_changed() -> None:
    running = RunningSummary(num_sentences=2, language="en")
    for segment in [*meeting(1), *meeting(2)]:
        before = running.summary
        changed = running.accept(segment)
        if changed is None:
            assert running.summary is before
        else:
            assert changed.sentences != before.sentences


def story(num_sentences: int) -> list[Segment]:
    """Made speech whose topic changes each hundred sentences."""
    choice = random.Random(5)
    lines = []
    for at in range(num_sentences):
        topic = [f"topic{at // 100}word{chr(97 + letter)}" for letter in range(12)]
        words = [*choice.choices(topic, k=6), *choice.choices(["and", "the", "is", "with", "of"], k=5)]
        choice.shuffle(words)
        lines.append(Segment(" ".join(words).capitalize() + ".", 4.0 * at, 4.0 * at + 4))
    return lines


def num_changes(margin: float, segments: list[Segment]) -> int:
    running = RunningSummary(num_sentences=4, margin=margin)
    return sum(running.accept(segment) is not None for segment in segments)


def test_a_margin_calms_it() -> None:
    segments = story(250)
    assert num_changes(0.5, segments) < num_changes(0.0, segments) / 2


def test_memory_is_bounded_and_the_late_is_heard_too() -> None:
    running = RunningSummary(num_sentences=5, max_sentences=60)
    for segment in story(1_000):
        running.accept(segment)
    assert running.summary.num_sentences > 800
    places = [sentence.index for sentence in running.summary.sentences]
    assert places[0] < 500 <= places[-1]
    remembered = len(running._sentences), len(running._document_counts)
    assert remembered[0] <= 60
    for segment in story(400):
        running.accept(segment)
    assert len(running._document_counts) <= 3 * remembered[1]


@given(st.lists(st.text(max_size=60), max_size=40))
@settings(deadline=None, max_examples=40)
def test_any_session_can_be_summarized(lines: list[str]) -> None:
    running = RunningSummary(num_sentences=2, max_sentences=8)
    for at, line in enumerate(lines):
        running.accept(Segment(line, float(at), at + 1.0))
    assert len(running.summary.sentences) <= 2


def test_nonsense_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="num_sentences"):
        RunningSummary(num_sentences=0)
    with pytest.raises(ValueError, match="quarter"):
        RunningSummary(num_sentences=10, max_sentences=20)
