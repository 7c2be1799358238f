from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import CorpusError, ManifestError
from earshot.core.types import Audio
from earshot.corpora import read_manifest
from earshot.corpora.letters import letters_of
from earshot.corpora.own_voice import OwnVoice, previous
from earshot.corpora.prompts import PhraseOptions, cut_phrases, measure_coverage, order_by_coverage
from earshot.corpora.takes import check_take, takes_of
from tests.corpora.sounds import tone, write_tone

PHRASES = ["the cat sat on the mat", "jazz quiz, vexed sphinx", "a dog ran in the park", "the cat ran"]


@settings(max_examples=40, deadline=None)
@given(
    st.text(st.characters(categories=["Ll", "Lu", "Po", "Zs", "Nd", "Cc"]), max_size=600), st.integers(20, 90)
)
def test_phrases_fit_to_be_read(text: str, most: int) -> None:
    phrases = cut_phrases(text, PhraseOptions(max_letters=most))
    plain = [letters_of(phrase) for phrase in phrases]
    assert len(set(plain)) == len(plain)
    for phrase, letters in zip(phrases, plain, strict=True):
        assert 20 <= len(letters) <= most
        assert not any(char.isdigit() for char in letters)
        assert phrase == " ".join(phrase.split())


def test_long_sentences_are_cut_where_one_takes_breath() -> None:
    sentence = (
        "When the wind had fallen at last, and the boats lay quiet in the bay, the old man went down to the "
        "water; nobody else was awake."
    )
    assert cut_phrases(sentence) == [
        "When the wind had fallen at last, and the boats lay quiet in the bay,",
        "the old man went down to the water; nobody else was awake.",
    ]
    assert (
        cut_phrases("In 1812 there were 5 of them in the town. See https://example.org for all the rest.") == []
    )
    assert cut_phrases(
        "He came to the quiet town in the evening. He came, to the quiet town in the evening!"
    ) == ["He came to the quiet town in the evening."]


def test_rare_letters_come_first() -> None:
    ordered = order_by_coverage(PHRASES)
    assert ordered[0] == "jazz quiz, vexed sphinx"
    assert sorted(ordered) == sorted(PHRASES)
    # What was read already is not wanted again.
    assert order_by_coverage(PHRASES, done=["jazz quiz, vexed sphinx"])[0] != "jazz quiz, vexed sphinx"
    assert sorted(order_by_coverage(PHRASES, most=1)) == sorted(PHRASES)
    assert order_by_coverage([]) == []
    assert order_by_coverage(["…", "words", "!"])[0] == "words"


def test_coverage_grows_faster_than_in_the_books_order(speech: Path) -> None:
    text = (speech / "text" / "dama_s_sobachkoj.ru.txt").read_text()[:40_000]
    phrases = cut_phrases(text)
    assert len(phrases) > 300
    ordered = order_by_coverage(phrases, most=60)

    def read(order: list[str]) -> list[str]:
        """As much as a thousand letters."""
        return [phrase for phrase, end in zip(order, accumulate(map(len, order)), strict=True) if end <= 1000]

    ours, books = measure_coverage(read(ordered), phrases), measure_coverage(read(phrases), phrases)
    assert ours.num_letters == ours.all_letters
    assert ours.num_pairs > 1.2 * books.num_pairs
    assert ours.num_words > books.num_words


def test_coverage_of_nothing_and_of_all() -> None:
    nothing, everything = measure_coverage([], PHRASES), measure_coverage(PHRASES, PHRASES)
    assert (nothing.num_letters, nothing.num_pairs, nothing.num_words) == (0, 0, 0)
    assert everything.num_letters == everything.all_letters > 20
    assert everything.num_words == everything.all_words == 14
    assert str(measure_coverage(["a"], ["a b"])) == "letters 1 of 2, pairs 0 of 0, words 1 of 2"


# --- the corpus --------------------------------------------------------------------------------------------


