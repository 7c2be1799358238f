from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import ModelError
from earshot.engines.alignment import wheel_models
from earshot.engines.pronunciation import LetterToSound, Lexicon


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.read(wheel_models() / "en-us" / "cmudict-en-us.dict")


@pytest.fixture(scope="module")
def rules() -> LetterToSound:
    return LetterToSound.load()


def test_the_dictionary_comes_first(lexicon: Lexicon) -> None:
    assert "hello" in lexicon
    assert lexicon.pronunciations("hello") == (("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW"))
    assert lexicon.pronunciations("a.") == (("EY",),)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("zarby", "Z AA R B IY"),
        ("blicket", "B L IH K IH T"),
        ("shrafting", "SH R AE F T IH NG"),
        ("plentation", "P L EH N T EY SH AH N"),
        ("kleptron", "K L EH P T R AH N"),
    ],
)
def test_unknown_words_sound_as_english_spells(lexicon: Lexicon, word: str, said: str) -> None:
    assert word not in lexicon
    (pronunciation,) = lexicon.pronunciations(word)
    expected = said.split()
    assert len(pronunciation) == len(expected)
    assert sum(a != b for a, b in zip(pronunciation, expected, strict=True)) <= 1


def test_a_possessive_follows_its_word(lexicon: Lexicon) -> None:
    assert lexicon.pronunciations("blicket's")[0][-1] == "S"
    assert lexicon.pronunciations("zarby's")[0][-1] == "Z"
    assert lexicon.pronunciations("shrafch's")[0][-2:] == ("IH", "Z")


@settings(deadline=None)  # the first word reads the rules
@given(word=st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=60))
def test_any_spelling_can_be_said(lexicon: Lexicon, rules: LetterToSound, word: str) -> None:
    assert set(rules.say(word)) <= lexicon.phones()
    found = lexicon.pronunciations(word)
    assert found
    assert all(phones and set(phones) <= lexicon.phones() for phones in found)


def test_other_letters_are_silent(rules: LetterToSound) -> None:
    assert rules.say("bliжck") == rules.say("blick")


def test_the_rules_are_small_and_hold_no_text(rules: LetterToSound) -> None:
    from importlib.resources import files

    packed = (files("earshot.engines") / "english_letters.bin").read_bytes()
    assert len(packed) < 300_000
    assert len(zlib.decompress(packed)) < 1_000_000


def test_an_absent_dictionary_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="dictionary"):
        Lexicon.read(tmp_path / "none.dict")
