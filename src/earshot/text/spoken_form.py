"""How written English is said: "1859" → "eighteen fifty nine", "$5" → "five dollars", "U.S." → "u s".

For matching text with sound, where every way of saying a token counts; not for display.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

Spoken = tuple[str, ...]
"""Words in lower case, of letters and apostrophes; ``a.`` is the letter's name, to tell it from the article."""

_MAX_FORMS = 8
_MAX_DIGITS = 15  # longer runs of digits are read one by one
_MAX_TOKEN = 200  # characters; no word is longer, so the rest is noise

# fmt: off
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_PLURALS = {"six": "sixes"}

_ABBREVIATIONS: dict[str, tuple[str, ...]] = {
    "mr": ("mister",),
    "mrs": ("missus", "mrs."),
    "ms": ("miz", "miss"),
    "messrs": ("messieurs",),
    "dr": ("doctor", "drive"),
    "st": ("saint", "street"),
    "prof": ("professor",),
    "jr": ("junior",),
    "sr": ("senior",),
    "vs": ("versus",),
    "etc": ("et cetera",),
    "e.g": ("for example", "e g"),
    "i.e": ("that is", "i e"),
    "no": ("number", "no"),
    "nos": ("numbers",),
    "vol": ("volume",),
    "co": ("company",),
    "inc": ("incorporated", "ink"),
    "ltd": ("limited",),
    "gen": ("general",),
    "col": ("colonel",),
    "capt": ("captain",),
    "lt": ("lieutenant",),
    "sgt": ("sergeant",),
    "rev": ("reverend",),
    "hon": ("honorable",),
    "gov": ("governor",),
    "sen": ("senator",),
    "rep": ("representative",),
    "mt": ("mount",),
    "ft": ("fort", "feet"),
    "ave": ("avenue",),
    "blvd": ("boulevard",),
    "rd": ("road",),
    "jan": ("january",),
    "feb": ("february",),
    "mar": ("march",),
    "apr": ("april",),
    "jun": ("june",),
    "jul": ("july",),
    "aug": ("august",),
    "sept": ("september",),
    "sep": ("september",),
    "oct": ("october",),
    "nov": ("november",),
    "dec": ("december",),
}
"""Said in full when a full stop follows."""

_SYMBOLS = {"&": "and", "%": "percent", "@": "at", "+": "plus", "=": "equals", "°": "degrees", "#": "number"}
_CURRENCIES = {
    "$": ("dollar", "dollars", "cents"),
    "£": ("pound", "pounds", "pence"),
    "€": ("euro", "euros", "cents"),
    "¥": ("yen", "yen", "sen"),
}
_MAGNITUDES = {"k": "thousand", "m": "million", "bn": "billion", "b": "billion"}

