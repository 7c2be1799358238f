"""How English words sound: the CMU dictionary of the pocketsphinx wheel, and rules for words outside it.

The rules are a tree learned from that dictionary by ``scripts/build_pronunciation.py``: each letter is said as
none, one or two phones, told by its neighbours and by the phones before it, one question after the other until
the dictionary had no counter-example left (an IGTree: Daelemans, van den Bosch & Weijters 1997).
"""

from __future__ import annotations

import json
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError

Phones = tuple[str, ...]
"""ARPAbet without stress, as in ("HH", "AH", "L", "OW")."""

_MAX_VARIANTS = 6
_RULES = "english_letters.bin"


class Lexicon:
    """Pronunciations of English words; any number of threads may ask.

    entries: lines of a dictionary in CMU's form, ``word PH OW N``, variants as ``word(2)``.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._entries = sorted(entries)
        self._rules: LetterToSound | None = None
        self.pronunciations = lru_cache(maxsize=20_000)(self._pronunciations)
        """``pronunciations(word)``: all that the dictionary knows, else one by the rules.

        word: lower case, letters and apostrophes (``a.`` is the letter's name). Never empty for a word with
        a letter in it.
        """

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """Read a dictionary file. Raises ModelError where it is absent or no text."""
        try:
            return cls(path.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeError) as error:
            raise ModelError(
                f"cannot read the pronunciation dictionary {path}: {error}", fix="reinstall pocketsphinx"
            ) from error

    def __contains__(self, word: str) -> bool:
        """Whether the dictionary itself has the word."""
        return self._entry(word) is not None

    def phones(self) -> set[str]:
        """All phones that occur in the dictionary."""
        return {phone for entry in self._entries for phone in entry.split()[1:]}

    def _entry(self, word: str) -> Phones | None:
        key = f"{word} "
        at = bisect_left(self._entries, key)
        if at < len(self._entries) and self._entries[at].startswith(key):
            return tuple(self._entries[at].split()[1:])
        return None

    def _known(self, word: str) -> list[Phones]:
        found: list[Phones] = []
        while len(found) < _MAX_VARIANTS:
            phones = self._entry(f"{word}({len(found) + 1})" if found else word)
            if phones is None:
                break
            found.append(phones)
        return found

    def _pronunciations(self, word: str) -> tuple[Phones, ...]:
        known = self._known(word) or self._known(word.strip("'"))
        if known:
            return tuple(known)
        base = word.removesuffix("s").removesuffix("'")
        if base and word.endswith(("'s", "s'")):
            return tuple(dict.fromkeys((*said, *_plural_ending(said)) for said in self._pronunciations(base)))
        if self._rules is None:
            self._rules = LetterToSound.load()
        said = self._rules.say(word)
        return (said,) if said else (("AH",),)


def _plural_ending(phones: Phones) -> Phones:
    """How an 's sounds after these phones."""
    last = phones[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return ("IH", "Z")
    return ("S",) if last in {"P", "T", "K", "F", "TH"} else ("Z",)


class LetterToSound:
    """The learned rules. A tree in breadth-first order, so the children of a node stand side by side.

    questions: what each level asks: the letter at an offset, or with ``p`` the phone said that many before.
    symbols: the answer that leads to each node; says: the index of what the letter then sounds like;
    num_children: of each node.
    """

    def __init__(
        self,
        questions: Sequence[str],
        alphabet: Sequence[str],
        sounds: Sequence[str],
        symbols: bytes,
        says: bytes,
        num_children: npt.NDArray[np.uint8],
    ) -> None:
        self._questions = tuple(questions)
        self._codes = {symbol: code for code, symbol in enumerate(alphabet)}
        self._sounds = [tuple(sound.split()) for sound in sounds]
        self._symbols = symbols
        self._says = says
        self._first_child = np.concatenate([[1], 1 + np.cumsum(num_children, dtype=np.int64)])

    @classmethod
    def load(cls) -> LetterToSound:
        """The rules that come with the package."""
        return cls.decode((files("earshot.engines") / _RULES).read_bytes())

    @classmethod
    def decode(cls, packed: bytes) -> LetterToSound:
        """The inverse of what the build script writes: a line of JSON, then three bytes a node, compressed."""
        header, _, nodes = zlib.decompress(packed).partition(b"\n")
        names = json.loads(header)
        count = len(nodes) // 3
        num_children = np.frombuffer(nodes, np.uint8, count, 2 * count)
        return cls(
            names["questions"],
            names["alphabet"],
            names["sounds"],
            nodes[:count],
            nodes[count : 2 * count],
            num_children,
        )

    def say(self, word: str) -> Phones:
        """The phones of a word in lower case; letters beyond a–z and the apostrophe are silent."""
        spelling = "".join(c for c in word if c in self._codes and c != "_")
        said: list[str] = []
        for position in range(len(spelling)):
            said += self._sounds[self._says[self._node(spelling, position, said)]]
        return tuple(said)

    def _node(self, spelling: str, position: int, said: Sequence[str]) -> int:
        node = 0
        for question in self._questions:
            code = self._codes.get(answer(question, spelling, position, said), 255)
            first, last = int(self._first_child[node]), int(self._first_child[node + 1])
            found = self._symbols.find(bytes([code]), first, last)
            if found < 0:
                break
            node = found
        return node


def answer(question: str, spelling: str, position: int, said: Sequence[str]) -> str:
    """What the tree is told: a letter near ``position``, or a phone said before; ``_`` beyond the ends."""
    if question.startswith("p"):
        before = int(question[1:])
        return said[-before] if len(said) >= before else "_"
    at = position + int(question)
    return spelling[at] if 0 <= at < len(spelling) else "_"
