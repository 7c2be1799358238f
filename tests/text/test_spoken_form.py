from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.text.spoken_form import cardinal, number_forms, spoken_forms


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("hello", "hello"),
        ("Hello,", "hello"),
        ("“Quoted!”", "quoted"),
        ("o'clock", "o'clock"),
        ("o’clock", "o'clock"),
        ("John's", "john's"),
        ("well-known", "well known"),
        ("and/or", "and or"),
        ("café", "cafe"),
        ("Straße", "strasse"),
        ("Mr.", "mister"),
        ("Dr.", "doctor"),
        ("St.", "street"),
        ("e.g.,", "for example"),
        ("U.S.", "u s"),
        ("U.S.A.", "u s a."),
        ("p.m.", "p m"),
        ("BBC", "b b c"),
        ("tv", "t v"),
        ("0", "zero"),
        ("7.", "seven"),
        ("42", "forty two"),
        ("007", "oh oh seven"),
        ("911", "nine one one"),
        ("1,000,000", "one million"),
        ("1859", "eighteen fifty nine"),
        ("1859", "one thousand eight hundred and fifty nine"),
        ("1905", "nineteen oh five"),
        ("1900", "nineteen hundred"),
        ("2000", "two thousand"),
        ("2005", "two thousand five"),
        ("2024", "twenty twenty four"),
        ("1850s", "eighteen fifties"),
        ("'90s", "nineties"),
        ("21st", "twenty first"),
        ("12th", "twelfth"),
        ("100th", "one hundredth"),
        ("20th,", "twentieth"),
        ("3.14", "three point one four"),
        (".5", "five"),
        ("50%", "fifty percent"),
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("5€", "five euros"),
        ("$1,234.50", "one thousand two hundred thirty four dollars fifty cents"),
        ("$3.99", "three ninety nine"),
        ("£2.5m", "two point five million pounds"),
        ("5:30", "five thirty"),
        ("12:07", "twelve oh seven"),
        ("5:00", "five o'clock"),
        ("&", "and"),
        ("#5", "number five"),
        ("mp3", "m p three"),
    ],
)
def test_a_token_may_be_said_so(token: str, said: str) -> None:
    assert tuple(said.split()) in spoken_forms(token)


@pytest.mark.parametrize("token", ["—", "...", "", "'", "Пушкин", "你好", "👍", "¿?", "مرحبا"])
def test_what_is_not_english_has_no_spoken_form(token: str) -> None:
    assert spoken_forms(token) == ()


@given(st.text(max_size=300).filter(lambda text: not text.split() or len(text.split()) == 1))
def test_any_token_becomes_plain_words(token: str) -> None:
    for form in spoken_forms(token):
        assert form
        assert all(word == "a." or (word.isascii() and word.replace("'", "").isalpha()) for word in form)


# fmt: off
_WORTH = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}
# fmt: on


@given(st.integers(0, 10**15 - 1))
def test_numbers_are_said_as_they_are_worth(value: int) -> None:
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    total = group = 0
    for word in cardinal(value):
        if word in scales:
            total, group = total + group * scales[word], 0
        else:
            group = group * 100 if word == "hundred" else group + _WORTH[word]
    assert total + group == value


@given(st.text("0123456789", min_size=1, max_size=40))
def test_any_digits_can_be_said(digits: str) -> None:
    forms = number_forms(digits)
    assert forms
    assert len(set(forms)) == len(forms)
