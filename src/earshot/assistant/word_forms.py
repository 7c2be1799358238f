"""A grammar for engines with grammars of their own: JSGF for PocketSphinx, a list of words for Vosk.

Those know whole words only, so where a template puts words together from pieces (``light[s]``) the pieces are
joined in all ways first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from earshot.assistant.grammar import Grammar
from earshot.assistant.grammar_files import error
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
from earshot.assistant.templates import (
    Sequence as SequenceOf,
)
from earshot.core.errors import UnsupportedError
from earshot.decoding.network import folded

_MAX_JOINED = 2_000
"""Ways to put a word together from pieces."""


def jsgf(grammar: Grammar) -> str:
    """The grammar as JSGF text, one rule a template, list and rule.

    Raises UnsupportedError for wildcards, which such grammars cannot hold, and GrammarError for words that are
    put together from pieces in more than 2,000 ways.
    """
    writer = _Writer(grammar)
    names = [writer.template(template) for template in grammar.templates]
    start = f"public <sentence> = {' | '.join(names)};"
    return "\n".join(["#JSGF V1.0;", "grammar assistant;", start, *writer.lines]) + "\n"


def words(grammar: Grammar) -> tuple[str, ...]:
    """Every word of every sentence, in order of first use."""
    found = re.findall(r"(?<![\w<%°$€£])[\w%°$€£]+(?![\w>])", "\n".join(_right_sides(jsgf(grammar))))
    return tuple(dict.fromkeys(found))


def _right_sides(text: str) -> Iterator[str]:
    for line in text.splitlines()[3:]:
        yield re.sub(r"<[^>]*>", " ", line.partition("=")[2])


class _Writer:
    """lines: the rules written so far."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._names: dict[object, str] = {}
        self.lines: list[str] = []

    def template(self, template: Template) -> str:
        """The name of a template's rule."""
        return self._named(("template", template.number), lambda: self._right(template.expression, template))

    def _named(self, key: object, write: Callable[[], str]) -> str:
        if key not in self._names:
            right = write()
            self._names[key] = f"<r{len(self._names)}>"
            self.lines.append(f"{self._names[key]} = {right};")
        return self._names[key]

    def _right(self, expression: Expression, template: Template) -> str:
        match expression:
            case Text(text):
                return _words(text)
            case Choice(items):
                return _alternatives([self._right(item, template) for item in items])
            case Permutation(items):
                parts = [self._right(item, template) for item in items]
                return _alternatives([" ".join(order) for order in itertools.permutations(parts)])
            case ListReference():
                scope = self._grammar.names.scope(template)
                found = self._grammar.names.slot_list(expression, template)
                key = ("list", found.name, found.numbers or found.place, scope)
                return self._named(key, lambda: self._list(expression, template))
            case RuleReference(name):
                rule = self._grammar.names.rule(name, template)
                rule_key = ("rule", name, self._grammar.names.scope(template))
                return self._named(rule_key, lambda: self._right(rule, template))
            case SequenceOf(items):
                return self._sequence(items, template)

    def _sequence(self, items: Sequence[Expression], template: Template) -> str:
        """Items one after the other; runs without a space between them are joined."""
        parts: list[str] = []
        run: list[Expression] = []
        for item in items:
            if run and not self._touches(run[-1], item, template):
                parts.append(self._joined(run, template))
                run = []
            run.append(item)
        if run:
            parts.append(self._joined(run, template))
        return " ".join(part for part in parts if part != "<NULL>") or "<NULL>"

    def _touches(self, left: Expression, right: Expression, template: Template) -> bool:
        """Whether a word may go on from one item to the next."""
        return self._edge(left, template, last=True) and self._edge(right, template, last=False)

    def _edge(self, expression: Expression, template: Template, *, last: bool) -> bool:
        """Whether an expression can end (or begin) within a word."""
        match expression:
            case Text(text):
                plain = folded(text)
                return bool(plain) and not plain[-1 if last else 0].isspace()
            case Choice(items):
                return any(self._edge(item, template, last=last) for item in items)
            case SequenceOf(items):
                # What may be nothing does not part its neighbours.
                return not items or self._edge(items[-1 if last else 0], template, last=last)
            case Permutation():
                return False
            case RuleReference(name):
                return self._edge(self._grammar.names.rule(name, template), template, last=last)
            case _:
                return True

    def _joined(self, run: list[Expression], template: Template) -> str:
        if len(run) == 1:
            return self._right(run[0], template)
        texts = self._texts(SequenceOf(tuple(run)), template)
        return _alternatives([_words(text) for text in dict.fromkeys(texts)])

    def _texts(self, expression: Expression, template: Template) -> list[str]:
        """All ways to write an expression out."""
        match expression:
            case Text(text):
                return [text]
            case Choice(items):
                texts = [text for item in items for text in self._texts(item, template)]
            case SequenceOf(items):
                texts = [""]
                for item in items:
                    following = self._texts(item, template)
                    self._check(len(texts) * len(following), template)
                    texts = [a + b for a, b in itertools.product(texts, following)]
            case Permutation(items):
                lists = [self._texts(item, template) for item in items]
                texts = [
                    f" {' '.join(parts)} "
                    for order in itertools.permutations(lists)
                    for parts in itertools.product(*order)
                ]
            case RuleReference(name):
                texts = self._texts(self._grammar.names.rule(name, template), template)
            case ListReference():
                texts = [
                    text for one in self._said(expression, template) for text in self._texts(one, template)
                ]
        self._check(len(texts), template)
        return texts

    def _check(self, count: int, template: Template) -> None:
        if count > _MAX_JOINED:
            raise error(
                template.place,
                f"{template.written.text!r} puts words together in more than {_MAX_JOINED} ways",
                fix="write spaces between the words, or write the words out",
            )

    def _list(self, reference: ListReference, template: Template) -> str:
        parts = [self._right(one, template) for one in self._said(reference, template)]
        return _alternatives(list(dict.fromkeys(parts)))

    def _said(self, reference: ListReference, template: Template) -> list[Expression]:
        found = self._grammar.names.slot_list(reference, template)
        if found.is_wildcard:
            raise UnsupportedError(
                f"{template.place}: {{{reference.name}}} takes any words, and this engine's grammar knows none",
                fix="use the engine moonshine, wav2vec2 or ctc, or a list of values",
            )
        if found.numbers is not None:
            texts = [one.said for one in numerals(found.numbers, self._grammar.language, found.place)]
            return [Text(text) for text in texts if not text[:1].isdigit()]
        return [parse_template(value.said) for value in self._grammar.names.values(found, template)]


def _words(text: str) -> str:
    return " ".join(folded(text).split()) or "<NULL>"


def _alternatives(parts: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(parts))
    return distinct[0] if len(distinct) == 1 else f"({' | '.join(distinct)})"
