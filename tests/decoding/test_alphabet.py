"""What a net writes with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import ModelError
from earshot.decoding.alphabet import BLANK, Alphabet
from earshot.text.normalise import normalise

LETTERS = Alphabet.of_letters("abcdé")
PIECES = Alphabet(("<blk>", "a", "b", "c", "d", "é", "▁", "▁a", "▁ab", "bc", "abc", "▁dé", "éd"), "bpe")

texts = st.lists(st.text("abcdé", min_size=1, max_size=8), min_size=1, max_size=5).map(" ".join)


@given(texts, st.sampled_from([LETTERS, PIECES]))
def test_what_is_encoded_is_decoded(text: str, alphabet: Alphabet) -> None:
    ids = alphabet.encode(text)
    assert alphabet.decode(ids) == normalise(text) == text
    assert BLANK not in ids
    assert all(0 < one < len(alphabet) for one in ids)


@given(texts)
def test_pieces_are_as_few_as_can_be(text: str) -> None:
    def fewest(word: str) -> int:
        ends = [len(piece) for piece in PIECES.symbols[1:] if word.startswith(piece)]
        return min(1 + fewest(word[end:]) for end in ends) if word else 0

    assert len(PIECES.encode(text)) == sum(fewest("▁" + word) for word in text.split())


def test_texts_are_normalised_first() -> None:
    assert LETTERS.decode(LETTERS.encode("  Abc,  BAD É! ")) == "abc bad é"


def test_foreign_letters_are_counted() -> None:
    assert LETTERS.foreign("abx x, ya") == {"x": 2, "y": 1}
    assert not LETTERS.foreign("a b c")
    with pytest.raises(ValueError, match="x y"):
        LETTERS.encode("abx y")


def test_symbols_are_sorted_letters_after_blank_and_space() -> None:
    assert LETTERS.symbols == ("<blk>", "▁", "a", "b", "c", "d", "é")
    assert Alphabet.of_letters(" ba▁") == Alphabet.of_letters("ab")
    assert LETTERS.letters == frozenset("abcdé")


@given(st.sampled_from([LETTERS, PIECES]))
def test_a_card_keeps_it(alphabet: Alphabet) -> None:
    assert Alphabet.from_json(alphabet.to_json()) == alphabet


@pytest.mark.parametrize(
    "data",
    [
        None,
        "abc",
        {},
        {"symbols": "abc"},
        {"symbols": ["<blk>"]},
        {"symbols": ["a", "b"]},
        {"symbols": ["<blk>", "a", "a"]},
        {"symbols": ["<blk>", ""]},
        {"symbols": ["<blk>", 3]},
        {"symbols": ["<blk>", "a"], "kind": "syllables"},
        {"symbols": ["<blk>", "a"], "kind": ["bpe"]},
    ],
)
def test_broken_alphabets_are_told(data: object) -> None:
    with pytest.raises(ModelError) as caught:
        Alphabet.from_json(data)
    assert caught.value.fix
