"""What may be said, as a network of characters with sub-networks: small, quick to build, never written out.

A grammar of millions of sentences has thousands of states, because a list or a rule is built once and *called*
from wherever it is named (a recursive transition network; Woods 1970, "Transition network grammars for natural
language analysis", CACM 13). Calls never nest in themselves, so the stack is bounded and all stays regular.

Spaces are not characters of the network. ``gap`` says that a word ends here; however many gaps meet, and
whether something optional stood between them, the text has one space there, and one in front of its first
word: ``" turn on the light"``.
"""

from __future__ import annotations

from collections.abc import Iterable

ANY = "\0"
"""The arc of wildcards: one character that is no space."""

_JOINERS = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_SYMBOLS = frozenset("%°$€£")
_APOSTROPHES = frozenset("'’‘ʼ`´ʹ′")


class Network:
    """States are numbers; arcs are added by whoever builds it. ``marks`` on arcs tell a parser what it passed.

    start: where sentences begin. final: where they end.
    """

    def __init__(self) -> None:
        self.letters: list[list[tuple[str, int]]] = []
        self.jumps: list[list[tuple[int, object]]] = []
        self.gaps: list[list[int]] = []
        self.calls: list[list[tuple[int, int, object, object]]] = []
        self.is_exit: list[bool] = []
        self.skip_entry: int | None = None
        self.start = self.state()
        self.final = self.state()

    def state(self) -> int:
        """A new state without arcs."""
        self.letters.append([])
        self.jumps.append([])
        self.gaps.append([])
        self.calls.append([])
        self.is_exit.append(False)
        return len(self.letters) - 1

    def exit_state(self) -> int:
        """A new state that ends a sub-network."""
        state = self.state()
        self.is_exit[state] = True
        return state

    def jump(self, source: int, target: int, mark: object = None) -> None:
        """An arc that costs no character."""
        self.jumps[source].append((target, mark))

    def gap(self, source: int, target: int) -> None:
        """A word ends between the two."""
        self.gaps[source].append(target)

    def call(self, source: int, entry: int, target: int, begin: object = None, end: object = None) -> None:
        """Through the sub-network that begins at ``entry`` and on at ``target``; marks before and after it."""
        self.calls[source].append((entry, target, begin, end))

    def spell(self, source: int, text: str, *, is_shared: bool = False) -> int:
        """Arcs for a text; returns the state behind it. is_shared: along arcs that are there, as in a trie.

        Only what nothing else leaves or enters may be shared.
        """
        at = source
        for character in folded(text):
            if character == " ":
                if is_shared and self.gaps[at]:
                    at = self.gaps[at][0]
                    continue
                behind = self.state()
                self.gap(at, behind)
            else:
                known = (target for letter, target in self.letters[at] if letter == character)
                if is_shared and (target := next(known, None)) is not None:
                    at = target
                    continue
                behind = self.state()
                self.letters[at].append((character, behind))
            at = behind
        return at

    def wildcard(self, source: int, target: int) -> None:
        """One or more words of any letters."""
        inside, between = self.state(), self.state()
        self.letters[source].append((ANY, inside))
        self.letters[inside].append((ANY, inside))
        self.gap(inside, between)
        self.letters[between].append((ANY, inside))
        self.jump(inside, target)

    def skip(self, words: Iterable[str]) -> None:
        """Words that may stand between any others, and mean nothing."""
        entry, done = self.state(), self.exit_state()
        for word in words:
            if spoken(word):
                self.gap(self.spell(entry, spoken(word).strip(), is_shared=True), done)
                self.skip_entry = entry


def folded(text: str) -> str:
    """Lower case, letters and digits (with their combining marks) and few symbols; all else is a space.

    Apostrophes and what cannot be seen vanish ("what's" is "whats"), ё is е. Spaces are kept as they come, so
    that pieces of words stay pieces.
    """
    import unicodedata

    kept: list[str] = []
    composed = text if text.isascii() else unicodedata.normalize("NFKC", text)
    for character in composed.lower().replace("ё", "е"):
        if character.isalnum() or character in _SYMBOLS:
            kept.append(character)
        elif character in _APOSTROPHES or character in _JOINERS:
            continue
        elif unicodedata.category(character)[0] == "M":
            kept.append(character)
        else:
            kept.append(" ")
    return "".join(kept)


def spoken(text: str) -> str:
    """A sentence as the network spells it: a space before each word. Empty when there is none."""
    return "".join(f" {word}" for word in folded(text).split())
