"""What a CTC net writes with: letters, or pieces of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from earshot.core.errors import ModelError
from earshot.decoding.ctc import WORD_START
from earshot.text.normalise import normalise

BLANK = 0
BLANK_SYMBOL = "<blk>"

AlphabetKind: TypeAlias = Literal["letters", "bpe"]


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The symbols of a net, by their place among its outputs.

    symbols: the blank first; "▁" is the space, and pieces of words begin with it where a word does. kind:
    single letters, or pieces found by byte-pair encoding. Raises ValueError when a symbol stands twice or is
    empty.
    """

    symbols: tuple[str, ...]
    kind: AlphabetKind = "letters"

    def __post_init__(self) -> None:
        if len(self.symbols) < 2 or self.symbols[0] != BLANK_SYMBOL:
            raise ValueError(f"an alphabet begins with {BLANK_SYMBOL} and has a letter besides")
        if not all(self.symbols) or len(set(self.symbols)) < len(self.symbols):
            raise ValueError("every symbol of an alphabet stands there once, and none is empty")
        if self.kind not in get_args(AlphabetKind):
            raise ValueError(f"an alphabet is of {' or '.join(get_args(AlphabetKind))}, not {self.kind!r}")

    @classmethod
    def of_letters(cls, letters: Iterable[str]) -> Alphabet:
        """Of single letters, sorted, and the space."""
        return cls((BLANK_SYMBOL, WORD_START, *sorted(set(letters) - {" ", WORD_START})))

    @classmethod
    def from_json(cls, data: object) -> Alphabet:
        """As a model's card has it. Raises ModelError."""
        symbols = data.get("symbols") if isinstance(data, Mapping) else None
        if not isinstance(symbols, list) or not all(isinstance(one, str) for one in symbols):
            raise ModelError("the card holds no alphabet", fix="export the model again")
        try:
            assert isinstance(data, Mapping)
            return cls(tuple(symbols), data.get("kind", "letters"))
        except ValueError as error:
            raise ModelError(f"the card's alphabet is broken: {error}", fix="export the model again") from None

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {"symbols": list(self.symbols), "kind": self.kind}

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def letters(self) -> frozenset[str]:
        """All letters that can be written."""
        return frozenset("".join(self.symbols[1:])) - {WORD_START}

    def foreign(self, text: str) -> Counter[str]:
        """Letters of a text, normalised, that cannot be written, and how often they occur."""
        counts = Counter(normalise(text))
        return Counter({letter: n for letter, n in counts.items() if letter not in self.letters | {" "}})

    def encode(self, text: str) -> list[int]:
        """Places of the symbols that write a text, normalised, with the fewest pieces, long ones first.

        Raises ValueError when a letter is foreign.
        """
        words = normalise(text).split()
        if foreign := self.foreign(text):
            raise ValueError(f"letters outside the alphabet: {' '.join(sorted(foreign))}")
        ids = {symbol: place for place, symbol in enumerate(self.symbols)}
        if self.kind == "letters":
            return [ids[WORD_START if letter == " " else letter] for letter in " ".join(words)]
        longest = max(map(len, self.symbols[1:]))
        return [ids[piece] for word in words for piece in _pieces(WORD_START + word, ids, longest)]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that tokens write; blanks write nothing, equal neighbours are not merged."""
        text = "".join(self.symbols[token] for token in tokens if token != BLANK)
        return " ".join(text.replace(WORD_START, " ").split())


def _pieces(word: str, ids: Mapping[str, int], longest: int) -> list[str]:
    """The fewest symbols that make up a word; among equally few those whose last ones are longest."""
    fewest = [0] + [len(word) + 1] * len(word)
    begins = [0] * (len(word) + 1)
    for end in range(1, len(word) + 1):
        for begin in range(max(0, end - longest), end):
            if word[begin:end] in ids and fewest[begin] + 1 < fewest[end]:
                fewest[end], begins[end] = fewest[begin] + 1, begin
    pieces, end = [], len(word)
    while end:
        pieces.append(word[begins[end] : end])
        end = begins[end]
    return pieces[::-1]
