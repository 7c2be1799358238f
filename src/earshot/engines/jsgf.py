"""The JSpeech Grammar Format (W3C note, 2000), checked before a decoder sees it.

PocketSphinx's own parser takes undefined rules for empty ones, does not say what is wrong with a grammar, and
may be led to open files by an import. Here a grammar is read, checked and written anew with plain names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from earshot.core.errors import EngineError, nearest

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<rule><[^<>\s]*>)
  | (?P<weight>/\s*[0-9.eE+-]+\s*/)
  | (?P<tag>\{(?:\\.|[^{}\\])*\})
  | (?P<quoted>"(?:\\.|[^"\\\n])*")
  | (?P<mark>[;=|*+()\[\]])
  | (?P<word>[^\s;=|*+()\[\]<>{}/"]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_HEADER = re.compile(r"\ufeff?#JSGF\b[^;\n]*(;|\n|$)")
_MAX_DEPTH = 50  # brackets within brackets
_MAX_LENGTH = 1_000_000  # characters


@dataclass(frozen=True, slots=True)
class JsgfGrammar:
    """A grammar that holds together.

    words: each token that may be said, as written, in order of appearance. rules: for each rule the pieces of
    its right side: marks and weights, words in quotes, rules as ``<name>``. public: the rules that may be said.
    """

    words: tuple[str, ...]
    rules: dict[str, tuple[str, ...]]
    public: tuple[str, ...]

    def written(self, spell: Callable[[str], str], *, also: str | None = None) -> str:
        """The grammar for a decoder: one public rule, names without meaning, words as ``spell`` turns them.

        also: the right side of one more alternative of the public rule.
        """
        names = {f"<{name}>": f"<r{i}>" for i, name in enumerate(self.rules)} | {
            "<NULL>": "<NULL>",
            "<VOID>": "<VOID>",
        }
        starts = [names[f"<{name}>"] for name in self.public]
        lines = [
            "#JSGF V1.0;",
            "grammar earshot;",
            f"public <start> = {' | '.join(starts)}{f' | {also}' if also else ''};",
        ]
        for name, pieces in self.rules.items():
            right = " ".join(spell(p[1:-1]) if p[0] == '"' else names.get(p, p) for p in pieces)
            lines.append(f"{names[f'<{name}>']} = {right};")
        return "\n".join(lines) + "\n"


def phrases_grammar(phrases: Iterable[str]) -> JsgfGrammar:
    """A grammar of whole phrases; raises EngineError when none has a word."""
    sentences = [tuple(sentence) for phrase in phrases if (sentence := phrase.split())]
    if not sentences:
        raise EngineError("the grammar has no phrase with a word in it", fix="give at least one phrase")
    pieces: list[str] = []
    for said in dict.fromkeys(sentences):
        pieces += ["|"] * bool(pieces) + [f'"{word}"' for word in said]
    words = tuple(dict.fromkeys(word for sentence in sentences for word in sentence))
    return JsgfGrammar(words, {"phrases": tuple(pieces)}, ("phrases",))


def parse_jsgf(text: str) -> JsgfGrammar:
    """Read a grammar. Raises EngineError that names the line and what is wrong with it."""
    if len(text) > _MAX_LENGTH:
        raise EngineError(
            f"the JSGF grammar has {len(text):,} characters", fix=f"keep it below {_MAX_LENGTH:,}"
        )
    return _Parser(text).parse()


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str
    text: str
    line: int


@dataclass(slots=True)
class _Rule:
    line: int
    pieces: list[str] = field(default_factory=list)
    references: list[tuple[str, int, bool]] = field(default_factory=list)  # name, line, whether nothing follows


class _Parser:
    def __init__(self, text: str) -> None:
        header = _HEADER.match(text.lstrip(" \t\r\n"))
        if header is None:
            raise _error(1, "the header is missing", fix="begin the grammar with #JSGF V1.0;")
        skipped = len(text) - len(text.lstrip(" \t\r\n")) + header.end()
        self._pieces = list(_tokens(text, skipped))
        self._at = 0
        self._last_line = text.count("\n") + 1
        self._rules: dict[str, _Rule] = {}
        self._words: dict[str, None] = {}

    def parse(self) -> JsgfGrammar:
        public: list[str] = []
        if self._word_is("grammar"):
            self._at += 1
            self._expect("word", "the name of the grammar")
            self._expect_mark(";")
        while self._peek() is not None:
            if self._word_is("import"):
                raise _error(self._line(), "imports are not read", fix="copy the rules into the grammar")
            is_public = self._word_is("public")
            self._at += is_public
            name = self._definition()
            public += [name] * is_public
        if not public:
            raise _error(self._last_line, "no rule is public", fix="write public before the rule to be said")
        self._check_references()
        return JsgfGrammar(
            tuple(self._words), {n: tuple(r.pieces) for n, r in self._rules.items()}, tuple(public)
        )

    def _definition(self) -> str:
        piece = self._expect("rule", "a rule such as <name> = …;")
        name = piece.text[1:-1]
        if not name or name in {"NULL", "VOID"}:
            raise _error(piece.line, f"{piece.text} cannot be defined")
        if name in self._rules:
            raise _error(piece.line, f"{piece.text} was defined in line {self._rules[name].line} already")
        rule = self._rules[name] = _Rule(piece.line)
        self._expect_mark("=")
        self._alternatives(rule, 0, is_tail=True)
        self._expect_mark(";")
        return name

    def _alternatives(self, rule: _Rule, depth: int, *, is_tail: bool) -> None:
        if depth > _MAX_DEPTH:
            raise _error(self._line(), f"more than {_MAX_DEPTH} brackets within each other")
        while True:
            self._sequence(rule, depth, is_tail=is_tail)
            if not self._mark_is("|"):
                return
            rule.pieces.append("|")
            self._at += 1

    def _sequence(self, rule: _Rule, depth: int, *, is_tail: bool) -> None:
        piece = self._peek()
        if piece is not None and piece.kind == "weight":
            rule.pieces.append(self._weight(piece))
            self._at += 1
        items = 0
        while (piece := self._peek()) is not None and self._begins_item(piece):
            first_reference = len(rule.references)
            self._item(rule, piece, depth, is_tail=is_tail)
            items += 1
            following = self._peek()
            if following is not None and self._begins_item(following):  # so what came is not at the end
                rule.references[first_reference:] = [
                    (n, at, False) for n, at, _ in rule.references[first_reference:]
                ]
        if not items:
            found = "the end" if piece is None else repr(piece.text)
            raise _error(self._line(), f"a word, rule or bracket is expected before {found}")

    def _weight(self, piece: _Piece) -> str:
        try:
            weight = float(piece.text.strip("/ \t"))
        except ValueError:
            weight = -1.0
        if not 0 <= weight < float("inf"):
            raise _error(piece.line, f"{piece.text} is no weight", fix="write a number, as in /0.5/")
        return f"/{weight:.9g}/"

    def _begins_item(self, piece: _Piece) -> bool:
        return piece.kind in {"word", "quoted", "rule"} or (piece.kind == "mark" and piece.text in "([")

    def _item(self, rule: _Rule, piece: _Piece, depth: int, *, is_tail: bool) -> None:
        self._at += 1
        before = len(rule.references)
        if piece.kind == "rule":
            rule.references.append((piece.text[1:-1], piece.line, is_tail))
            rule.pieces.append(piece.text)
        elif piece.kind == "mark":
            closing = ")" if piece.text == "(" else "]"
            rule.pieces.append(piece.text)
            self._alternatives(rule, depth + 1, is_tail=is_tail)
            self._expect_mark(closing)
            rule.pieces.append(closing)
        else:
            self._say(rule, piece)
        while (after := self._peek()) is not None and (after.kind == "tag" or after.text in {"*", "+"}):
            self._at += 1
            if after.kind == "mark":
                rule.pieces.append(after.text)
                rule.references[before:] = [(n, at, False) for n, at, _ in rule.references[before:]]

    def _say(self, rule: _Rule, piece: _Piece) -> None:
        text = re.sub(r"\\(.)", r"\1", piece.text[1:-1]) if piece.kind == "quoted" else piece.text
        words = text.replace('"', "").split()
        if not words:
            raise _error(piece.line, "the quotes hold no word")
        group = len(words) > 1  # so that a star after the quotes means all of them
        rule.pieces += ["("] * group + [f'"{word}"' for word in words] + [")"] * group
        self._words.update(dict.fromkeys(words))

    def _check_references(self) -> None:
        graph: dict[str, list[str]] = {}
        for name, rule in self._rules.items():
            graph[name] = []
            for target, line, is_tail in rule.references:
                if target in {"NULL", "VOID"}:
                    continue
                if target not in self._rules:
                    raise _error(line, f"<{target}> is not defined", fix=nearest(target, self._rules))
                if target != name or not is_tail:  # a rule may end in itself: <a> = x | x <a>;
                    graph[name].append(target)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            name = error.args[1][-1]
            raise _error(
                self._rules[name].line,
                f"<{name}> contains itself",
                fix="repeat with * or +, or let a rule end in itself, as in <a> = x | x <a>;",
            ) from None

    # --- pieces ---

    def _peek(self) -> _Piece | None:
        return self._pieces[self._at] if self._at < len(self._pieces) else None

    def _line(self) -> int:
        piece = self._peek()
        return piece.line if piece else self._last_line

    def _word_is(self, text: str) -> bool:
        piece = self._peek()
        return piece is not None and piece.kind == "word" and piece.text == text

    def _mark_is(self, text: str) -> bool:
        piece = self._peek()
        return piece is not None and piece.kind == "mark" and piece.text == text

    def _expect(self, kind: str, what: str) -> _Piece:
        piece = self._peek()
        if piece is None or piece.kind != kind:
            found = "the end" if piece is None else repr(piece.text)
            raise _error(self._line(), f"{what} is expected, not {found}")
        self._at += 1
        return piece

    def _expect_mark(self, text: str) -> None:
        if not self._mark_is(text):
            self._expect("", repr(text))
        self._at += 1


def _tokens(text: str, start: int) -> Iterator[_Piece]:
    at, line = start, text.count("\n", 0, start) + 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _error(line, f"{text[at]!r} does not belong here")
        kind = match.lastgroup or "space"
        if kind != "space":
            yield _Piece(kind, match[0], line)
        line += match[0].count("\n")
        at = match.end()


def _error(line: int, what: str, *, fix: str | None = None) -> EngineError:
    return EngineError(f"the JSGF grammar is wrong in line {line}: {what}", fix=fix)
