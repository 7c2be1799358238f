"""Error rates against jiwer, and what a user does with them."""

from __future__ import annotations

import random

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.text import error_rate
from earshot.text.error_rate import (
    Edit,
    ErrorRate,
    align,
    character_error_rate,
    confidence_interval,
    difference_interval,
    probability_of_improvement,
    total,
    word_error_rate,
    wrong_letters,
)
from tests.text.transcripts import examples

sentences = st.lists(st.sampled_from(["a", "b", "c", "d", "ee", "ff"]), max_size=40).map(" ".join)


def test_an_example_by_hand() -> None:
    rate = word_error_rate("the cat sat on the red mat", "the cat sit on red mat today")
    assert (rate.hits, rate.substitutions, rate.deletions, rate.insertions) == (5, 1, 1, 1)
    assert rate.rate == pytest.approx(3 / 7)
    assert (rate.reference_length, rate.hypothesis_length, rate.num_errors) == (7, 7, 3)
    assert rate.alignment == (
        Edit("hit", "the", "the"),
        Edit("hit", "cat", "cat"),
        Edit("substitution", "sat", "sit"),
        Edit("hit", "on", "on"),
        Edit("deletion", "the", None),
        Edit("hit", "red", "red"),
        Edit("hit", "mat", "mat"),
        Edit("insertion", None, "today"),
    )


def test_characters_count_the_spaces() -> None:
    rate = character_error_rate("ab  cd", "abcd")
    assert (rate.deletions, rate.reference_length) == (1, 5)


def test_an_empty_reference_has_no_rate() -> None:
    assert word_error_rate("", "").rate is None
    rate = word_error_rate(" ", "two words")
    assert rate.rate is None
    assert rate.insertions == 2
    assert word_error_rate("two words", "").rate == 1.0


@examples
@given(sentences.filter(bool), sentences)
def test_words_agree_with_jiwer(reference: str, hypothesis: str) -> None:
    ours = word_error_rate(reference, hypothesis)
    theirs = jiwer.process_words(reference, hypothesis)
    assert ours.rate == pytest.approx(theirs.wer)
    assert ours.num_errors == theirs.substitutions + theirs.deletions + theirs.insertions


@examples
@given(sentences.filter(bool), sentences)
def test_characters_agree_with_jiwer(reference: str, hypothesis: str) -> None:
    theirs = jiwer.process_characters(reference, hypothesis)
    assert character_error_rate(reference, hypothesis).rate == pytest.approx(theirs.cer)


@examples
@given(sentences, sentences, st.sampled_from([1, 64, 400, 10**9]))
def test_the_alignment_tells_both_texts_however_it_is_split(reference: str, hypothesis: str, bits: int) -> None:
    one, other = reference.split(), hypothesis.split()
    best = sum(edit.kind != "hit" for edit in align(one, other))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(error_rate, "_MAX_BITS", bits)
        edits = align(one, other)
    assert [edit.reference for edit in edits if edit.reference is not None] == one
    assert [edit.hypothesis for edit in edits if edit.hypothesis is not None] == other
    assert sum(edit.kind != "hit" for edit in edits) == best
    for edit in edits:
        assert (edit.kind == "hit") == (edit.reference == edit.hypothesis)


def test_long_texts_agree_with_jiwer() -> None:
    generator = random.Random(1)
    reference = [f"w{generator.randrange(500)}" for _ in range(10_000)]
    hypothesis = [word if generator.random() < 0.85 else "x" for word in reference if generator.random() < 0.97]
    one, other = " ".join(reference), " ".join(hypothesis)
    assert word_error_rate(one, other).rate == pytest.approx(jiwer.wer(one, other))


def test_a_normaliser_is_applied_to_both() -> None:
    assert word_error_rate("THE CAT", "the cat", normalise=str.lower).rate == 0


def test_a_corpus_is_the_sum_of_its_errors() -> None:
    rates = [word_error_rate("a b c d e f g h i j", "a b c d e f g h i j"), word_error_rate("a", "b")]
    assert total(rates) == ErrorRate(10, 1, 0, 0)
    assert total(rates).rate == pytest.approx(1 / 11)
    assert total([]).rate is None


def test_the_interval_narrows_with_more_utterances() -> None:
    good, bad = word_error_rate("a b c d", "a b c d"), word_error_rate("a b c d", "a b x y")
    few = confidence_interval([good, bad] * 5)
    many = confidence_interval([good, bad] * 500)
    assert few is not None
    assert many is not None
    assert few[0] < many[0] < 0.25 < many[1] < few[1]
    # Each utterance is 0 or 0.5: the standard error of the mean of 1,000 is 0.25 / sqrt(1000) = 0.0079.
    assert many[1] - many[0] == pytest.approx(2 * 1.96 * 0.0079, rel=0.15)
    assert confidence_interval([good, bad] * 5) == few
    assert confidence_interval([good] * 3) == (0, 0)
    assert confidence_interval([]) is None
    assert confidence_interval([word_error_rate("", "a")]) is None


def test_which_of_two_systems_is_better() -> None:
    good, bad = word_error_rate("a b c d", "a b c d"), word_error_rate("a b c d", "a b x y")
    assert probability_of_improvement([good] * 20, [bad] * 20) == 1
    assert probability_of_improvement([bad] * 20, [good] * 20) == 0
    assert probability_of_improvement([good, bad] * 10, [good, bad] * 10) == 0.5
    with pytest.raises(ValueError, match="one by one"):
        probability_of_improvement([good], [])


def test_the_interval_of_a_difference_holds_it_and_agrees_with_the_probability() -> None:
    generator = random.Random(0)
    old = [ErrorRate(8, generator.randrange(4), 0, 0) for _ in range(200)]
    new = [ErrorRate(one.hits + 1, max(0, one.substitutions - 1), 0, 0) for one in old]
    low, high = difference_interval(new, old) or (0.0, 0.0)
    change = (total(new).rate or 0.0) - (total(old).rate or 0.0)
    assert low < change < high < 0
    assert probability_of_improvement(new, old) == 1.0
    # Both are drawn together, so what they share cancels out.
    alone = confidence_interval(new) or (0.0, 0.0)
    assert high - low < alone[1] - alone[0]
    assert difference_interval(old, old) == (0.0, 0.0)
    assert difference_interval([], []) is None
    with pytest.raises(ValueError, match="one by one"):
        difference_interval(new, old[1:])


@pytest.mark.parametrize(
    ("reference", "hypothesis", "pieces"),
    [
        ("cat", "cut", [("c", False), ("u", True), ("t", False)]),
        ("cat", "cat", [("cat", False)]),
        ("cat", None, []),
        (None, "cat", [("cat", True)]),
        ("cats", "cat", [("cat", False)]),
        ("ma", "ma\u0301", [("m", False), ("a\u0301", True)]),
    ],
)
def test_letters_that_are_wrong_within_a_word(
    reference: str | None, hypothesis: str | None, pieces: list[tuple[str, bool]]
) -> None:
    assert wrong_letters(Edit("substitution", reference, hypothesis)) == pieces
