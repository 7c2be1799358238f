"""Capitals of words: what the net cannot know from books, and how a capital is set without harm."""

from __future__ import annotations

from collections.abc import Sequence

# Names that old novels seldom or never mention. Lower-case words that look the same ("may", "march", "polish",
# "turkey", "us") are left to the net.
_ENGLISH_NAMES = """
    monday tuesday wednesday thursday friday saturday sunday january february april june july august september
    october november december christmas easter
    english german russian italian spanish american british scottish irish welsh canadian australian indian
    chinese japanese korean dutch swedish norwegian danish finnish greek turkish arabic hebrew latin portuguese
    ukrainian african asian european mexican brazilian christian muslim jewish
    england britain scotland ireland wales france germany russia italy spain portugal netherlands belgium
    switzerland austria poland ukraine sweden norway denmark finland greece america canada mexico brazil
    argentina australia india china japan korea egypt israel iran iraq africa asia europe
    london paris berlin moscow madrid rome vienna washington chicago boston california texas florida tokyo
    beijing sydney toronto google microsoft amazon facebook youtube twitter wikipedia linux android internet
""".split()  # noqa: SIM905 - a table of words
_RUSSIAN_NAMES = """
    россия россии россию россией москва москвы москве москву москвой петербург петербурга петербурге украина
    украины украине беларусь европа европы европе европу азия азии африка африки америка америки америке америку
    германия германии германию франция франции францию англия англии англию италия италии испания испании китай
    китая китае япония японии индия индии сша лондон лондона лондоне париж парижа париже берлин берлина берлине
""".split()  # noqa: SIM905
_ACRONYMS = frozenset("usa uk bbc fbi cia nasa nato dna tv dvd gps atm ceo pdf usb".split())  # noqa: SIM905
_RUSSIAN_ACRONYMS = frozenset(("сша", "ссср", "оон", "рф", "днк"))
_NAMES = {
    "en": frozenset(_ENGLISH_NAMES) - {"internet"},
    "ru": frozenset(_RUSSIAN_NAMES) - _RUSSIAN_ACRONYMS,
}
_SPELLED = {"en": _ACRONYMS, "ru": _RUSSIAN_ACRONYMS}
_FIRST_PERSON = frozenset(("i", "i'm", "i'll", "i'd", "i've"))
_LETTER_WORDS = frozenset("aio")
_TITLES = frozenset(("Mr", "Mrs", "Ms", "Dr"))


def lowered(texts: Sequence[str]) -> list[str]:
    """The words in small letters where all are in capitals, as some engines write; else as they are.

    A single word in capitals may be an acronym and stays.
    """
    worded = [text for text in texts if any(c.lower() != c.upper() for c in text)]
    if len(worded) < 2 or not all(text == text.upper() for text in worded):
        return list(texts)
    return ["".join(_small(c) for c in text) for text in texts]


def cased(text: str, case: str, language: str) -> str:
    """A word as written within a sentence. case: what the net says, one of its CASES.

    A word that has a capital already, an address or a file name stays as it is.
    """
    if text != text.lower() or _is_address(text):
        return text
    word = text.strip("\"'«»“”‘’()[].,?!:;…").replace("’", "'")
    stem = word.removesuffix("'s") if language == "en" else word
    if stem in _SPELLED.get(language, ()):
        return (
            "".join(_capital(c) for c in text[: text.index(stem) + len(stem)])
            + text[text.index(stem) + len(stem) :]
        )
    if language == "en" and (word in _FIRST_PERSON or _is_letter(word)):
        return raised(text)
    if case != "LOWER" or stem in _NAMES.get(language, ()):
        return _irish(raised(text)) if language == "en" else raised(text)
    return text


def raised(text: str) -> str:
    """The word with its first letter a capital; "iPhone", an address, what begins with a digit stay."""
    if text != text.lower() or _is_address(text):
        return text
    for index, character in enumerate(text):
        if character.isalnum():
            return text[:index] + _capital(character) + text[index + 1 :]
    return text


def title(text: str, language: str) -> str:
    """In English "Mr" as "Mr."; every other word as it is."""
    return text + "." if language == "en" and text in _TITLES else text


def is_title(text: str) -> bool:
    """Whether a token is "Mr." or the like, whose full stop ends no sentence."""
    return text.endswith(".") and text[:-1] in _TITLES


def _is_letter(word: str) -> bool:
    """A letter by its name, as in "plan b"; "a", "i" and "o" are words."""
    return len(word) == 1 and "a" <= word <= "z" and word not in _LETTER_WORDS


def _irish(text: str) -> str:
    """O'Brien rather than O'brien."""
    if text[:2] in ("O'", "O’") and len(text) > 4 and text != "O'clock":
        return text[:2] + raised(text[2:])
    return text


def _is_address(text: str) -> bool:
    """As in www.example.org, me@example.org, setup.py, @name, #tag: capitals would break it."""
    inner = text.strip(".,?!:;…\"'«»“”()[]")
    return (
        "@" in inner
        or "/" in inner
        or "\\" in inner
        or inner.startswith("#")
        or ("." in inner and len(inner.replace(".", "")) > 4 and not inner.replace(".", "").isdigit())
    )


def _capital(character: str) -> str:
    """The capital, unless the letter has none of its own (ß) or would not come back from it."""
    upper = character.upper()
    return upper if len(upper) == 1 and upper.lower() == character else character


def _small(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 and lower.upper() == character else character
