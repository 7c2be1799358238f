"""Sentences in running text and in segments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.types import Segment, Word
from earshot.text.clean import clean_text
from earshot.text.sentences import MAX_LENGTH, ends_sentence, split_segments, split_text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It rains. We stay.", ["It rains.", "We stay."]),
        ("Mr. Smith met Dr. J. Jones. They left.", ["Mr. Smith met Dr. J. Jones.", "They left."]),
        ("Is it 5 p.m. already? Yes!", ["Is it 5 p.m. already?", "Yes!"]),
        ('"Oh!" said he. "Come."', ['"Oh!" said he.', '"Come."']),
        ("Well... maybe. No.", ["Well... maybe.", "No."]),
        ("今日は晴れです。散歩しましょう！", ["今日は晴れです。", "散歩しましょう！"]),
        ("「はい。」と彼は言った。", ["「はい。」", "と彼は言った。"]),
        ("क्या हाल है? मैं ठीक हूँ। चलो।", ["क्या हाल है?", "मैं ठीक हूँ।", "चलो।"]),
        ("Он ушёл. Т.е. совсем.", ["Он ушёл.", "Т.е. совсем."]),
        ("one line\nand the next\n\nA heading\n\nText.", ["one line and the next", "A heading", "Text."]),
        ("", []),
        (" \n\n\t ", []),
        ("no marks at all", ["no marks at all"]),
    ],
)
def test_sentences_of_a_text(text: str, sentences: list[str]) -> None:
    assert split_text(text) == sentences


def test_an_abbreviation_ends_a_sentence_only_with_its_ellipsis() -> None:
    assert not ends_sentence("Mr.", "Smith")
    assert ends_sentence("street.", "He")
    assert not ends_sentence("street.", "he")
    assert ends_sentence("No.", "He")


@given(st.text(max_size=2_000))
@settings(deadline=None)
def test_no_text_is_lost_and_no_sentence_is_endless(text: str) -> None:
    sentences = split_text(text)
    assert "".join("".join(sentences).split()) == "".join(
        "".join(clean_text(part) for part in text.split("\n")).split()
    )
    assert all(sentence.strip() for sentence in sentences)
    assert all(len(sentence) <= MAX_LENGTH for sentence in sentences)


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "word " * 60_000, "。" * 300_000, "」" * 300_000, ". " * 100_000]
)
def test_long_text_without_sentences_is_cut(text: str) -> None:
    sentences = split_text(text)
    assert max(map(len, sentences)) <= MAX_LENGTH
    assert sum(len(sentence.replace(" ", "")) for sentence in sentences) == len(text.replace(" ", ""))


def test_a_sentence_is_put_together_from_subtitles() -> None:
    cues = [
        Segment("Hello my friend, the house", 0, 2),
        Segment("is red. And the dog", 2, 4),
        Segment("is small.", 4, 5),
    ]
    first, second = split_segments(cues)
    assert first.text == "Hello my friend, the house is red."
    assert second.text == "And the dog is small."
    assert first.start == 0
    assert 2 < first.end == second.start < 4
    assert second.end == pytest.approx(5)


def test_sentences_have_the_times_of_their_words() -> None:
    words = (
        Word("Stop.", 1.0, 1.4, None, "engine"),
        Word("Who", 2.5, 2.7, None, "engine"),
        Word("goes?", 2.7, 3.1, None, "engine"),
    )
    first, second = split_segments([Segment("Stop. Who goes?", 0.9, 3.3, words)])
    assert (first.start, first.end) == (1.0, 1.4)
    assert (second.start, second.end) == (2.5, 3.1)


def test_bare_utterances_stay_apart() -> None:
    bare = [Segment("the house is red", 0, 2), Segment("where is the dog", 2, 4)]
    assert [sentence.text for sentence in split_segments(bare)] == ["the house is red", "where is the dog"]


def test_speakers_do_not_share_a_sentence() -> None:
    turns = [Segment("I think that", 0, 1, speaker="Anna"), Segment("No. Never.", 1, 2, speaker="Ben")]
    found = split_segments(turns)
    assert [(sentence.speaker, sentence.text) for sentence in found] == [
        ("Anna", "I think that"),
        ("Ben", "No."),
        ("Ben", "Never."),
    ]


def test_endless_bare_speech_is_cut_at_its_longest_pause() -> None:
    words, texts, at = [], [], 0.0
    for index in range(120):
        at += 3.0 if index == 60 else 0.0
        words.append(Word("word", at, at + 0.3, None, "engine"))
        texts.append("word")
        at += 0.3
    pieces = split_segments([Segment(" ".join(texts), 0, at, tuple(words))])
    assert any(piece.end == pytest.approx(18.0) for piece in pieces)
    assert sum(len(piece.text.split()) for piece in pieces) == 120


def test_a_book_without_a_full_stop_is_cut_in_its_order() -> None:
    words = [f"word{number}" for number in range(300_000)]  # by a square law this outlasts any patience
    pieces = split_text(" ".join(words))
    assert [word for piece in pieces for word in piece.split()] == words
    assert max(map(len, pieces)) <= MAX_LENGTH
