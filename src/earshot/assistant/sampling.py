"""Sentences of a grammar: at random for language models, and few that hold everything for people to record."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earshot.assistant.grammar import Grammar
from earshot.assistant.names import Template
from earshot.assistant.numerals import numerals
from earshot.assistant.templates import (
    Choice,
    Expression,
    ListReference,
    Permutation,
    RuleReference,
    Text,
    parse_template,
)

_MAX_PROMPTS = 20_000
_FEW_ORDERED = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """A sentence, and the template that it came from."""

    text: str
    template: Template


def sample(
    grammar: Grammar, count: int, *, seed: int = 0, wildcards: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Sample]:
    """Random sentences: templates in turn, everything in them with equal chances; the same for the same seed.

    wildcards: what may stand in slots that take any words; else the slot's own name stands there.
    """
    writer = _Writer(grammar, np.random.default_rng(seed), wildcards or {}, is_fair=False)
    for index in range(count):
        template = grammar.templates[index % len(grammar.templates)]
        yield Sample(writer.sentence(template), template)


def prompts(grammar: Grammar, *, wildcards: Mapping[str, Sequence[str]] | None = None) -> Iterator[Sample]:
    """Sentences to record: each template, each of its alternatives and each value of a list at least once.

    Of numbers, a few of each range.
    """
    writer = _Writer(grammar, np.random.default_rng(0), wildcards or {}, is_fair=True)
    seen: set[str] = set()
    for template in grammar.templates:
        while len(seen) < _MAX_PROMPTS:
            num_used = len(writer.used)
            text = writer.sentence(template)
            if len(writer.used) == num_used and text:
                break
            if text not in seen:
                seen.add(text)
                yield Sample(text, template)


class _Writer:
    """Writes one way through a template. used: how often each alternative was taken.

    is_fair: takes what was taken least.
    """

    def __init__(
        self,
        grammar: Grammar,
        chance: np.random.Generator,
        wildcards: Mapping[str, Sequence[str]],
        *,
        is_fair: bool,
    ) -> None:
        self._grammar = grammar
        self._chance = chance
        self._wildcards = wildcards
        self._is_fair = is_fair
        self._numbers: dict[object, list[str]] = {}
        self.used: Counter[tuple[object, ...]] = Counter()

    def sentence(self, template: Template) -> str:
        """The words, single spaces between them."""
        self._choose(("template",), [template.number])
        return " ".join(self._written(template.expression, template, (template.number,)).split())

    def _choose(self, key: tuple[object, ...], options: Sequence[int]) -> int:
        if self._is_fair:
            least = min(self.used[*key, option] for option in options)
            options = [option for option in options if self.used[*key, option] == least]
        chosen = options[int(self._chance.integers(len(options)))]
        self.used[*key, chosen] += 1
        return chosen

    def _order(self, count: int, key: tuple[object, ...]) -> Sequence[int]:
        """Every order counts as an alternative while they are few, else every first part."""
        if count > _FEW_ORDERED:
            first = self._choose(key, range(count))
            return [first, *(index for index in self._chance.permutation(count).tolist() if index != first)]
        orders = list(itertools.permutations(range(count)))
        return orders[self._choose(key, range(len(orders)))]

    def _one_of(self, texts: Sequence[str]) -> str:
        return texts[int(self._chance.integers(len(texts)))]

    def _written(self, expression: Expression, template: Template, key: tuple[object, ...]) -> str:
        """key: where in the grammar the expression is."""
        match expression:
            case Text(text):
                return text
            case Choice(items):
                chosen = self._choose(key, range(len(items)))
                return self._written(items[chosen], template, (*key, chosen))
            case Permutation(items):
                order = self._order(len(items), key)
                parts = (self._written(items[index], template, (*key, index)) for index in order)
                return f" {' '.join(parts)} "
            case ListReference():
                return self._value(expression, template)
            case RuleReference(name):
                written = self._grammar.names.written_rule(name, template)
                rule = self._grammar.names.rule(name, template)
                return self._written(rule, template, ("rule", name, written.place))
            case _:
                parts = (
                    self._written(item, template, (*key, index)) for index, item in enumerate(expression.items)
                )
                return "".join(parts)

    def _value(self, reference: ListReference, template: Template) -> str:
        found = self._grammar.names.slot_list(reference, template)
        if found.numbers is not None:
            if found.numbers not in self._numbers:
                spoken = [one.said for one in numerals(found.numbers, self._grammar.language, found.place)]
                words = [text for text in spoken if not text[:1].isdigit()] or spoken
                self._numbers[found.numbers] = words
            return self._one_of(self._numbers[found.numbers])
        if found.is_wildcard:
            texts = self._wildcards.get(reference.slot) or [reference.slot.replace("_", " ")]
            return self._one_of(texts)
        values = self._grammar.names.values(found, template)
        key = ("list", found.name, found.place)
        chosen = self._choose(key, range(len(values)))
        return self._written(parse_template(values[chosen].said), template, (*key, chosen))
