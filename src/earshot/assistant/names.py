"""What the names in templates stand for: lists and rules, those of a block before those of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from earshot.assistant.grammar_files import Block, GrammarSource, ListValue, Place, SlotList, Written, error
from earshot.assistant.templates import Expression, ListReference, parse_template
from earshot.core.errors import nearest


@dataclass(frozen=True, slots=True)
class Template:
    """One sentence template of a grammar. number: in order of the files."""

    number: int
    block: Block
    written: Written
    expression: Expression

    @property
    def intent(self) -> str:
        """Whose sentence it is."""
        return self.block.intent

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self.written.place


class Names:
    """The lists and rules of a grammar."""

    def __init__(self, source: GrammarSource) -> None:
        self._source = source
        self._rules: dict[tuple[str, Place], Expression] = {}

    def scope(self, template: Template) -> int | None:
        """Where names mean the same: None, or the block with lists, rules or contexts of its own."""
        block = template.block
        return block.number if block.lists or block.rules or block.requires_context else None

    def slot_list(self, reference: ListReference, template: Template, *, at: Place | None = None) -> SlotList:
        """What a slot is filled from. at: the line that names it, when that is in a rule.

        Raises GrammarError when there is no such list.
        """
        if reference.numbers is not None:
            return SlotList(reference.name, template.place, numbers=reference.numbers)
        found = template.block.lists.get(reference.name) or self._source.lists.get(reference.name)
        if found is None:
            known = [*self._source.lists, *template.block.lists]
            fix = nearest(reference.name, known) if known else "write it below lists:"
            raise error(at or template.place, f"there is no list {{{reference.name}}}", fix=fix)
        return found

    def values(self, found: SlotList, template: Template) -> tuple[ListValue, ...]:
        """The values of a list whose contexts do not contradict what the block requires."""
        allowed = tuple(value for value in found.values if _may_stand(value, template.block))
        return allowed or found.values

    def written_rule(self, name: str, template: Template, *, at: Place | None = None) -> Written:
        """A rule as it is written. Raises GrammarError when there is none."""
        found = template.block.rules.get(name) or self._source.rules.get(name)
        if found is None:
            known = [*self._source.rules, *template.block.rules]
            fix = nearest(name, known) if known else "write it below expansion_rules:"
            raise error(at or template.place, f"there is no rule <{name}>", fix=fix)
        return found

    def rule(self, name: str, template: Template, *, at: Place | None = None) -> Expression:
        """The tree of a rule."""
        written = self.written_rule(name, template, at=at)
        key = (name, written.place)
        if key not in self._rules:
            self._rules[key] = parse_template(written)
        return self._rules[key]


def _may_stand(value: ListValue, block: Block) -> bool:
    """Whether a value's context contradicts what its block requires, as a lamp does where covers are meant."""
    for key, wanted in block.requires_context.items():
        if key in value.context and not fits(value.context[key], wanted):
            return False
    return not any(
        key in value.context and fits(value.context[key], unwanted)
        for key, unwanted in block.excludes_context.items()
    )


def fits(given: object, wanted: object) -> bool:
    """Whether a context's value is the wanted one, or one of those wanted; None: any will do."""
    if isinstance(wanted, Mapping):
        wanted = wanted.get("value")
    if wanted is None:
        return given is not None
    options = wanted if isinstance(wanted, list | tuple) else [wanted]
    values = given if isinstance(given, list | tuple) else [given]
    return any(value in options for value in values)