def test_it_goes_on_another_day(tmp_path: Path) -> None:
    voice = OwnVoice(tmp_path, speaker="anna", language="en")
    assert voice.add_prompts(PHRASES) == 4
    first, second, *_ = voice.remaining
    voice.keep(first, tone(1.0))
    voice.skip(second)
    again = OwnVoice(tmp_path)
    assert [one.text for one in again.remaining] == [one.text for one in voice.prompts[2:]]
    assert len(again.recorded) == 1
    assert previous(again, again.remaining[0]) == first
    assert previous(again, first) is None
    (utterance,) = read_manifest(tmp_path / "manifest.jsonl")
    assert (utterance.text, utterance.speaker, utterance.language) == (first.text, "anna", "en")
    assert utterance.duration == 1.0
    info = soundfile.info(utterance.audio)
    assert (info.samplerate, info.subtype) == (16_000, "PCM_16")
    assert utterance.audio.with_suffix(".txt").read_text() == first.text + "\n"
    assert again.add_prompts([*PHRASES, "one phrase that is new"]) == 1
    assert len({one.id for one in again.prompts}) == 5


def test_a_phrase_is_read_again_or_left_out_after_all(tmp_path: Path) -> None:
    voice = OwnVoice(tmp_path)
    voice.add_prompts(PHRASES)
    first = voice.remaining[0]
    voice.keep(first, tone(1.0))
    voice.keep(first, tone(2.0))
    assert [one.duration for one in read_manifest(voice.manifest_path)] == [2.0]
    voice.skip(first)
    assert OwnVoice(tmp_path).recorded == {}
    voice.keep(first, tone(1.0))
    assert OwnVoice(tmp_path).skipped == set()


def test_a_clip_that_was_deleted_is_asked_for_again(tmp_path: Path) -> None:
    voice = OwnVoice(tmp_path)
    voice.add_prompts(PHRASES)
    kept = voice.keep(voice.remaining[0], tone(1.0))
    kept.audio.unlink()
    assert len(OwnVoice(tmp_path).remaining) == 4


def test_a_typed_phrase_and_its_recording(tmp_path: Path) -> None:
    voice = OwnVoice(tmp_path / "voice", language="en")
    path = write_tone(tmp_path / "mine.flac", 1.5, rate=44_100)
    kept = voice.add_recording(path, "  turn on\nthe lamp ")
    assert (kept.text, kept.duration) == ("turn on the lamp", 1.5)
    assert voice.add_recording(path, "turn on the lamp").audio != kept.audio  # a second recording of it
    with pytest.raises(CorpusError, match="no letters"):
        voice.add_phrase(" … ")


def test_damaged_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"id": "../evil", "text": "x"}\n')
    with pytest.raises(ManifestError, match=r"prompts\.jsonl, line 1"):
        OwnVoice(tmp_path)
    (tmp_path / "prompts.jsonl").unlink()
    (tmp_path / "skipped.json").write_text("{")
    with pytest.raises(ManifestError, match=r"skipped\.json cannot be read"):
        OwnVoice(tmp_path)


# --- takes -------------------------------------------------------------------------------------------------


def test_takes_end_by_themselves(sample: Audio) -> None:
    quiet = np.zeros(24_000, np.float32)
    spoken = sample.samples[16_000:72_000]
    found = list(takes_of([quiet, spoken, quiet, spoken, quiet]))
    assert len(found) == 2
    assert all(3.0 < len(one) / 16_000 < 4.6 for one in found)


TEXT = "it was the best of times it was the worst of times"


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        (tone(3.5), None),
        (tone(3.5, level=0.01), "too quiet"),
        (np.clip(tone(3.5, level=4.0), -1, 1), "too loud"),
        (tone(1.0), "too short for the phrase"),
        (tone(30.0), "too long for the phrase"),
    ],
)
def test_a_take_is_checked(samples: np.ndarray, complaint: str | None) -> None:  # type: ignore[type-arg]
    complaints = check_take(samples, TEXT).complaints
    assert [complaint in one for one in complaints if complaint] == ([True] if complaint else [])
    assert bool(complaints) == (complaint is not None)


def test_another_phrase_is_noticed() -> None:
    assert (
        check_take(tone(3.5), TEXT, lambda _: "It was the best of time. It was the worst of time").complaints
        == ()
    )
    (complaint,) = check_take(tone(3.5), TEXT, lambda _: "call me back tomorrow").complaints
    assert "'call me back tomorrow' was heard" in complaint
    (complaint,) = check_take(tone(3.5), TEXT, lambda _: " ").complaints
    assert complaint == "no words were heard"


def test_prompts_are_lines_of_json(tmp_path: Path) -> None:
    OwnVoice(tmp_path).add_prompts(["добрый день, как дела"])
    (row,) = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert row == {"id": "0001", "text": "добрый день, как дела"}
