"""A grammar: what may be said to the assistant, and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from earshot.assistant.compiling import Compiler, SlotBegin, SlotEnd, SlotValue
from earshot.assistant.conflicts import find_conflict
from earshot.assistant.grammar_files import (
    Example,
    GrammarSource,
    ListValue,
    Place,
    SlotList,
    Written,
    error,
    read_grammar,
    read_text,
)
from earshot.assistant.names import Names, Template, fits
from earshot.decoding.automaton import Automaton
from earshot.decoding.forgiving import nearest_sentence
from earshot.decoding.network import Network, spoken
from earshot.decoding.parsing import parse

NEAR = 0.22
"""Weighted edits a letter up to which a misheard text is taken for a sentence."""

_QUICK_CHECK = 20_000
"""Steps of the search for sentences of two meanings while a grammar is loaded (0.1 s); a check takes all."""

_MAX_READINGS = 20


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence understood.

    slots: what each becomes: numbers, texts, what the list says. spoken: the words each was said with.
    text: the sentence as it was written, no spaces at its ends. distance: weighted edits a letter between what
    was heard and the sentence; 0 for the sentence itself. template: whose sentence it is. num_free: letters
    that wildcards took.
    """

    intent: str
    slots: Mapping[str, Any]
    spoken: Mapping[str, str]
    text: str
    template: Template
    distance: float = 0.0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    num_free: int = 0


class Grammar:
    """What may be said. Safe to use from several threads.

    language: ISO 639-1, None where the files do not tell. templates: in the order of the files.
    source: what it was made of.
    """

    def __init__(self, source: GrammarSource, *, check: bool = True) -> None:
        compiler = Compiler(source)
        compiler.compile()
        self.source = source
        self.language = source.language
        self.templates: Sequence[Template] = tuple(compiler.templates)
        self.examples: Sequence[Example] = tuple(source.examples)
        self.names: Names = compiler.names
        self.network: Network = compiler.network
        self.automaton = Automaton(self.network)
        if check and (found := find_conflict(self.network, self.templates, max_steps=_QUICK_CHECK)):
            raise found.error()

    @classmethod
    def load(
        cls, path: Path | str, *, lists: Mapping[str, Iterable[str] | Mapping[str, Any]] | None = None
    ) -> Grammar:
        """A .yaml file, or all of a folder.

        lists: values that only the running program knows, such as names of devices: what is said, or what is
        said → what the slot becomes. They take the place of a list of that name.
        Raises GrammarError that names file and line.
        """
        source = read_grammar(Path(path))
        source.lists.update(_own_lists(lists or {}))
        return cls(source)

    @classmethod
    def from_text(cls, text: str, *, name: str = "grammar") -> Grammar:
        """A grammar that is in memory."""
        return cls(read_text(text, name))

    @property
    def intents(self) -> tuple[str, ...]:
        """Their names, in the order of the files."""
        return tuple(dict.fromkeys(template.intent for template in self.templates))

    def match(self, text: str, *, context: Mapping[str, Any] | None = None) -> Match | None:
        """What a text means, when it is a sentence of the grammar; case and punctuation do not matter.

        context: what is known besides the words, for templates that require it.
        """
        spelled = spoken(text)
        if not spelled:
            return None
        unfit: set[int] = set()
        for _ in range(_MAX_READINGS):
            found = parse(
                self.network,
                spelled,
                is_allowed=lambda mark: not (isinstance(mark, Template) and mark.number in unfit),
            )
            if found is None:
                return None
            match, known = _read(found.marks, spelled, text)
            if _context_fits(match.template, {**known, **(context or {})}):
                return match
            unfit.add(match.template.number)
        return None

    def nearest(
        self, text: str, *, max_distance: float = NEAR, context: Mapping[str, Any] | None = None
    ) -> Match | None:
        """What a misheard text was most likely meant to be. max_distance: weighted edits a letter."""
        spelled = spoken(text)
        if not spelled:
            return None
        found = nearest_sentence(self.automaton, spelled, max_distance=max_distance * len(spelled))
        if found is None or (match := self.match(found.text, context=context)) is None:
            return None
        return replace(match, distance=found.distance / len(spelled))


def _own_lists(lists: Mapping[str, Iterable[str] | Mapping[str, Any]]) -> dict[str, SlotList]:
    place = Place("the list of the program", 1)
    made: dict[str, SlotList] = {}
    for name, content in lists.items():
        pairs = content.items() if isinstance(content, Mapping) else ((said, said) for said in content)
        values = tuple(ListValue(Written(_escaped(said), place), out) for said, out in pairs)
        if not values:
            raise error(place, f"the list {name} is empty", fix="give at least one value")
        made[name] = SlotList(name, Place(f"the list {name} of the program", 1), values)
    return made


def _escaped(text: str) -> str:
    """Names of things are no templates."""
    return "".join(" " if character in "(){}<>[]|;\\" else character for character in text)


def _read(marks: Sequence[tuple[object, int]], spelled: str, text: str) -> tuple[Match, Mapping[str, Any]]:
    """A match, and the context that the values of its lists bring."""
    template: Template | None = None
    slots: dict[str, Any] = {}
    said: dict[str, str] = {}
    context: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    open_slots: list[tuple[str, int, SlotValue | None]] = []
    num_free = 0
    for mark, position in marks:
        match mark:
            case SlotBegin(slot):
                open_slots.append((slot, position, None))
            case SlotValue():
                slot, start, _ = open_slots.pop()
                open_slots.append((slot, start, mark))
                context |= mark.context
                metadata |= mark.metadata
            case SlotEnd(slot):
                slot, start, value = open_slots.pop()
                said[slot] = _words(spelled, text, start, position)
                if value is None:  # of a wildcard
                    slots[slot] = said[slot]
                    num_free += len(spelled[start:position].strip())
                else:
                    plain = spelled[start:position].strip()
                    slots[slot] = plain if value.value is None else value.value
            case Template():
                template = mark
    assert template is not None  # every way to the end passes one
    slots = {**template.block.slots, **slots}
    metadata = {**template.block.metadata, **metadata}
    found = Match(template.intent, slots, said, text.strip(), template, metadata=metadata, num_free=num_free)
    return found, context


def _words(spelled: str, text: str, start: int, end: int) -> str:
    """The words between two characters of the spelling, as written where the words can be told apart."""
    plain = spelled[start:end].strip()
    written = text.replace("-", " ").split()
    written = [word for word in written if spoken(word)]
    if len(written) != spelled.count(" "):
        return plain
    first = (
        spelled[: start + 1].count(" ") - 1
        if spelled[start : start + 1] == " "
        else spelled[:start].count(" ") - 1
    )
    words = written[first : first + len(plain.split())]
    cleaned = " ".join(word.strip('.,!?;:…"“”«»()') for word in words)
    return cleaned if spoken(cleaned).strip() == plain else plain


def _context_fits(template: Template, known: Mapping[str, Any]) -> bool:
    block = template.block
    needed = all(key in known and fits(known[key], wanted) for key, wanted in block.requires_context.items())
    return needed and not any(
        key in known and fits(known[key], unwanted) for key, unwanted in block.excludes_context.items()
    )