_MONEY = re.compile(r"([$£€¥])(\d[\d,]*)(?:\.(\d+))?(k|m|bn|b)?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_ORDINAL = re.compile(r"(\d[\d,]*)(?:st|nd|rd|th)")
_DECADE = re.compile(r"'?(\d{2,4})'?s")
_NUMBER = re.compile(r"(\d[\d,]*)?(?:\.(\d+))?")
_INITIALS = re.compile(r"[a-z](?:\.[a-z])+\.?")
_PIECES = re.compile(r"[$£€¥]?\d[\d,.:]*(?:st|nd|rd|th|bn|[kmbs])?(?![a-z0-9])|\d+|[a-z'.]+|[&%@+=°#]")
_SIGN_LAST = re.compile(r"(\d[\d,.]*)([$£€¥])")
_FOLDED = str.maketrans(
    {
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "æ": "ae",
        "Æ": "Ae",
        "œ": "oe",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
    }
)
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"})


def spoken_forms(token: str) -> tuple[Spoken, ...]:
    """The ways in which one written token may be said, the likeliest first.

    token: without white space; punctuation around it is ignored. Returns () where nothing in it is English
    letters, digits or a symbol with a name: punctuation alone, or another script.
    """
    folded = _fold(token[:_MAX_TOKEN])
    if _is_foreign(folded):
        return ()
    alternatives = [forms for piece in _pieces(folded) if (forms := _piece_forms(piece))]
    if not alternatives:
        return ()
    products = itertools.islice(itertools.product(*alternatives), _MAX_FORMS)
    forms = [tuple(itertools.chain.from_iterable(parts)) for parts in products]
    if _looks_spelled(folded):
        forms.append(_letters(folded))
    return tuple(dict.fromkeys(forms))


def number_forms(digits: str) -> tuple[Spoken, ...]:
    """The ways to say a whole number: as a cardinal, as a year, digit by digit; digits: 0-9 alone."""
    forms: list[Spoken] = []
    if len(digits) > _MAX_DIGITS:
        return (_one_by_one(digits),)
    value = int(digits)
    if len(digits) == 4 and 1000 <= value < 2100:
        forms += _year(value)
    if digits[0] != "0" or value == 0:
        forms.append(cardinal(value))
        if (with_and := cardinal(value, with_and=True)) != forms[-1]:
            forms.append(with_and)
    if len(digits) == 3 and value >= 100:
        forms.append(cardinal(value // 100) + _two_digits(value % 100))
    if len(digits) > 1 and (digits[0] == "0" or len(digits) > 2):
        forms += [_one_by_one(digits), _one_by_one(digits, zero="oh")]
    return tuple(dict.fromkeys(forms))


def cardinal(value: int, *, with_and: bool = False) -> Spoken:
    """A number below 10**15 in words: 1859 → one thousand eight hundred (and) fifty nine."""
    for scale, name in _SCALES:
        if value >= scale:
            rest = value % scale
            head = (*cardinal(value // scale, with_and=with_and), name)
            if not rest:
                return head
            link = ("and",) if with_and and rest < 100 else ()
            return head + link + cardinal(rest, with_and=with_and)
    if value >= 100:
        head = (_UNITS[value // 100], "hundred")
        if not value % 100:
            return head
        return head + (("and",) if with_and else ()) + cardinal(value % 100)
    if value < 20:
        return (_UNITS[value],)
    return (_TENS[value // 10], *((_UNITS[value % 10],) if value % 10 else ()))


def _fold(token: str) -> str:
    """Accents and typographic quotes removed; case kept."""
    plain = unicodedata.normalize("NFKD", token.translate(_QUOTES).translate(_FOLDED))
    return "".join(c for c in plain if not unicodedata.combining(c))


def _is_foreign(folded: str) -> bool:
    """Whether most letters are of another script."""
    letters = [c for c in folded if c.isalpha()]
    return sum(not c.isascii() for c in letters) * 2 > len(letters)


def _pieces(folded: str) -> list[str]:
    sign_first = _SIGN_LAST.sub(r"\2\1", folded.lower())  # 5€ → €5
    return [p for p in _PIECES.findall(sign_first) if any(c.isalnum() or c in _SYMBOLS for c in p)]


def _piece_forms(piece: str) -> Iterable[Spoken]:
    if piece in _SYMBOLS:
        return [(_SYMBOLS[piece],)]
    if any(c.isdigit() for c in piece):
        return _numeric_forms(piece.rstrip(".,:"))
    bare = piece.strip(".")
    if _INITIALS.fullmatch(piece) and bare not in _ABBREVIATIONS:
        return [_letters(piece)]
    forms: list[Spoken] = []
    if piece.endswith(".") and bare in _ABBREVIATIONS:
        forms = [tuple(said.split()) for said in _ABBREVIATIONS[bare]]
    word = piece.replace(".", "")
    trimmed = word.strip("'")
    if not trimmed:
        return []
    forms.append((word if word == f"'{trimmed}" and len(trimmed) < 6 else trimmed,))
    forms.append((trimmed,))
    if len(trimmed) < 6 and trimmed.isalpha() and not set(trimmed) & set("aeiouy"):
        forms.append(_letters(trimmed))  # mp3, tv: no vowel, so it is spelled
    return dict.fromkeys(forms)


def _numeric_forms(piece: str) -> Iterable[Spoken]:
    if match := _MONEY.fullmatch(piece):
        return _money(*match.groups())
    if match := _TIME.fullmatch(piece):
        return _time(*match.groups())
    if match := _ORDINAL.fullmatch(piece):
        return [_ordinal(form) for form in number_forms(match[1].replace(",", ""))]
    if match := _DECADE.fullmatch(piece):
        return [(*form[:-1], _plural(form[-1])) for form in number_forms(match[1])]
    if match := _NUMBER.fullmatch(piece):
        return _decimal(match[1], match[2])
    digits = re.sub(r"\D", "", piece)
    letters = _letters("".join(c for c in piece if c.isalpha()))
    return [form + letters for form in number_forms(digits)]


def _money(sign: str, whole: str, fraction: str | None, magnitude: str | None) -> list[Spoken]:
    one, many, small = _CURRENCIES[sign]
    digits = whole.replace(",", "")
    unit = one if digits == "1" and not fraction and not magnitude else many
    if magnitude:
        return [(*form, _MAGNITUDES[magnitude], unit) for form in _decimal(digits, fraction)]
    forms = [(*form, unit) for form in number_forms(digits)[:3]]
    if not fraction or not int(fraction) or len(fraction) != 2:
        return forms if not fraction else [*forms, *((*f, unit) for f in _decimal(digits, fraction))]
    cents = cardinal(int(fraction))
    with_cents = [(*form, *cents, small) for form in forms]
    return [*with_cents, *((*form, *cents) for form in forms), number_forms(digits)[0] + cents]


def _time(hours: str, minutes: str, seconds: str | None) -> list[Spoken]:
    head = cardinal(int(hours))
    tail = _two_digits(int(seconds)) if seconds else ()
    if int(minutes) == 0:
        return [head + tail, (*head, "o'clock", *tail), (*head, "hundred", *tail)]
    return [head + _two_digits(int(minutes)) + tail]


def _decimal(whole: str | None, fraction: str | None) -> list[Spoken]:
    digits = (whole or "0").replace(",", "")
    heads = number_forms(digits)
    if fraction is None:
        return list(heads)
    tail = ("point", *_one_by_one(fraction))
    forms = [head + tail for head in heads]
    return forms if whole else [*forms, tail]


def _year(value: int) -> list[Spoken]:
    century, rest = divmod(value, 100)
    if rest == 0:
        return [] if century % 10 == 0 else [(*cardinal(century), "hundred")]
    pairs = cardinal(century) + _two_digits(rest)
    return [cardinal(value), pairs] if 2000 <= value < 2010 else [pairs]


def _two_digits(value: int) -> Spoken:
    if value == 0:
        return ("hundred",)
    return ("oh", _UNITS[value]) if value < 10 else cardinal(value)


def _one_by_one(digits: str, *, zero: str = "zero") -> Spoken:
    return tuple(zero if d == "0" else _UNITS[int(d)] for d in digits)


def _ordinal(form: Spoken) -> Spoken:
    last = form[-1]
    if last in _ORDINALS:
        return (*form[:-1], _ORDINALS[last])
    return (*form[:-1], last[:-1] + "ieth" if last.endswith("y") else last + "th")


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else _PLURALS.get(word, word + "s")


def _looks_spelled(folded: str) -> bool:
    """Whether capitals may be letter names: two to five of them, as in BBC, and nothing else said."""
    letters = folded.strip("\"'.,;:!?()[]")
    return 2 <= len(letters) <= 5 and letters.isascii() and letters.isalpha() and letters.isupper()


def _letters(text: str) -> Spoken:
    return tuple("a." if c == "a" else c for c in text.lower() if c.isascii() and c.isalpha())
