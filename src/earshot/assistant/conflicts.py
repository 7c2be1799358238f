"""Sentences with two meanings: one text that two templates claim for different intents.

All templates are followed side by side, letter by letter, from the start; a way is left as soon as only
templates of one meaning are on it, which is mostly within the first word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from earshot.assistant.grammar_files import error
from earshot.assistant.names import Template
from earshot.core.errors import GrammarError
from earshot.decoding.automaton import AFTER_SPACE, BEFORE_SPACE, INSIDE, Configuration, silent_steps
from earshot.decoding.network import ANY, Network

_Tagged: TypeAlias = tuple[int, Configuration]


@dataclass(frozen=True, slots=True)
class Conflict:
    """text: a sentence that both templates take; ``…`` stands for the words of a wildcard."""

    text: str
    first: Template
    second: Template

    def error(self) -> GrammarError:
        """As an error that names both."""
        return error(
            self.second.place,
            f"{self.second.written.text!r} ({self.second.intent}) and {self.first.written.text!r}"
            f" ({self.first.intent}, {self.first.place}) both match {self.text!r}",
            fix="change one of the two so that every sentence means one thing",
        )


def find_conflict(
    network: Network, templates: Sequence[Template], *, max_steps: int | None = None
) -> Conflict | None:
    """The first sentence that is found to have two meanings; None when there is none, or after max_steps.

    Templates that depend on a context are left out: which one is meant, the context tells.
    """
    meanings = {template.number: _meaning(template) for template in templates}
    starts = {
        target: template for (target, _), template in zip(network.jumps[network.start], templates, strict=True)
    }
    front: frozenset[_Tagged] = frozenset(
        (template.number, (target, None, BEFORE_SPACE))
        for target, template in starts.items()
        if not (template.block.requires_context or template.block.excludes_context)
    )
    seen: set[frozenset[_Tagged]] = {front}
    waiting: list[tuple[frozenset[_Tagged], str]] = [(front, "")]
    num_steps = 0
    while waiting and (max_steps is None or num_steps < max_steps):
        front, text = waiting.pop()
        num_steps += 1
        arcs, accepted = _expanded(network, front)
        first = min(accepted, default=None)
        for other in sorted(accepted):
            if first is not None and meanings[other] != meanings[first]:
                shown = text.replace(ANY, "…").strip()
                return Conflict(shown, templates[first], templates[other])
        for letter, targets in arcs.items():
            following = frozenset(targets)
            if following not in seen and len({meanings[number] for number, _ in following}) > 1:
                seen.add(following)
                waiting.append((following, text if letter == ANY and text.endswith(ANY) else text + letter))
    return None


def _meaning(template: Template) -> tuple[object, ...]:
    return (template.intent, *sorted((key, repr(value)) for key, value in template.block.slots.items()))


def _expanded(network: Network, front: frozenset[_Tagged]) -> tuple[dict[str, set[_Tagged]], set[int]]:
    """What each character leads to, and the templates that end here."""
    arcs: dict[str, set[_Tagged]] = {}
    accepted: set[int] = set()
    seen = set(front)
    waiting = list(front)
    while waiting:
        tagged = waiting.pop()
        number, configuration = tagged
        state, stack, mode = configuration
        if state == network.final and mode != AFTER_SPACE:
            accepted.add(number)
        if mode == BEFORE_SPACE:
            if network.letters[state]:
                arcs.setdefault(" ", set()).add((number, (state, stack, AFTER_SPACE)))
        else:
            for letter, target in network.letters[state]:
                arcs.setdefault(letter, set()).add((number, (target, stack, INSIDE)))
        for reached, _ in silent_steps(network, configuration):
            if (number, reached) not in seen:
                seen.add((number, reached))
                waiting.append((number, reached))
    return arcs, accepted
