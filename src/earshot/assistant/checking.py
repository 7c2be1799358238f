"""Whether a grammar does what its author thinks: examples, and sentences with two meanings.

An example is a sentence with the intent and slots that it must be understood as, written below ``tests:``. A
template without one is a template that nobody has tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from earshot.assistant.conflicts import find_conflict
from earshot.assistant.grammar import Grammar
from earshot.assistant.grammar_files import Example
from earshot.assistant.names import Names, Template
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


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    failures: a line for each example that is understood otherwise, and for a sentence with two meanings.
    untested: the templates without an example. num_sentences: how many may be said, None with wildcards.
    """

    failures: Sequence[str]
    untested: Sequence[Template]
    num_templates: int
    num_examples: int
    num_sentences: int | None

    @property
    def is_good(self) -> bool:
        """Whether every example is understood and no sentence has two meanings."""
        return not self.failures


def check(grammar: Grammar) -> Report:
    """Try all examples, and search all templates for sentences with two meanings."""
    failures = []
    tested: set[int] = set()
    for example in grammar.examples:
        failure, template = _tried(grammar, example)
        if failure:
            failures.append(failure)
        if template is not None:
            tested.add(template.number)
    if found := find_conflict(grammar.network, grammar.templates):
        failures.append(str(found.error()))
    untested = [template for template in grammar.templates if template.number not in tested]
    counts = [_count(template.expression, template, grammar) for template in grammar.templates]
    total = None if None in counts else sum(count for count in counts if count is not None)
    return Report(failures, untested, len(grammar.templates), len(grammar.examples), total)


def assert_examples(grammar: Grammar) -> None:
    """For tests: every template has an example, and every example is understood.

    Raises AssertionError that lists what is wrong, with file and line.
    """
    report = check(grammar)
    lines = list(report.failures)
    lines += [
        f"{template.place}: {template.written.text!r} has no example below tests:"
        for template in report.untested
    ]
    if lines:
        raise AssertionError("\n".join(lines))


def _tried(grammar: Grammar, example: Example) -> tuple[str | None, Template | None]:
    """What is wrong with an example, and the template that takes it."""
    said = example.said
    match = grammar.match(said.text)
    if match is None:
        return (None if example.intent is None else f"{said.place}: no template takes {said.text!r}"), None
    if match.intent != example.intent:
        wanted = example.intent or "nothing"
        return f"{said.place}: {said.text!r} means {match.intent} ({match.template.place}), not {wanted}", None
    if example.slots is not None and not _same(match.slots, example.slots):
        got, wanted = _shown(match.slots), _shown(example.slots)
        return f"{said.place}: {said.text!r} has the slots {got}, not {wanted}", match.template
    return None, match.template


def _same(slots: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return {key: str(value) for key, value in slots.items()} == {
        key: str(value) for key, value in wanted.items()
    }


def _shown(slots: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(slots.items())) or "none"


def _count(expression: Expression, template: Template, grammar: Grammar) -> int | None:
    """Ways through an expression; None with wildcards."""
    names: Names = grammar.names
    match expression:
        case Text():
            return 1
        case Choice(items):
            counts = [_count(item, template, grammar) for item in items]
            return None if None in counts else sum(count for count in counts if count is not None)
        case ListReference():
            found = names.slot_list(expression, template)
            if found.is_wildcard:
                return None
            if found.numbers is not None:
                return sum(1 for _ in numerals(found.numbers, grammar.language, found.place))
            total = 0
            for value in names.values(found, template):
                count = _count(parse_template(value.said), template, grammar)
                if count is None:
                    return None
                total += count
            return total
        case RuleReference(name):
            return _count(names.rule(name, template), template, grammar)
        case _:
            product = 1
            for index, item in enumerate(expression.items):
                count = _count(item, template, grammar)
                if count is None:
                    return None
                product *= count * (index + 1 if isinstance(expression, Permutation) else 1)
            return product
