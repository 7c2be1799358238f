"""English numbers in one form, digits, however they were said or written.

    two hundred and five → 205        eighteen o three, eighteen hundred and three → 1803
    nineteen eighty-four → 1984       twenty-first → 21st          nineteen eighties → 1980s
    three point five → 3.5            $5.50, five dollars and fifty cents → 5.50 dollars
    five million, 5,000,000 → 5000000 3:30, three thirty → 330     march third, march 3 → march 3rd

Numbers that stand side by side become one: "nineteen eighty-four" is heard as 19 and 84, telephone numbers and
times of day likewise, and nobody can hear where one ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ONES = {
    name: value
    for value, name in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    )
}
_TEENS = {
    name: value
    for value, name in enumerate(
        (
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ),
        start=10,
    )
}
_TENS = {
    name: 10 * value
    for value, name in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_ORDINAL_ONES = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
}
_ORDINALS = {
    **_ORDINAL_ONES,
    **{f"{name}th": value for name, value in _TEENS.items()},
    "twelfth": 12,
    **{f"{name[:-1]}ieth": value for name, value in _TENS.items()},
}
_ORDINAL_SCALES = {"hundredth": 100, **{f"{name}th": value for name, value in _SCALES.items()}}
_DECADES = {f"{name[:-1]}ies": value for name, value in _TENS.items()}
_MONTHS = frozenset(
    (
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    )
)

# --- written forms -----------------------------------------------------------------------------------------

_CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen"}
_SCALE_WORD = r"(?:hundred|thousand|million|billion|trillion)"
_CURRENCY = re.compile(rf"([$£€¥])\s?([0-9][0-9,]*(?:\.[0-9]+)?)(\s{_SCALE_WORD}\b)?")
_FRACTIONS = {"1/2": "1 half", "1/3": "1 third", "2/3": "2 thirds", "1/4": "1 quarter", "3/4": "3 quarters"}

_WRITTEN = (
    (re.compile(r"\u2044"), "/"),  # the slash that NFKC makes of "½"
    (re.compile(r"([0-9])¢"), r"\1 cents"),
    (re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))"), ""),  # 1,000
    (re.compile(r"(?<![\w.])\.(?=[0-9])"), "0."),  # .5
    (re.compile(r"(?<!\S)[-−](?=[0-9])"), "minus "),
    (re.compile(r"(?<=[0-9])\s?–\s?(?=[0-9])|(?<=\b[0-9]{4})-(?=[0-9]{4}\b)"), " to "),
    (re.compile(r"\b([0-9]{1,2}):00(?=\s?[ap]m\b)"), r"\1 "),  # 7:00 pm
    (re.compile(r"\b([0-9]{1,2}):00\b"), r"\1 o'clock"),
    (re.compile(r"(?<=[0-9]):(?=[0-9])"), " "),  # 3:30
    (re.compile(r"\b([0-9]+)(am|pm|km|kg|cm|mm|mph)\b"), r"\1 \2"),
    (re.compile(r"(?<![\w])'(?=[0-9]0s\b)"), ""),  # the '80s
    (re.compile(r"(?<=[0-9]0)'s\b"), "s"),  # the 1980's
    (re.compile(r"(?<=[0-9])[-/](?=\w)|(?<=[a-z])-(?=[a-z0-9])"), " "),  # twenty-one
)


def digits_of_numbers(text: str) -> str:
    """The text with every number in digits; lower case, punctuation as far as it is left. Words are parted
    by single spaces afterwards.
    """
    for symbol in _FRACTIONS:
        if symbol in text.replace("\u2044", "/"):
            text = re.sub(rf"(?<![0-9/]){symbol[0]}[/\u2044]{symbol[2]}(?![0-9/])", _FRACTIONS[symbol], text)
    text = _CURRENCY.sub(lambda m: f"{m[2]}{m[3] or ''} {_CURRENCIES[m[1]]}", text)
    for pattern, form in _WRITTEN:
        text = pattern.sub(form, text)
    tokens = _parsed(text.split())
    return " ".join(_with_units(_with_days(_joined(tokens))))


# --- spoken forms ------------------------------------------------------------------------------------------

_INTEGER = re.compile(r"[0-9]+")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_TRAILING = re.compile(r"[^\w%]+$")
_MAX_DIGITS = 15  # of a number that is calculated with; a longer one is only copied


def _parsed(words: Sequence[str]) -> list[str]:
    """Each spoken number as one token of digits; everything else as it was."""
    tokens: list[str] = []
    position = 0
    while position < len(words):
        number = _Number(words, position)
        if number.text is None:
            tokens.append(words[position])
            position += 1
        else:
            tokens.append(number.text + number.trailing)
            position = number.position
    return tokens


def read_number(words: Sequence[str], position: int) -> tuple[str, str, int] | None:
    """The spoken number that begins at ``position``: its digits, the punctuation behind it, where it ends.

    words: lower case, hyphens split. None where no number begins.
    """
    number = _Number(words, position)
    return None if number.text is None else (number.text, number.trailing, number.position)


class _Number:
    """Reads one number from ``position`` on. text: its digits, None where there is none."""

    def __init__(self, words: Sequence[str], position: int) -> None:
        self._words = words
        self.position = position
        self.trailing = ""
        self.text = self._read()

    def _peek(self, ahead: int = 0) -> str:
        """A word without its punctuation; nothing behind punctuation, which ends a number."""
        index = self.position + ahead
        if self.trailing or index >= len(self._words):
            return ""
        if ahead and any(_TRAILING.search(word) for word in self._words[self.position : index]):
            return ""
        return _TRAILING.sub("", self._words[index])

    def _take(self) -> None:
        match = _TRAILING.search(self._words[self.position])
        self.trailing = match[0] if match else ""
        self.position += 1

    def _read(self) -> str | None:
        if (decimal := self._decimal()) is not None:
            return decimal
        value = self._cardinal()
        if value is None:
            return self._ending(None)
        if self._peek() == "point" and (self._peek(1) in _ONES or self._peek(1) in ("o", "oh")):
            self._take()
            return self._scaled(f"{value}.{self._digits()}")
        return self._ending(value)

    def _decimal(self) -> str | None:
        """As in "3.5 million" or "point five"."""
        word = self._peek()
        if word == "point" and self._peek(1) in _ONES:
            self._take()
            return self._scaled(f"0.{self._digits()}")
        if not _DECIMAL.fullmatch(word):
            if _INTEGER.fullmatch(word) and (len(word) > _MAX_DIGITS or word.startswith("0")):
                self._take()
                return word
            return None
        self._take()
        return self._scaled(word)

    def _scaled(self, decimal: str) -> str:
        """The decimal times the "million" that may follow it."""
        scale = _SCALES.get(self._peek())
        whole, fraction = decimal.split(".")
        if scale is None or len(fraction) > 3 or len(whole) > _MAX_DIGITS:
            return decimal
        self._take()
        return str(int(whole) * scale + int(fraction.ljust(3, "0")) * (scale // 1000))

    def _digits(self) -> str:
        digits = ""
        while self._peek() in _ONES or self._peek() in ("o", "oh"):
            digits += str(_ONES.get(self._peek(), 0))
            self._take()
        return digits or "0"

    def _cardinal(self) -> int | None:
        """As in "two million three hundred thousand and five"."""
        total = 0
        last_scale = 10**15
        value = self._below_thousand()
        if value is None:
            return None
        while True:
            scale = _SCALES.get(self._peek())
            if scale is None or scale >= last_scale:
                return total + value
            self._take()
            total += value * scale
            last_scale = scale
            start, trailing = self.position, self.trailing
            self._skip_and()
            following = None if self._starts_with_scale() else self._below_thousand()
            if following is None or following >= scale:
                self.position, self.trailing = start, trailing
                return total
            value = following

    def _starts_with_scale(self) -> bool:
        return self._peek() in _SCALES

    def _skip_and(self) -> None:
        if self._peek() == "and" and self._begins_small(self._peek(1)):
            self._take()

    def _begins_small(self, word: str) -> bool:
        return word in _ONES or word in _TEENS or word in _TENS or word in _ORDINALS

    def _below_thousand(self) -> int | None:
        """As in "three hundred and five"; also "eighteen hundred", "a hundred" and "hundred" alone."""
        value = self._below_hundred()
        if value is None:
            if self._peek() in ("a", "hundred", "thousand", "million", "billion", "trillion"):
                return self._bare_scale()
            return None
        if self._peek() != "hundred" or value >= 1000:
            return value
        self._take()
        return 100 * value + self._rest_of_hundred()

    def _bare_scale(self) -> int | None:
        if self._peek() == "a":
            if self._peek(1) not in _SCALES and self._peek(1) != "hundred":
                return None
            self._take()
        if self._peek() == "hundred":
            self._take()
            return 100 + self._rest_of_hundred()
        return 1  # the scale itself follows

    def _rest_of_hundred(self) -> int:
        start, trailing = self.position, self.trailing
        self._skip_and()
        # Digits after "hundred" are a number of their own.
        rest = None if _INTEGER.fullmatch(self._peek()) else self._below_hundred()
        if rest is None or self._peek() == "hundred":
            self.position, self.trailing = start, trailing
            return 0
        return rest

    def _below_hundred(self) -> int | None:
        word = self._peek()
        if _INTEGER.fullmatch(word) and len(word) <= _MAX_DIGITS:
            self._take()
            return int(word)
        if word in _ONES or word in _TEENS:
            self._take()
            return _ONES.get(word, _TEENS.get(word, 0))
        if word not in _TENS:
            return None
        self._take()
        ones = _ONES.get(self._peek(), 0)
        if ones:
            self._take()
        return _TENS[word] + ones

    def _ending(self, value: int | None) -> str | None:
        """Ordinals and decades: "twenty first", "two hundredth", "nineteen hundreds", "eighties"."""
        word = self._peek()
        written = re.fullmatch(r"([0-9]{1,15})(?:st|nd|rd|th)", word)
        if value is None and written:
            self._take()
            return _ordinal(int(written[1]))
        if value is None and word in _DECADES:
            self._take()
            return f"{_DECADES[word]}s"
        if word in _ORDINAL_SCALES and (value is not None or word != "second"):
            self._take()
            return _ordinal((1 if value is None else value) * _ORDINAL_SCALES[word])
        if value is not None and word == "hundreds":
            self._take()
            return f"{value * 100}s"
        room = 0 if value is None else _room(value)
        start, trailing = self.position, self.trailing
        if value is not None and room >= 100 and word == "and":
            self._skip_and()
        word = self._peek()
        if word in _ORDINALS and (value is None or _ORDINALS[word] < room):
            ordinal = _ORDINALS[word]
            self._take()
            if value is None and word in _TENS:
                return _ordinal(ordinal)
            return _ordinal((value or 0) + ordinal)
        self.position, self.trailing = start, trailing
        return None if value is None else str(value)


def _room(value: int) -> int:
    """What may follow a number in one with it: after 20 less than 10, after 300 less than 100; else nothing."""
    for room in (100, 10):
        if value and value % room == 0 and (room == 100 or 20 <= value % 100 <= 90):
            return room
    return 0


def _ordinal(value: int) -> str:
    ending = "th" if value // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


# --- numbers among each other ------------------------------------------------------------------------------

_OPEN_INTEGER = re.compile(r"[0-9]+s?[^\w%]*")


def _joined(tokens: Sequence[str]) -> list[str]:
    """Adjacent whole numbers as one; "o" and "oh" between them are zeros."""
    joined: list[str] = []
    run: list[str] = []  # the numbers that still stand side by side
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        if run and token in ("o", "oh") and _OPEN_INTEGER.fullmatch(after):
            run.append("0")
            continue
        if run and (not _OPEN_INTEGER.fullmatch(token) or _is_day(joined, run, token)):
            joined.append("".join(run))
            run = []
        if not _OPEN_INTEGER.fullmatch(token):
            joined.append(token)
            continue
        run.append(token)
        if not _INTEGER.fullmatch(token):  # punctuation, or the "s" of a decade, ends it
            joined.append("".join(run))
            run = []
    return [*joined, "".join(run)] if run else joined


def _is_day(before: Sequence[str], run: Sequence[str], following: str) -> bool:
    """Whether a number is the day before a year: "march 3 1805"."""
    is_day = len(run) == 1 and len(run[0]) <= 2 and bool(before) and before[-1] in _MONTHS
    return is_day and bool(re.match(r"[0-9]{4}\b", following))


def _with_days(tokens: Sequence[str]) -> list[str]:
    """A day beside its month is an ordinal: "march 3" is read "march third"."""
    days = list(tokens)
    for index, token in enumerate(tokens):
        match = re.fullmatch(r"([1-9]|[12][0-9]|3[01])([^\w%]*)", token)
        before = tokens[index - 1] if index else ""
        after = _TRAILING.sub("", tokens[index + 1]) if index + 1 < len(tokens) else ""
        if match and (before in _MONTHS or (after in _MONTHS and not match[2])):
            days[index] = _ordinal(int(match[1])) + match[2]
    return days


_UNITS = {"dollar": "dollars", "pound": "pounds", "euro": "euros", "cent": "cents"}


def _with_units(tokens: Sequence[str]) -> list[str]:
    """Money in one form: "1 dollars", "5.50 dollars" for 5 dollars and 50 cents."""
    text = " ".join(
        _UNITS.get(token, token) if index and re.fullmatch(r"[0-9.]+", tokens[index - 1]) else token
        for index, token in enumerate(tokens)
    )
    text = re.sub(r"\b([0-9]+) (dollars|euros) (?:and )?([0-9]{1,2}) cents\b", _with_cents, text)
    return text.split()


def _with_cents(match: re.Match[str]) -> str:
    return f"{match[1]}.{match[3].zfill(2)} {match[2]}"
