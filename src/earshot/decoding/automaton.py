"""A network as a deterministic automaton, made as it is used: states appear when a text first reaches them.

Subset construction (Rabin and Scott 1959) over configurations: where in the network, with which calls open,
and what the spelling needs next. Every state and step is kept, so the second sentence costs look-ups only.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TypeAlias

from earshot.decoding.network import ANY, Network

INSIDE, BEFORE_SPACE, AFTER_SPACE = 0, 1, 2
"""What comes next: a letter of the same word, or a space, or the first letter of a word."""

Stack: TypeAlias = "tuple[int, object, Stack] | None"
"""Where calls return to, and the mark of it: the innermost first."""

Configuration: TypeAlias = tuple[int, Stack, int]

DEAD = -1


@dataclass(slots=True)
class _State:
    arcs: dict[str, list[Configuration]]
    is_accepting: bool
    is_behind_letter: bool
    targets: dict[str, int] = field(default_factory=dict)


class Automaton:
    """Which characters may follow a text that has begun. Safe to use from several threads.

    A state is a number; ``DEAD`` is the state of texts that no sentence begins with.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._states: list[_State] = []
        self._numbers: dict[frozenset[Configuration], int] = {}
        self._lock = threading.RLock()
        self.start = self._number(frozenset({(network.start, None, BEFORE_SPACE)}))

    def __len__(self) -> int:
        """States made so far."""
        return len(self._states)

    def step(self, state: int, character: str) -> int:
        """The state after one more character, or DEAD."""
        if state == DEAD:
            return DEAD
        known = self._states[state].targets.get(character)
        return known if known is not None else self._step(state, character)

    def walk(self, state: int, text: str) -> int:
        """The state after more characters, or DEAD."""
        for character in text:
            state = self.step(state, character)
            if state == DEAD:
                break
        return state

    def is_accepting(self, state: int) -> bool:
        """Whether a sentence may end here."""
        return state != DEAD and self._states[state].is_accepting

    def letters(self, state: int) -> frozenset[str]:
        """The characters that may follow; ``ANY`` among them inside a wildcard."""
        return frozenset(self._states[state].arcs)

    def is_behind_letter(self, state: int) -> bool:
        """Whether the text so far ends in a letter: neither empty nor in a space."""
        return state not in (DEAD, self.start) and self._states[state].is_behind_letter

    def is_open(self, state: int) -> bool:
        """Whether a wildcard takes whatever letter comes."""
        return state != DEAD and ANY in self._states[state].arcs

    def _step(self, state: int, character: str) -> int:
        with self._lock:
            here = self._states[state]
            reached = here.arcs.get(character, [])
            if character != " " and ANY in here.arcs:
                reached = reached + here.arcs[ANY]
            target = self._number(frozenset(reached)) if reached else DEAD
            here.targets[character] = target
            return target

    def _number(self, configurations: frozenset[Configuration]) -> int:
        known = self._numbers.get(configurations)
        if known is None:
            self._states.append(_expanded(self.network, configurations))
            known = self._numbers[configurations] = len(self._states) - 1
        return known


def _expanded(network: Network, configurations: frozenset[Configuration]) -> _State:
    """All that can be reached without a character, and what each character leads to."""
    arcs: dict[str, list[Configuration]] = {}
    is_accepting = False
    seen = set(configurations)
    waiting = list(configurations)
    while waiting:
        configuration = waiting.pop()
        state, stack, mode = configuration
        is_accepting |= state == network.final and mode != AFTER_SPACE
        if mode == BEFORE_SPACE:
            if network.letters[state]:
                arcs.setdefault(" ", []).append((state, stack, AFTER_SPACE))
            if network.skip_entry is not None and _may_skip(network, state):
                skipping = (network.skip_entry, (state, None, stack), AFTER_SPACE)
                arcs.setdefault(" ", []).append(skipping)
        else:
            for letter, target in network.letters[state]:
                arcs.setdefault(letter, []).append((target, stack, INSIDE))
        for reached, _ in silent_steps(network, configuration):
            if reached not in seen:
                seen.add(reached)
                waiting.append(reached)
    return _State(arcs, is_accepting, all(mode != AFTER_SPACE for _, _, mode in configurations))


def silent_steps(network: Network, configuration: Configuration) -> list[tuple[Configuration, object]]:
    """Where a configuration leads without a character, with the mark that is passed on the way."""
    state, stack, mode = configuration
    steps: list[tuple[Configuration, object]] = [
        ((target, stack, mode), mark) for target, mark in network.jumps[state]
    ]
    needed = BEFORE_SPACE if mode == INSIDE else mode
    steps += [((target, stack, needed), None) for target in network.gaps[state]]
    steps += [
        ((entry, (target, end, stack), mode), begin) for entry, target, begin, end in network.calls[state]
    ]
    if network.is_exit[state] and stack is not None:
        target, end, outer = stack
        steps.append(((target, outer, mode), end))
    return steps


def _may_skip(network: Network, state: int) -> bool:
    """Words without meaning stand where a word or the end of the sentence would."""
    return bool(network.letters[state]) or state == network.final
