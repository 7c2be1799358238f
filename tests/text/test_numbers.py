from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import UnsupportedError
from earshot.core.types import Segment, Word
from earshot.text.numbers import numbers_as
from earshot.text.spoken_form import cardinal


def digits(text: str, language: str = "en") -> str:
    return numbers_as(Segment(text, 0.0, 1.0, language=language), "digits").text


def words(text: str) -> str:
    return numbers_as(Segment(text, 0.0, 1.0, language="en"), "words").text


def timed(text: str) -> Segment:
    each = tuple(
        Word(token, 0.5 * i, 0.5 * i + 0.4, 0.9 - 0.1 * i, "engine") for i, token in enumerate(text.split())
    )
    return Segment(text, 0.0, 9.0, each, language="en")


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("twenty one men", "21 men"),
        ("Twenty-one, men.", "21, men."),
        ("two hundred and five", "205"),
        ("three point five percent", "3.5 percent"),
        ("five million people", "5000000 people"),
        ("in nineteen eighty four", "in 1984"),
        ("eighteen o three.", "1803."),
        ("in ten sixty six", "in 1066"),
        ("the nineteen eighties", "the 1980s"),
        ("the twenty first of march", "the 21st of march"),
        ("march third", "march 3rd"),
        ("call five five five one two oh four now", "call 5551204 now"),
        ("one hundred and one", "101"),
        ('"seven," she said', '"7," she said'),
        ("one thousand, two", "1000, 2"),
    ],
)
def test_number_words_become_digits(spoken: str, written: str) -> None:
    assert digits(spoken) == written


@pytest.mark.parametrize(
    "text",
    [
        "no one knows one of them",
        "the first and the second man",
        "one-third of it",
        "at this point nothing happened",
        "someone often weighs",
        "it is 5 already",
        "",
        "12,000 mp3 B2B",
    ],
)
def test_what_may_be_no_number_stays(text: str) -> None:
    assert digits(text) == text


def test_a_number_behind_point_is_no_fraction_of_nothing() -> None:
    assert digits("at this point two men came") == "at this point 2 men came"


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("двадцать пять человек", "25 человек"),
        ("двух тысяч трёхсот", "2300"),
        ("Сто один.", "101."),
        ("миллион двести тысяч", "1200000"),
        ("пять, шесть", "5, 6"),
        ("один из них", "один из них"),
        ("тысяча девятьсот восемьдесят четвертый год", "тысяча девятьсот восемьдесят четвертый год"),
    ],
)
def test_russian_number_words_become_digits(spoken: str, written: str) -> None:
    assert digits(spoken, "ru") == written


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("21 men", "twenty-one men"),
        ("in 1984.", "in nineteen eighty-four."),
        ("1,234", "one thousand two hundred thirty-four"),
        ("3.5% of it", "three point five percent of it"),
        ("$5.50", "five dollars fifty cents"),
        ("the 21st.", "the twenty-first."),
        ("Come at 3:30. 5 men came.", "Come at three thirty. Five men came."),
        ("5 Men", "Five Men"),
        ("-4", "minus four"),
        ("(7)", "(seven)"),
    ],
)
def test_digits_become_number_words(written: str, spoken: str) -> None:
    assert words(written) == spoken


@pytest.mark.parametrize(
    "text", ["mp3 B2B", "192.168.0.1", "2024-01-05", "page1.html", "٣", "½", "9" * 5000, "..."]
)
def test_other_tokens_with_digits_stay(text: str) -> None:
    assert words(text) == text


def test_times_and_confidences_of_joined_words() -> None:
    written = numbers_as(timed("about twenty one men"), "digits")
    assert written.text == "about 21 men"
    assert written.words[1] == Word("21", 0.5, 1.4, pytest.approx(0.7), "engine")
    assert written.words[2].start == 1.5


def test_times_of_shared_out_words() -> None:
    written = numbers_as(timed("about 105 men"), "words")
    inner = written.words[1:-1]
    assert [word.text for word in inner] == ["one", "hundred", "five"]
    assert (inner[0].start, inner[-1].end) == (0.5, 0.9)
    assert all(one.end == other.start for one, other in pairwise(inner))
    assert {word.time_source for word in inner} == {"interpolated"}
    assert written.text == " ".join(word.text for word in written.words)


def test_words_without_times_stay_without() -> None:
    segment = Segment("twenty one", 0.0, 1.0, (Word("twenty"), Word("one")))
    assert numbers_as(segment, "digits").words == (Word("21"),)


def test_languages_and_forms_that_are_not_known() -> None:
    german = Segment("one hundred", 0.0, 1.0, language="de")
    assert numbers_as(german, "digits") == german
    assert numbers_as(Segment("one hundred", 0.0, 1.0), "digits", language="en-GB").text == "100"
    with pytest.raises(UnsupportedError, match="choose digits"):
        numbers_as(Segment("5", 0.0, 1.0, language="ru"), "words")
    with pytest.raises(UnsupportedError, match="words or digits"):
        numbers_as(german, "roman")  # type: ignore[arg-type]


@given(st.integers(0, 10**12))
def test_every_cardinal_is_read_back(value: int) -> None:
    spoken = " ".join(cardinal(value, with_and=value % 2 == 0))
    if value != 1:
        assert digits(spoken) == str(value)


# fmt: off
NUMBER_WORDS = frozenset((
    "one", "two", "twenty", "point", "and", "hundred", "thousand", "first", "third", "oh", "o", "a", "eighties",
    "сто", "тысяча", "один", "двадцать", "пятый",
))
# fmt: on

tokens = st.one_of(
    st.sampled_from(["21", "1984", "3.5", "$5", "5%", "21st", "1,000", "-4", "3:30", "twenty-one", "march"]),
    st.sampled_from(sorted(NUMBER_WORDS)),
    st.text(min_size=1, max_size=8).filter(lambda text: bool(text.split())),
)


@given(st.lists(tokens, max_size=25), st.sampled_from(["en", "ru"]), st.sampled_from(["words", "digits"]))
@settings(deadline=None)
def test_time_never_runs_backwards_and_nothing_else_changes(texts: list[str], language: str, form: str) -> None:
    if (language, form) == ("ru", "words"):
        return
    given_words = tuple(Word(text, float(i), i + 1.0, 0.5, "engine") for i, text in enumerate(texts))
    segment = Segment(" ".join(texts), 0.0, 99.0, given_words, language=language)
    written = numbers_as(segment, form)  # type: ignore[arg-type]
    edges = [time for word in written.words for time in (word.start, word.end)]
    assert all(time is not None and math.isfinite(time) for time in edges)
    assert edges == sorted(edges)  # type: ignore[type-var]
    assert (edges[:1], edges[-1:]) == (([0.0], [float(len(texts))]) if texts else ([], []))
    plain = [word for word in given_words if word.text.isalpha() and word.text.lower() not in NUMBER_WORDS]
    assert [word for word in written.words if word in plain] == plain


def test_a_very_long_text_takes_its_time_but_no_more() -> None:
    text = " ".join(["one"] * 20_000)
    assert set(digits(text)) <= {"1", " "}
    assert digits("one-" * 5_000 + "third").startswith("one-one-")
