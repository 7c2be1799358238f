"""From grammar files to a network: every sentence that may be said, and marks that tell what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from earshot.assistant.grammar_files import (
    GrammarSource,
    Place,
    SlotList,
    error,
)
from earshot.assistant.names import Names, Template
from earshot.assistant.numerals import in_digits, numerals
from earshot.assistant.templates import (
    Choice,
    Expression,
    ListReference,
    Permutation,
    RuleReference,
    Sequence,
    Text,
    is_plain,
    parse_template,
)
from earshot.decoding.network import Network, folded

_MAX_PERMUTED = 7


@dataclass(frozen=True, slots=True)
class SlotBegin:
    """A mark: a slot's words begin."""

    slot: str


@dataclass(frozen=True, slots=True)
class SlotEnd:
    """A mark: a slot's words end."""

    slot: str


@dataclass(frozen=True, slots=True)
class SlotValue:
    """A mark: what the slot becomes; value None: the words themselves."""

    value: object | None
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)


_Content: TypeAlias = Literal["nothing", "any words", "words"]
"""What a way through an expression consists of."""


class Compiler:
    """Builds the network of a grammar. After ``compile``: ``network`` and ``templates``.

    Raises GrammarError for lists and rules that are missing or hold themselves, for sentences of nothing, and
    for those that any words would do for.
    """

    def __init__(self, source: GrammarSource) -> None:
        self.network = Network()
        self.templates: list[Template] = []
        self._source = source
        self._entries: dict[object, int] = {}
        self._contents: dict[object, frozenset[_Content]] = {}
        self.names = Names(source)
        self._open_rules: list[str] = []

    def compile(self) -> None:
        """All templates of all blocks."""
        for block in self._source.blocks:
            for written in block.sentences:
                self._template(Template(len(self.templates), block, written, parse_template(written)))
        if self._source.skip_words:
            self.network.skip(self._source.skip_words)

    def _template(self, template: Template) -> None:
        contents = self._content(template.expression, template)
        shown = repr(template.written.text)
        if "nothing" in contents:
            raise error(
                template.place, f"{shown} is a sentence without words", fix="not all of it may be optional"
            )
        if "any words" in contents:
            raise error(
                template.place,
                f"{shown} matches everything that is said",
                fix="add words of its own that are not optional",
            )
        self.templates.append(template)
        start = self.network.state()
        self.network.jump(self.network.start, start)
        end = self._build(template.expression, start, template)
        done = self.network.state()
        self.network.jump(end, done, template)
        self.network.gap(done, self.network.final)

    # --- what a way consists of ---

    def _content(self, expression: Expression, template: Template) -> frozenset[_Content]:
        """The kinds of ways through an expression; this also finds missing lists and rules."""
        match expression:
            case Text(text):
                return frozenset({"words" if folded(text).strip() else "nothing"})
            case Choice(items):
                return frozenset().union(*(self._content(item, template) for item in items))
            case Sequence(items) | Permutation(items):
                contents: frozenset[_Content] = frozenset({"nothing"})
                for item in items:
                    following = self._content(item, template)
                    contents = frozenset(_more(a, b) for a in contents for b in following)
                return contents
            case ListReference():
                found = self.names.slot_list(expression, template, at=self._here(template))
                return frozenset({"any words" if found.is_wildcard else "words"})
            case RuleReference(name):
                key = ("content", name, self.names.scope(template))
                if key not in self._contents:
                    rule = self.names.rule(name, template, at=self._here(template))
                    self._open(name, template)
                    self._contents[key] = self._content(rule, template)
                    self._open_rules.pop()
                return self._contents[key]

    def _open(self, name: str, template: Template) -> None:
        if name in self._open_rules:
            way = " → ".join([*self._open_rules[self._open_rules.index(name) :], name])
            raise error(
                self.names.written_rule(name, template).place,
                f"the rule <{name}> contains itself: {way}",
                fix="write it without itself",
            )
        self._open_rules.append(name)

    def _here(self, template: Template) -> Place:
        """The line that is being read: of the template, or of the rule within it."""
        if not self._open_rules:
            return template.place
        return self.names.written_rule(self._open_rules[-1], template).place

    # --- the network ---

    def _build(self, expression: Expression, start: int, template: Template) -> int:
        """Arcs for an expression from a state on; returns the state behind it."""
        match expression:
            case Text(text):
                end = self.network.spell(start, text)
                if (digits := in_digits(text, self._source.language)) is not None:
                    self.network.jump(self.network.spell(start, digits), end)
                return end
            case Sequence(items):
                for item in items:
                    start = self._build(item, start, template)
                return start
            case Choice(items):
                end = self.network.state()
                for item in items:
                    self.network.jump(self._build(item, start, template), end)
                return end
            case Permutation(items):
                return self._permuted(items, start, template)
            case ListReference(slot=slot):
                end = self.network.state()
                found = self.names.slot_list(expression, template)
                entry = self._list_entry(found, template)
                self.network.call(start, entry, end, SlotBegin(slot), SlotEnd(slot))
                return end
            case RuleReference(name):
                end = self.network.state()
                self.network.call(start, self._rule_entry(name, template), end)
                return end

    def _permuted(self, items: tuple[Expression, ...], start: int, template: Template) -> int:
        """A state for each set of items that have been said."""
        if len(items) > _MAX_PERMUTED:
            raise error(
                template.place, f"more than {_MAX_PERMUTED} parts in any order", fix="make groups of them"
            )
        entries = []
        for item in items:
            entry, done = self.network.state(), self.network.exit_state()
            self.network.jump(self._build(item, entry, template), done)
            entries.append(entry)
        states = [self.network.state() for _ in range(1 << len(items))]
        self.network.gap(start, states[0])
        for said, state in enumerate(states):
            for index, entry in enumerate(entries):
                if not said >> index & 1:
                    between = self.network.state()
                    self.network.call(state, entry, between)
                    self.network.gap(between, states[said | 1 << index])
        return states[-1]

    def _rule_entry(self, name: str, template: Template) -> int:
        key = ("rule", name, self.names.scope(template))
        if key not in self._entries:
            entry, done = self.network.state(), self.network.exit_state()
            self._entries[key] = entry
            self.network.jump(self._build(self.names.rule(name, template), entry, template), done)
        return self._entries[key]

    def _list_entry(self, found: SlotList, template: Template) -> int:
        numbers = found.numbers
        key = (
            "list",
            numbers or found.place,
            found.name if numbers is None else None,
            self.names.scope(template),
        )
        if key not in self._entries:
            entry, done = self.network.state(), self.network.exit_state()
            self._entries[key] = entry
            if numbers is not None:
                for numeral in numerals(numbers, self._source.language, found.place):
                    self._value(entry, done, numeral.said, SlotValue(numeral.value))
            elif found.values:
                self._values(found, entry, done, template)
            else:
                self.network.wildcard(entry, done)
        return self._entries[key]

    def _values(self, found: SlotList, entry: int, done: int, template: Template) -> None:
        for value in self.names.values(found, template):
            text = value.said.text
            if is_plain(text):
                if not folded(text).strip():
                    raise error(value.said.place, f"a value of the list {found.name} has no words")
                out = text if value.out is None else value.out
                mark = SlotValue(out, value.context, value.metadata)
                self._value(entry, done, text.strip(), mark)
                if (digits := in_digits(text.strip(), self._source.language)) is not None:
                    self._value(entry, done, digits, mark)
                continue
            start = self.network.state()
            self.network.jump(entry, start)
            end = self._build(parse_template(value.said), start, template)
            self.network.jump(end, done, SlotValue(value.out, value.context, value.metadata))

    def _value(self, entry: int, done: int, text: str, mark: SlotValue) -> None:
        self.network.jump(self.network.spell(entry, text, is_shared=True), done, mark)


def _more(first: _Content, second: _Content) -> _Content:
    if "words" in (first, second):
        return "words"
    return "any words" if "any words" in (first, second) else "nothing"
