"""Diarization error rate against cases counted by hand, and what must hold for any turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.speakers.error_rate import (
    DiarizationErrors,
    WordSpeakerErrors,
    diarization_errors,
    speaker_between,
    word_speaker_errors,
)
from earshot.speakers.types import Turn


def counts(reference: list[Turn], hypothesis: list[Turn]) -> tuple[float, float, float, float]:
    errors = diarization_errors(reference, hypothesis)
    return errors.total, errors.missed, errors.false_alarm, errors.confusion


A = [Turn(0, 10, "anna")]
DIALOGUE = [Turn(0, 10, "anna"), Turn(10, 15, "ben"), Turn(15, 20, "anna")]


def test_names_do_not_matter() -> None:
    errors = diarization_errors(DIALOGUE, [Turn(t.start, t.end, "x" + t.speaker) for t in DIALOGUE])
    assert errors.rate == 0
    assert dict(errors.mapping) == {"xanna": "anna", "xben": "ben"}


def test_late_start_and_late_end() -> None:
    assert counts(A, [Turn(2, 13, "1")]) == (10, 2, 3, 0)


def test_one_label_for_two_people_confuses_the_shorter() -> None:
    assert counts(DIALOGUE, [Turn(0, 20, "1")]) == (20, 0, 0, 5)


def test_two_labels_for_one_person() -> None:
    assert counts(A, [Turn(0, 7, "1"), Turn(7, 10, "2")]) == (10, 0, 0, 3)


def test_overlap_counts_for_each_speaker() -> None:
    reference = [Turn(0, 10, "anna"), Turn(6, 14, "ben")]
    assert counts(reference, [Turn(0, 10, "1"), Turn(10, 14, "2")]) == (18, 4, 0, 0)
    assert counts(reference, [Turn(0, 10, "1"), Turn(4, 14, "2")]) == (18, 0, 2, 0)


def test_mapping_is_best_as_a_whole() -> None:
    # Giving "1" to anna (6 s) would leave "2" with nobody: 6 < 5 + 4.
    reference = [Turn(0, 10, "anna"), Turn(10, 15, "ben")]
    hypothesis = [Turn(0, 6, "1"), Turn(6, 10, "2"), Turn(10, 15, "1")]
    assert counts(reference, hypothesis) == (15, 0, 0, 6)


def test_three_against_two_at_once() -> None:
    reference = [Turn(0, 4, "anna"), Turn(0, 4, "ben"), Turn(4, 8, "anna")]
    hypothesis = [Turn(0, 8, "1"), Turn(0, 4, "2"), Turn(2, 4, "3"), Turn(5, 6, "3")]
    assert counts(reference, hypothesis) == (12, 0, 3, 0)


def test_repeated_turns_of_one_speaker_count_once() -> None:
    assert counts([Turn(0, 10, "anna"), Turn(5, 12, "anna")], [Turn(0, 12, "1")]) == (12, 0, 0, 0)


def test_nothing_found_and_nothing_said() -> None:
    assert diarization_errors(A, []).rate == 1
    nobody = diarization_errors([], [Turn(0, 3, "1")])
    assert (nobody.rate, nobody.false_alarm) == (None, 3)
    assert diarization_errors([], []) == DiarizationErrors()


def test_empty_and_backward_turns_count_as_nothing() -> None:
    assert counts(A, [Turn(0, 10, "1"), Turn(5, 5, "2"), Turn(8, 4, "3")]) == (10, 0, 0, 0)


def test_recordings_pool_by_time() -> None:
    pooled = diarization_errors(A, []) + diarization_errors(DIALOGUE, DIALOGUE)
    assert pooled.rate == pytest.approx(10 / 30)


turns = st.lists(
    st.builds(
        lambda start, length, name: Turn(start / 8, (start + length) / 8, name),
        st.integers(0, 80),
        st.integers(1, 40),
        st.sampled_from("abcd"),
    ),
    max_size=12,
)


@given(turns, turns)
def test_parts_add_up(reference: list[Turn], hypothesis: list[Turn]) -> None:
    errors, back = diarization_errors(reference, hypothesis), diarization_errors(hypothesis, reference)
    assert min(errors.missed, errors.false_alarm, errors.confusion) >= 0
    assert errors.missed + errors.confusion <= errors.total + 1e-9
    assert errors.total - errors.missed + errors.false_alarm == pytest.approx(back.total)
    assert (errors.missed, errors.confusion) == pytest.approx((back.false_alarm, back.confusion))


@given(turns)
def test_truth_is_without_error(reference: list[Turn]) -> None:
    errors = diarization_errors(reference, [Turn(t.start, t.end, t.speaker.upper()) for t in reference])
    assert errors.missed == errors.false_alarm == errors.confusion == 0


def test_words_of_the_wrong_speaker() -> None:
    assert word_speaker_errors("AAABB", "12122") == WordSpeakerErrors(5, 1)
    assert word_speaker_errors("AB", [None, None]).rate == 1
    assert word_speaker_errors("", "").rate is None
    assert (WordSpeakerErrors(5, 1) + WordSpeakerErrors(5, 0)).rate == 0.1


def test_who_speaks_a_word() -> None:
    said = [Turn(0, 10, "anna"), Turn(4, 5, "ben"), Turn(12, 15, "ben")]
    assert speaker_between(said, 1, 2) == "anna"
    assert speaker_between(said, 4.2, 4.8) == "ben"
    assert speaker_between(said, 4.8, 5.6) == "anna"
    assert speaker_between(said, 10.2, 10.6) == "anna"
    assert speaker_between(said, 11.6, 11.9) == "ben"
    assert speaker_between([], 0, 1) is None
