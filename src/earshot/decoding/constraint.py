"""Which tokens of an engine may follow, so that the text stays a beginning of a sentence of the grammar.

An engine's tokens are spelled in many ways: capitals, commas, hyphens, a word in one piece or in four. All are
brought to the spelling of the automaton; a mark (comma, apostrophe, full stop) spells nothing and may stand
behind any letter, but never behind another mark. The tokens that may follow are found by walking the trie of
all spellings and the automaton side by side, once for each state that a recognition reaches.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from earshot.decoding.automaton import DEAD, Automaton
from earshot.decoding.network import folded

TokenIds = npt.NDArray[np.int64]

_MARK = "\1"
_MARKS = frozenset(".,!?;:…'’\"")
_SPACES = frozenset(" ▁-–—|")


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    tokens: list[int] = field(default_factory=list)


class Vocabulary:
    """The tokens of one engine, by how they are spelled.

    pieces: what each token writes, ``▁`` or a space or ``|`` for a space; "" for tokens that write nothing
    (end, blank, control) and may not be used.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self.size = len(pieces)
        self.spellings = [spelling(piece) for piece in pieces]
        self.root = _Node()
        for token, spelled in enumerate(self.spellings):
            if spelled:
                _insert(self.root, spelled, token)

    def tokens_from(self, characters: Iterable[str]) -> TokenIds:
        """All tokens whose spelling begins with one of the characters; "letter" stands for any letter."""
        wanted = set(characters)
        return np.array(
            [t for t, spelled in enumerate(self.spellings) if spelled and _kind(spelled[0]) in wanted], np.int64
        )


class TokenConstraint:
    """An automaton seen from an engine's tokens. Safe to use from several threads.

    A state is a number; each knows the automaton's state and whether a mark has just been written.
    """

    def __init__(self, automaton: Automaton, vocabulary: Vocabulary) -> None:
        self._automaton = automaton
        self._vocabulary = vocabulary
        self._options: dict[int, TokenIds] = {}
        self._targets: dict[tuple[int, int], int] = {}
        self._open: dict[tuple[str, ...], TokenIds] = {}
        self._lock = threading.Lock()
        self.start = automaton.start * 2

    def options(self, state: int) -> TokenIds:
        """The tokens that may come next. In wildcards some of them lead nowhere: ask ``advance``."""
        known = self._options.get(state)
        if known is None:
            known = self._options[state] = self._found(state)
        return known

    def advance(self, state: int, token: int) -> int:
        """The state behind a token, or DEAD."""
        key = (state, token)
        known = self._targets.get(key)
        if known is None:
            known = self._targets[key] = self._spelled(state, self._vocabulary.spellings[token])
        return known

    def is_accepting(self, state: int) -> bool:
        """Whether a sentence may end here."""
        return self._automaton.is_accepting(state // 2)

    def spelled(self, tokens: Iterable[int]) -> str:
        """The text of tokens as the automaton reads it: without marks."""
        return "".join(self._vocabulary.spellings[token] for token in tokens).replace(_MARK, "")

    def _spelled(self, state: int, text: str) -> int:
        if not text:
            return DEAD
        for character in text:
            state = self._character(state, character)
            if state == DEAD:
                return DEAD
        return state

    def _character(self, state: int, character: str) -> int:
        inner, is_marked = divmod(state, 2)
        if character == _MARK:
            return DEAD if is_marked or not self._automaton.is_behind_letter(inner) else state + 1
        target = self._automaton.step(inner, character)
        return DEAD if target == DEAD else target * 2

    def _found(self, state: int) -> TokenIds:
        inner, is_marked = divmod(state, 2)
        if self._automaton.is_open(inner):
            kinds = ["letter"]
            kinds += [" "] if " " in self._automaton.letters(inner) else []
            kinds += [_MARK] if not is_marked and self._automaton.is_behind_letter(inner) else []
            return self._open_tokens(tuple(kinds))
        found: list[int] = []
        waiting = [(self._vocabulary.root, state)]
        while waiting:
            node, at = waiting.pop()
            for token in node.tokens:
                self._targets[state, token] = at
                found.append(token)
            if len(node.children) > _FEW:
                letters = [*self._automaton.letters(at // 2), _MARK]
                pairs = [(letter, node.children[letter]) for letter in letters if letter in node.children]
                if self._automaton.is_open(at // 2):
                    pairs = list(node.children.items())
            else:
                pairs = list(node.children.items())
            for character, child in pairs:
                target = self._character(at, character)
                if target != DEAD:
                    waiting.append((child, target))
        return np.array(sorted(found), np.int64)

    def _open_tokens(self, kinds: tuple[str, ...]) -> TokenIds:
        with self._lock:
            if kinds not in self._open:
                self._open[kinds] = self._vocabulary.tokens_from(kinds)
            return self._open[kinds]


_FEW = 4
"""Children of a node that are tried one by one, without asking the automaton what it would take."""


def spelling(piece: str) -> str:
    """How a token is spelled for the automaton; "" for what no sentence holds (brackets, two spaces, …)."""
    written: list[str] = []
    for character in unicodedata.normalize("NFC", piece):
        if character in _SPACES:
            written.append(" ")
        elif character in _MARKS:
            written.append(_MARK)
        else:
            plain = folded(character)
            if not plain.strip():
                return ""
            written.append(plain)
    text = "".join(written)
    return "" if "  " in text or _MARK * 2 in text or f" {_MARK}" in text else text


def _kind(character: str) -> str:
    return character if character in (" ", _MARK) else "letter"


def _insert(root: _Node, spelled: str, token: int) -> None:
    node = root
    for character in spelled:
        node = node.children.setdefault(character, _Node())
    node.tokens.append(token)
