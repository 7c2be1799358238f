"""Numbers in a transcript as digits ("twenty one" → "21") or in words ("21" → "twenty-one"), times kept.

Digits: cardinals, decimals, years, ordinals from 10th on, digits said one by one. What is as often no number
stays: a lone "one", a lone "first" … "ninth" (unless it is a day beside its month). English both ways; Russian
cardinals to digits only, since words would have to agree with their nouns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from earshot.core.errors import UnsupportedError
from earshot.core.types import Segment, Word
from earshot.text import english_numbers, russian_numbers
from earshot.text.casing import raised
from earshot.text.spoken_form import cardinal, spoken_forms

NumberForm: TypeAlias = Literal["words", "digits"]

_Reader: TypeAlias = Callable[[Sequence[str], int], tuple[str, str, int] | None]
_READERS: dict[str, _Reader] = {"en": english_numbers.read_number, "ru": russian_numbers.read_number}
_LONE_ONES = {"en": frozenset(("one",)), "ru": frozenset(("один", "одна", "одно", "одного", "одной", "одному",
                                                          "одну", "одним", "одном"))}  # fmt: skip
_MONTHS = frozenset(
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_YEAR_CUES = frozenset(
    ("in", "of", "since", "until", "till", "by", "from", "to", "year", "before", "after", *_MONTHS)
)
_LONGEST_RUN = 32  # digits said one by one that are written as one number
_ZEROS = frozenset(("o", "oh"))
_EDGE = re.compile(r"^\W+|\W+$")
_PREFIX = re.compile(r"^[\"'“‘«(\[]+")


def numbers_as(segment: Segment, form: NumberForm, *, language: str | None = None) -> Segment:
    """The segment with its numbers in one form; a segment in a language that is not known stays as it is.

    language: ISO 639-1, for segments that do not say theirs; English where neither tells.
    Several words that become one number become one word, from the start of the first to the end of the last,
    with the lowest of their confidences; one that becomes several shares its time out by their letters.
    Raises UnsupportedError for another form, and for Russian numbers in words.
    """
    if form not in get_args(NumberForm):
        raise UnsupportedError(f"numbers cannot be written as {form!r}", fix="choose words or digits")
    known = (segment.language or language or "en").replace("_", "-").split("-")[0].lower()
    if known == "ru" and form == "words":
        raise UnsupportedError("Russian numbers cannot be put into words", fix="choose digits, or leave them")
    if known not in _READERS:
        return segment
    words = segment.words or tuple(Word(token) for token in segment.text.split())
    written = tuple(_in_digits(words, known) if form == "digits" else _in_words(words))
    if written == words:
        return segment
    text = " ".join(word.text for word in written)
    return replace(segment, text=text, words=written if segment.words else ())


# --- digits ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """A number in tokens first … end - 1. digits: as written; trailing: the punctuation behind it."""

    digits: str
    trailing: str
    first: int
    end: int


def _in_digits(words: Sequence[Word], language: str) -> Iterator[Word]:
    tokens, owners = _tokens(words, language)
    position = 0
    index = 0
    while index < len(words):
        while position < len(tokens) and owners[position] < index:
            position += 1
        found = _found(tokens, position, language)
        if found is None or not _is_whole(found, owners):
            yield words[index]
            index += 1
            continue
        last = owners[found.end - 1]
        prefix = _PREFIX.match(words[index].text)
        yield _joined(words[index : last + 1], f"{prefix[0] if prefix else ''}{found.digits}{found.trailing}")
        index = last + 1


def _tokens(words: Sequence[Word], language: str) -> tuple[list[str], list[int]]:
    """Lower-case tokens, "twenty-one" as two, and the word that each is of."""
    tokens, owners = [], []
    for index, word in enumerate(words):
        text = _PREFIX.sub("", word.text.lower())
        parts = text.split("-")
        is_number = len(parts) > 1 and all(_READERS[language]([_EDGE.sub("", part)], 0) for part in parts)
        for part in parts if is_number else [text]:
            tokens.append(part)
            owners.append(index)
    return tokens, owners


def _is_whole(found: _Found, owners: Sequence[int]) -> bool:
    """Whether the number ends where a word does: not within "one-armed"."""
    return found.end == len(owners) or owners[found.end] != owners[found.end - 1]


def _found(tokens: Sequence[str], position: int, language: str) -> _Found | None:
    """The number to write at ``position``, None where the words stay."""
    number = _read(tokens, position, language)
    if number is None:
        return None
    if language == "en" and (longer := _run_of_digits(tokens, number) or _year(tokens, number)):
        return longer
    said = _EDGE.sub("", tokens[position])
    is_lone = number.end == position + 1
    if is_lone and (said in _LONE_ONES[language] or said == number.digits):
        return None
    if is_lone and re.fullmatch(r"[1-9](?:st|nd|rd|th)", number.digits) and not _is_day(tokens, position):
        return None
    return number


def _read(tokens: Sequence[str], position: int, language: str) -> _Found | None:
    # "Point two" is a decimal only behind a number: "at this point two men".
    if position >= len(tokens) or (language == "en" and tokens[position] == "point"):
        return None
    number = _READERS[language](tokens, position)
    return None if number is None else _Found(number[0], number[1], position, number[2])


def _run_of_digits(tokens: Sequence[str], first: _Found) -> _Found | None:
    """Three digits and more, said one by one: a telephone number, a code."""
    digits, trailing, end = "", "", first.first
    while end < len(tokens) and not trailing and len(digits) < _LONGEST_RUN:
        stem = _EDGE.sub("", tokens[end])
        found = (
            _Found("0", tokens[end][len(stem) :], end, end + 1) if stem in _ZEROS else _read(tokens, end, "en")
        )
        if found is None or len(found.digits) != 1 or not found.digits.isdigit() or found.end != end + 1:
            break
        digits, trailing, end = digits + found.digits, found.trailing, found.end
    return _Found(digits, trailing, first.first, end) if len(digits) >= 3 else None


def _year(tokens: Sequence[str], first: _Found) -> _Found | None:
    """As in "nineteen eighty four", "eighteen o three", "twenty twenty", "in ten sixty six"."""
    if not first.digits.isdigit() or first.trailing or first.end != first.first + 1:
        return None
    before = tokens[first.first - 1] if first.first else ""
    lowest = 10 if before in _YEAR_CUES else 17
    if not lowest <= int(first.digits) <= 20 or first.end >= len(tokens):
        return None
    is_zero = tokens[first.end] in _ZEROS
    second = _read(tokens, first.end + is_zero, "en")
    if (
        second is None
        or len(second.digits.rstrip("s")) != (1 if is_zero else 2)
        or not second.digits[0].isdigit()
    ):
        return None
    if not re.fullmatch(r"[0-9]{1,2}s?", second.digits):
        return None
    return _Found(first.digits + "0" * is_zero + second.digits, second.trailing, first.first, second.end)


def _is_day(tokens: Sequence[str], position: int) -> bool:
    """Whether a month stands beside it: "march third", "the third of march"."""
    before = tokens[position - 1] if position else ""
    after = [_EDGE.sub("", token) for token in tokens[position + 1 : position + 3]]
    return (
        before in _MONTHS
        or after[:1] in [[month] for month in _MONTHS]
        or (len(after) == 2 and after[0] == "of" and after[1] in _MONTHS)
    )


def _joined(words: Sequence[Word], text: str) -> Word:
    start, end = words[0].start, words[-1].end
    known = [word.confidence for word in words if word.confidence is not None]
    is_timed = start is not None and end is not None
    return Word(
        text,
        start if is_timed else None,
        end if is_timed else None,
        min(known, default=None),
        words[0].time_source if is_timed else None,
    )


# --- words -------------------------------------------------------------------------------------------------

_WRITTEN = re.compile(
    r"[$£€¥]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[$£€¥]?[0-9]+(?:\.[0-9]+)?(?:st|nd|rd|th|s)?|[0-9]{1,2}:[0-9]{2}"
)
_PARTS = re.compile(r"([\"'“‘«(\[]*)(-?)(.*?)(%?)([^\w%]*)", re.DOTALL)
_MAX_TOKEN = 40  # characters; a longer one is no number that anybody would read out
_TENS = frozenset("twenty thirty forty fifty sixty seventy eighty ninety".split())  # noqa: SIM905
_UNITS = frozenset(
    """
    one two three four five six seven eight nine first second third fourth fifth sixth seventh eighth ninth
    """.split()  # noqa: SIM905
)


def _in_words(words: Sequence[Word]) -> Iterator[Word]:
    has_capitals = any(c.isupper() for word in words for c in word.text)
    starts = has_capitals
    for word in words:
        spoken = _spoken(word.text)
        if spoken:
            yield from _shared_out(word, [raised(spoken[0]) if starts else spoken[0], *spoken[1:]])
        else:
            yield word
        starts = has_capitals and word.text.rstrip("\"'”’»)]").endswith((".", "?", "!"))


def _spoken(token: str) -> list[str]:
    """The words of a token that is a number; empty for any other."""
    if len(token) > _MAX_TOKEN or not any("0" <= c <= "9" for c in token):
        return []
    match = _PARTS.fullmatch(token)
    if match is None or not _WRITTEN.fullmatch(match[3]):
        return []
    written = match[3]
    # A comma tells a number from a year: 1,984 is one thousand nine hundred eighty-four.
    is_cardinal = "," in written and written.replace(",", "").isdigit() and len(written) < 20
    said = cardinal(int(written.replace(",", ""))) if is_cardinal else (*spoken_forms(written), ())[0]
    if not said:
        return []
    spoken = _hyphenated([*(["minus"] if match[2] else []), *said, *(["percent"] if match[4] else [])])
    spoken[0] = match[1] + spoken[0]
    spoken[-1] += match[5]
    return spoken


def _hyphenated(words: Sequence[str]) -> list[str]:
    """The words with "twenty one" as "twenty-one"."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _TENS and word in _UNITS:
            joined[-1] += f"-{word}"
        else:
            joined.append(word)
    return joined


def _shared_out(word: Word, texts: Sequence[str]) -> Iterator[Word]:
    if len(texts) == 1 or word.start is None or word.end is None:
        yield from (replace(word, text=text) for text in texts)
        return
    total = sum(map(len, texts))
    passed = 0
    for text in texts:
        start = word.start + (word.end - word.start) * passed / total
        passed += len(text)
        end = word.end if passed == total else word.start + (word.end - word.start) * passed / total
        yield Word(text, start, end, word.confidence, "interpolated")
