"""The way through a network that a text takes: which sentence it is, and what stands for what in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from earshot.decoding.automaton import (
    AFTER_SPACE,
    BEFORE_SPACE,
    INSIDE,
    Configuration,
    silent_steps,
)
from earshot.decoding.network import ANY, Network

_SKIPPED = 0.01
"""What a character of a word without meaning costs; one of a wildcard costs 1, one of the grammar nothing."""

_Trail: TypeAlias = "tuple[object, int, _Trail] | None"


@dataclass(frozen=True, slots=True)
class Parse:
    """marks: those passed, each with the number of characters before it. cost: characters left to wildcards."""

    marks: tuple[tuple[object, int], ...]
    cost: float


def parse(
    network: Network, text: str, *, is_allowed: Callable[[object], bool] = lambda _: True
) -> Parse | None:
    """The cheapest way, of equally cheap ones the one that was built first; None when no sentence is that text.

    text: as ``network.spoken`` gives it. is_allowed: whether a mark may be passed.
    """
    front: dict[Configuration, tuple[float, _Trail]] = {(network.start, None, BEFORE_SPACE): (0.0, None)}
    front = _settled(network, front, 0, is_allowed)
    for position, character in enumerate(text, start=1):
        front = _settled(network, _consumed(network, front, character), position, is_allowed)
        if not front:
            return None
    ends = [front.get((network.final, None, mode)) for mode in (INSIDE, BEFORE_SPACE)]
    reached = [end for end in ends if end is not None]
    if not reached:
        return None
    cost, trail = min(reached, key=lambda end: end[0])
    marks: list[tuple[object, int]] = []
    while trail is not None:
        mark, position, trail = trail
        marks.append((mark, position))
    return Parse(tuple(reversed(marks)), cost)


def _consumed(
    network: Network, front: dict[Configuration, tuple[float, _Trail]], character: str
) -> dict[Configuration, tuple[float, _Trail]]:
    reached: dict[Configuration, tuple[float, _Trail]] = {}
    for (state, stack, mode), (cost, trail) in front.items():
        if character == " ":
            if mode == BEFORE_SPACE:
                _offer(reached, (state, stack, AFTER_SPACE), cost, trail)
                if network.skip_entry is not None:
                    skipping = (network.skip_entry, (state, None, stack), AFTER_SPACE)
                    _offer(reached, skipping, cost + _SKIPPED, trail)
        elif mode != BEFORE_SPACE:
            for letter, target in network.letters[state]:
                if letter == character:
                    _offer(reached, (target, stack, INSIDE), cost, trail)
                elif letter == ANY:
                    _offer(reached, (target, stack, INSIDE), cost + 1, trail)
    return reached


def _settled(
    network: Network,
    front: dict[Configuration, tuple[float, _Trail]],
    position: int,
    is_allowed: Callable[[object], bool],
) -> dict[Configuration, tuple[float, _Trail]]:
    """With all that is reached without a character. Such steps cost nothing, so the first come is the best."""
    settled = dict(sorted(front.items(), key=lambda item: item[1][0]))
    waiting = list(reversed(settled))
    while waiting:
        configuration = waiting.pop()
        cost, trail = settled[configuration]
        for reached, mark in reversed(silent_steps(network, configuration)):
            if mark is not None and not is_allowed(mark):
                continue
            if _offer(settled, reached, cost, trail if mark is None else (mark, position, trail)):
                waiting.append(reached)
    return settled


def _offer(
    front: dict[Configuration, tuple[float, _Trail]], configuration: Configuration, cost: float, trail: _Trail
) -> bool:
    known = front.get(configuration)
    if known is not None and known[0] <= cost:
        return False
    front[configuration] = (cost, trail)
    return True
