"""Texts made comparable before they are scored: what sounds the same is written the same.

``normalise`` suits any language and changes little. ``normalise_english`` also makes one of the ways to write
English: contractions in full, numbers in digits, titles in full, American spelling, hesitations left out; so
that "Dr. Grey paid $5 in 1803" equals "doctor gray paid five dollars in eighteen o three". Score either way,
and say which.
"""

from __future__ import annotations

import re
import unicodedata

from earshot.text.english_numbers import digits_of_numbers
from earshot.text.english_spelling import american

# "[noise]" and "<unk>" are no words. What stands in parentheses may have been said, and stays.
_ANNOTATION = re.compile(r"\[[^\[\]]{0,100}\]|<[^<>]{0,100}>")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´ʹ′", "'"))
_LONE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")


def normalise(text: str) -> str:
    """Lower case, no punctuation, single spaces, compatible characters unified (NFKC); for any language.

    Apostrophes within words stay (typewriter's form), marks of vowels and tones stay, hyphens part words,
    ``[…]`` and ``<…>`` are left out. Applying it twice changes nothing more.
    """
    return _without_punctuation(_prepared(text))


def _prepared(text: str) -> str:
    text = _ANNOTATION.sub(" ", text)
    # Lower case may undo NFKC and the other way round, as in "İ" and "ϓ": until nothing moves.
    for _ in range(3):
        text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).lower()
    return text


def _without_punctuation(text: str, keep: str = "'") -> str:
    kept = "".join(
        character if character in keep or unicodedata.category(character)[0] in "LMN" else _gap(character)
        for character in text
    )
    return " ".join(_LONE_APOSTROPHE.sub(" ", kept).split())


def _gap(character: str) -> str:
    """Nothing for what cannot be seen (joiners, soft hyphens), a space for all else."""
    return "" if unicodedata.category(character) == "Cf" else " "


# --- English -----------------------------------------------------------------------------------------------

_FILLERS = frozenset(("uh", "uhh", "um", "umm", "uhm", "erm", "hm", "hmm", "mm", "mmm", "mhm"))

_WHOLE_CONTRACTIONS = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "ain't": "is not",
    "let's": "let us",
    "y'all": "you all",
    "ma'am": "madam",
    "o'er": "over",
    "e'er": "ever",
    "ne'er": "never",
    "'em": "them",
    "'cause": "because",
    "'til": "until",
    "till": "until",
    "'tis": "it is",
    "'twas": "it was",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
    "okay": "ok",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "jr": "junior",
    "sr": "senior",
    "vs": "versus",
    "etc": "et cetera",
}

_ENDINGS = (
    (re.compile(r"n't$"), " not"),
    (re.compile(r"'re$"), " are"),
    (re.compile(r"'ve$"), " have"),
    (re.compile(r"'ll$"), " will"),
    (re.compile(r"'d$"), " would"),
    (re.compile(r"'m$"), " am"),
)
# After these "'s" is "is" (or "has"); after a name it is a genitive and stays.
_IS = re.compile(
    r"^(it|he|she|that|this|what|who|where|when|how|why|there|here|everything|nothing|something)'s$"
)

_SYMBOLS = {
    "&": " and ",
    "+": " plus ",
    "=": " equals ",
    "@": " at ",
    "°": " degrees ",
    "#": " number ",
    "%": " percent ",
}
_SYMBOL = re.compile("[&+=@°#%]")
_DOTTED = re.compile(r"\b(?:[a-z]\.){2,}(?![a-z])")  # "p.m.", "u.s."
_STREET = re.compile(r"\bst\b\.?+(?=\s*(?:$|[,;:!?]))")  # "Baker St." before a pause; else "St. Paul"
_NUMBER_SIGN = re.compile(r"\bno\.\s*(?=[0-9])")
_PER_CENT = re.compile(r"\bper cent\b")


def normalise_english(text: str) -> str:
    """One of the many ways to write the same English words; see the module's first lines.

    Adjacent numbers are written as one ("nineteen eighty four", "19 84", "1984"; "three thirty", "3:30"), for
    speech does not tell them apart. Applying it twice changes nothing more for text that people write.
    """
    text = _prepared(text)
    text = _DOTTED.sub(lambda match: match[0].replace(".", ""), text)
    text = _STREET.sub("street", text)
    text = _NUMBER_SIGN.sub("number ", text)
    text = re.sub(r"\bst\b\.?", "saint", text)
    text = digits_of_numbers(_PER_CENT.sub("percent", _spoken_symbols(text)))
    words: list[str] = []
    for word in _without_punctuation(text, keep="'.").split():
        words += _plain_words(word)
    text = " ".join(american(word) for word in words if word not in _FILLERS)
    return " ".join(digits_of_numbers(text).split())


def _spoken_symbols(text: str) -> str:
    return _SYMBOL.sub(lambda match: _SYMBOLS[match[0]], text)


def _plain_words(word: str) -> list[str]:
    """A word in full: contractions and titles undone, points kept only within numbers."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+", word):
        parts = word.replace(".", " ").split()
        if parts != [word]:
            return [plain for part in parts for plain in _plain_words(part)]
    if word in _WHOLE_CONTRACTIONS:
        return _WHOLE_CONTRACTIONS[word].split()
    if match := _IS.fullmatch(word):
        return [match[1], "is"]
    for pattern, full in _ENDINGS:
        if pattern.search(word) and word[0] != "'":
            return pattern.sub(full, word).split()
    return [word.strip("'")] if word.strip("'") else []
