"""Numbers as they are said: in digits, and in the words of the grammar's language."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from earshot.assistant.grammar_files import NumberRange, Place, error
from earshot.core.optional import require
from earshot.text.english_numbers import digits_of_numbers
from earshot.text.spoken_form import cardinal

MAX_NUMBERS = 10_000
"""Numbers of one range; each has some twenty forms in an inflected language."""

_FRACTIONS = {None: (), "halves": (0.5,), "tenths": tuple(tenth / 10 for tenth in range(1, 10))}


@dataclass(frozen=True, slots=True)
class Numeral:
    """A way to say a number. value: what the slot becomes, the multiplier in it."""

    said: str
    value: int | float


def numerals(numbers: NumberRange, language: str | None, place: Place) -> Iterator[Numeral]:
    """All forms of all numbers of a range, digits first.

    Raises GrammarError for ranges that are too large or, in words, of a language whose numbers are not known.
    """
    count = (numbers.last - numbers.first) // numbers.step + 1
    if count * (1 + len(_FRACTIONS[numbers.fraction])) > MAX_NUMBERS:
        raise error(
            place, f"the range has {count} numbers, more than {MAX_NUMBERS}", fix="use step, or a wildcard"
        )
    spoken_language = numbers.language or language or "en"
    for whole in range(numbers.first, numbers.last + 1, numbers.step):
        for number in (whole, *(whole + part for part in _FRACTIONS[numbers.fraction])):
            value = number * numbers.multiplier if numbers.multiplier is not None else number
            value = int(value) if float(value).is_integer() else value
            if numbers.digits and number >= 0:
                yield Numeral(str(number).replace(".", " point ") if number != whole else str(number), value)
            if numbers.words:
                for words in _words(number, spoken_language, str(place)):
                    yield Numeral(words, value)


@functools.lru_cache(maxsize=50_000)
def _words(number: int | float, language: str, place: str) -> tuple[str, ...]:
    if language.split("-")[0].split("_")[0] == "en" and isinstance(number, int):
        return _english(number)
    try:
        result = _engine(language).format_number(number)
    except ValueError:
        name, _, line = place.rpartition(":")
        raise error(
            Place(name, int(line)),
            f"numbers in words are not known for the language {language!r}",
            fix="write words: false below range:, or another words_language:",
        ) from None
    texts = (result.text, *result.text_by_ruleset.values())
    return tuple(dict.fromkeys(text.replace("\u00ad", "") for text in texts if text))


def _english(number: int) -> tuple[str, ...]:
    sign = "minus " if number < 0 else ""
    forms = [" ".join(cardinal(abs(number), with_and=with_and)) for with_and in (False, True)]
    if 100 <= abs(number) < 200 or 1000 <= abs(number) < 2000:
        forms += ["a" + form.removeprefix("one") for form in forms]
    return tuple(dict.fromkeys(sign + form for form in forms))


_ENGLISH_NUMBER = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty"
    r"|sixty|seventy|eighty|ninety|hundred|thousand)\b",
    re.IGNORECASE,
)


def in_digits(text: str, language: str | None) -> str | None:
    """A text with its numbers in digits, as recognizers like to write them; None where it has none.

    Spaces at the ends stay. English alone.
    """
    if not (language or "en").startswith("en") or not _ENGLISH_NUMBER.search(text):
        return None
    lead = " " if text[:1].isspace() else ""
    tail = " " if text[-1:].isspace() else ""
    written = lead + digits_of_numbers(text.lower().replace("-", " ")) + tail
    return None if written == text else written


@functools.lru_cache(maxsize=16)
def _engine(language: str) -> Any:
    library = require("unicode_rbnf", extra="assistant", purpose="numbers in words")
    candidates = (language, language.replace("-", "_"), language.split("-")[0].split("_")[0])
    for candidate in dict.fromkeys(candidates):
        try:
            return library.RbnfEngine.for_language(candidate)
        except ValueError:
            continue
    raise ValueError(language)
