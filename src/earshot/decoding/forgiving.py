"""The sentence of a grammar that a misheard text was most likely meant to be.

A search for the least weighted edit distance between the text and all sentences at once: the automaton is
walked along the text, and letters that sound alike cost less than others.
"""

from __future__ import annotations

from dataclasses import dataclass

from earshot.decoding.automaton import DEAD, Automaton
from earshot.decoding.network import ANY

_ALIKE = (
    "aeiouyw",
    "ckqgx",
    "szcx",
    "dtθ",
    "bpv",
    "fv",
    "mn",
    "gj",
    "lr",
    "аоуыэяюеи",
    "бп",
    "вф",
    "гкх",
    "дт",
    "жшщч",
    "зсц",
    "мн",
    "ийь",
    "лр",
    "äaeáàâ",
    "öoeóòô",
    "üueúùû",
    "ñn",
    "ßs",
    "çcs",
    "éèêëe",
    "íìîïi",
)
_WEAK = frozenset("hwyъь")
_VOWELS = frozenset("aeiouyаеиоуыэюяäöü")

ALIKE, OTHER = 0.45, 1.0
WEAK, VOWEL, GAP, DOUBLE = 0.4, 0.7, 0.4, 0.25
_WILDCARD = 0.15
"""A character that a wildcard takes; so that a sentence with words of its own is nearer."""

_MAX_FRONT = 400


def _alike_pairs() -> frozenset[tuple[str, str]]:
    return frozenset((a, b) for group in _ALIKE for a in group for b in group if a != b)


_PAIRS = _alike_pairs()


@dataclass(frozen=True, slots=True)
class Nearest:
    """A sentence of the grammar. distance: weighted edits between it and what was heard."""

    text: str
    distance: float


def nearest_sentence(automaton: Automaton, text: str, *, max_distance: float) -> Nearest | None:
    """The sentence that is nearest to ``text``, both as ``network.spoken`` gives them; None beyond the limit.

    Of the states that are reached at one letter of the text, the 400 nearest are followed.
    """
    front: dict[int, tuple[float, str]] = {automaton.start: (0.0, "")}
    previous = ""
    front = _with_insertions(automaton, front, max_distance)
    for character in text:
        reached: dict[int, tuple[float, str]] = {}
        dropped = _cost_of_extra(character, previous)
        for state, (cost, spelled) in front.items():
            _offer(reached, state, cost + dropped, spelled, max_distance)
            for letter in automaton.letters(state):
                if letter == ANY:
                    if character == " ":
                        continue
                    target = automaton.step(state, character)
                    _offer(reached, target, cost + _WILDCARD, spelled + character, max_distance)
                else:
                    target = automaton.step(state, letter)
                    _offer(
                        reached, target, cost + substitution(letter, character), spelled + letter, max_distance
                    )
        front = _with_insertions(automaton, _nearest_states(reached), max_distance)
        previous = character
        if not front:
            return None
    ends = [(cost, spelled) for state, (cost, spelled) in front.items() if automaton.is_accepting(state)]
    if not ends:
        return None
    cost, spelled = min(ends)
    return Nearest(spelled, cost)


def substitution(wanted: str, heard: str) -> float:
    """What it costs to take one letter for another."""
    if wanted == heard:
        return 0.0
    if " " in (wanted, heard):
        return OTHER + GAP
    return ALIKE if (wanted, heard) in _PAIRS else OTHER


def _cost_of_extra(character: str, previous: str) -> float:
    if character == previous:
        return DOUBLE
    if character == " ":
        return GAP
    if character in _WEAK:
        return WEAK
    return VOWEL if character in _VOWELS else OTHER


def _with_insertions(
    automaton: Automaton, front: dict[int, tuple[float, str]], max_distance: float
) -> dict[int, tuple[float, str]]:
    """With the states behind letters of the grammar that were not heard."""
    settled = dict(front)
    waiting = list(front)
    while waiting:
        state = waiting.pop()
        cost, spelled = settled[state]
        for letter in automaton.letters(state):
            if letter == ANY:
                continue
            target = automaton.step(state, letter)
            more = cost + _cost_of_extra(letter, spelled[-1:])
            if _offer(settled, target, more, spelled + letter, max_distance):
                waiting.append(target)
    return _nearest_states(settled)


def _nearest_states(front: dict[int, tuple[float, str]]) -> dict[int, tuple[float, str]]:
    if len(front) <= _MAX_FRONT:
        return front
    return dict(sorted(front.items(), key=lambda item: item[1][0])[:_MAX_FRONT])


def _offer(
    front: dict[int, tuple[float, str]], state: int, cost: float, spelled: str, max_distance: float
) -> bool:
    if state == DEAD or cost > max_distance:
        return False
    known = front.get(state)
    if known is not None and known[0] <= cost:
        return False
    front[state] = (cost, spelled)
    return True
