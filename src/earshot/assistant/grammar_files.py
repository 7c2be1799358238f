"""Grammar files as they are written: YAML in the manner of hassil, read with the line of everything in it.

What is read here is checked for its form: which keys there are, what they hold. What the sentences mean is the
matter of ``compiling``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earshot.core.errors import GrammarError, nearest
from earshot.core.files import read_utf8
from earshot.core.optional import require

MAX_BYTES = 20_000_000
_SUFFIXES = (".yaml", ".yml")

_ROOT_KEYS = ("language", "intents", "lists", "expansion_rules", "skip_words", "settings", "tests", "responses")
_BLOCK_KEYS = (
    "sentences",
    "slots",
    "requires_context",
    "excludes_context",
    "expansion_rules",
    "lists",
    "metadata",
    "response",
    # Read by other programs of the format; they change nothing here.
    "required_keywords",
    "inferred_domain",
    "name_domains",
    "settings",
)
_LIST_KEYS = ("values", "range", "wildcard", "metadata", "context")
_VALUE_KEYS = ("in", "out", "context", "metadata")
_RANGE_KEYS = ("type", "from", "to", "step", "multiplier", "fractions", "digits", "words", "words_language")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written. line: from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Written:
    """A text and its place."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class ListValue:
    """One value of a list. out: what the slot becomes; None for the words that are said."""

    said: Written
    out: object | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Whole numbers from first to last. multiplier: what the slot's value is multiplied by."""

    first: int
    last: int
    step: int = 1
    multiplier: float | None = None
    fraction: str | None = None
    digits: bool = True
    words: bool = True
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SlotList:
    """What may stand for ``{name}``: values, or numbers, or (neither) any words."""

    name: str
    place: Place
    values: tuple[ListValue, ...] = ()
    numbers: NumberRange | None = None

    @property
    def is_wildcard(self) -> bool:
        """Whether any words will do."""
        return not self.values and self.numbers is None


@dataclass(frozen=True, slots=True)
class Block:
    """Sentences of one intent with what they share. number: counted over all files."""

    number: int
    intent: str
    place: Place
    sentences: tuple[Written, ...]
    slots: Mapping[str, Any]
    requires_context: Mapping[str, Any]
    excludes_context: Mapping[str, Any]
    lists: Mapping[str, SlotList]
    rules: Mapping[str, Written]
    response: str | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """What a test says of a sentence: its intent and slots; intent None: the grammar must not take it."""

    said: Written
    intent: str | None
    slots: Mapping[str, Any] | None


@dataclass(slots=True)
class GrammarSource:
    """All files of a grammar together."""

    language: str | None = None
    blocks: list[Block] = field(default_factory=list)
    lists: dict[str, SlotList] = field(default_factory=dict)
    rules: dict[str, Written] = field(default_factory=dict)
    skip_words: list[str] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def read_grammar(path: Path, *more: Path) -> GrammarSource:
    """A file, or all .yaml files of a folder and the folders in it; several make one grammar.

    Raises GrammarError that names file and line; MissingExtraError without a YAML reader.
    """
    source = GrammarSource()
    for file in (file for part in (path, *more) for file in _files(part)):
        _Reader(file, source).read()
        source.files.append(file)
    if not source.blocks:
        raise GrammarError(f"{path}: no intent has a sentence", fix="see docs/assistant.md for a first grammar")
    return source


def read_text(text: str, name: str = "grammar") -> GrammarSource:
    """A grammar that is in memory; ``name`` stands for the file in messages."""
    source = GrammarSource()
    _Reader(Path(name), source).read_text(text)
    if not source.blocks:
        raise GrammarError(f"{name}: no intent has a sentence", fix="see docs/assistant.md for a first grammar")
    return source


def error(place: Place, what: str, *, fix: str | None = None) -> GrammarError:
    """What is wrong, where."""
    return GrammarError(f"{place}: {what}", fix=fix)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise GrammarError(f"there is no grammar {path}", fix="name a .yaml file, or a folder of them")
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise GrammarError(f"the folder {path} holds no .yaml file", fix="name a folder with a grammar")
    return files


class _Reader:
    """One file. Nodes are YAML's own, which know their lines."""

    def __init__(self, file: Path, source: GrammarSource) -> None:
        self._yaml = require("yaml", extra="assistant", purpose="reading a grammar")
        self._file = file
        self._source = source

    def read(self) -> None:
        self.read_text(read_utf8(self._file, most=MAX_BYTES, raises=GrammarError, less="split it"))

    def read_text(self, text: str) -> None:
        root = self._composed(text)
        if root is None:
            return
        pairs = self._mapping(root, "the file", _ROOT_KEYS)
        for key, read in self._parts().items():
            if key in pairs and not self._is_null(pairs[key]):
                read(pairs[key])

    def _parts(self) -> dict[str, Callable[[Any], None]]:
        return {
            "language": self._language,
            "lists": lambda node: self._lists(node, self._source.lists),
            "expansion_rules": lambda node: self._rules(node, self._source.rules),
            "skip_words": lambda node: self._source.skip_words.extend(
                written.text for written in self._texts(node, "skip_words")
            ),
            "intents": self._intents,
            "tests": self._tests,
        }

    def _composed(self, text: str) -> Any:
        loader = getattr(self._yaml, "CSafeLoader", self._yaml.SafeLoader)
        try:
            return self._yaml.compose(text, Loader=loader)
        except self._yaml.MarkedYAMLError as failure:
            mark = failure.problem_mark or failure.context_mark
            lines = text.splitlines()
            here = lines[mark.line] if mark and mark.line < len(lines) else ""
            what = _plain_problem(str(failure.problem or failure.context or "it is no YAML"), here)
            fix = _yaml_hint(here)
            raise error(Place(str(self._file), mark.line + 1 if mark else 1), what, fix=fix) from None
        except (self._yaml.YAMLError, ValueError) as failure:
            raise error(Place(str(self._file), 1), f"it is no YAML: {str(failure).splitlines()[0]}") from None
        except RecursionError:
            raise error(Place(str(self._file), 1), "it is nested too deeply") from None

    # --- the parts ---

    def _language(self, node: Any) -> None:
        language = self._scalar(node, "language")
        known = self._source.language
        if known is not None and language != known:
            raise error(
                self._place(node),
                f"the language is {language!r} here and {known!r} in another file",
                fix="keep each language in a folder of its own",
            )
        self._source.language = language

    def _intents(self, node: Any) -> None:
        for name, intent in self._items(node, "intents"):
            data = self._mapping(intent, f"the intent {name}", None)
            if "data" not in data:
                raise error(
                    self._place(intent),
                    f"the intent {name} has no data",
                    fix="write data: and sentences: below",
                )
            blocks = data["data"]
            if not isinstance(blocks, self._yaml.SequenceNode):
                raise self._expected(blocks, f"a list below data of {name}", "- sentences:")
            for block in blocks.value:
                self._block(name, block)

    def _block(self, intent: str, node: Any) -> None:
        parts = self._mapping(node, f"the intent {intent}", _BLOCK_KEYS)
        if "sentences" not in parts:
            raise error(self._place(node), f"sentences: is missing in {intent}", fix="write - sentences:")
        sentences = self._texts(parts["sentences"], f"sentences of {intent}")
        lists: dict[str, SlotList] = {}
        rules: dict[str, Written] = {}
        if "lists" in parts:
            self._lists(parts["lists"], lists)
        if "expansion_rules" in parts:
            self._rules(parts["expansion_rules"], rules)
        self._source.blocks.append(
            Block(
                number=len(self._source.blocks),
                intent=intent,
                place=self._place(node),
                sentences=tuple(sentences),
                slots=self._plain_mapping(parts, "slots"),
                requires_context=self._plain_mapping(parts, "requires_context"),
                excludes_context=self._plain_mapping(parts, "excludes_context"),
                lists=lists,
                rules=rules,
                response=str(self._plain(parts["response"])) if "response" in parts else None,
                metadata=self._plain_mapping(parts, "metadata"),
            )
        )

    def _lists(self, node: Any, into: dict[str, SlotList]) -> None:
        for name, content in self._items(node, "lists"):
            new = self._list(name, content)
            known = into.get(name)
            if known is None:
                into[name] = new
            elif known.values and new.values:
                into[name] = SlotList(name, known.place, known.values + new.values)
            else:
                raise error(new.place, f"the list {name} is at {known.place} already", fix="rename one of them")

    def _list(self, name: str, node: Any) -> SlotList:
        place = self._place(node)
        parts = self._mapping(node, f"the list {name}", _LIST_KEYS)
        if "values" in parts:
            values = parts["values"]
            if not isinstance(values, self._yaml.SequenceNode):
                raise self._expected(values, f"a list of values of {name}", "- kitchen")
            if not values.value:
                raise error(place, f"the list {name} is empty", fix="write at least one value below values:")
            return SlotList(name, place, tuple(self._value(name, value) for value in values.value))
        if "range" in parts:
            return SlotList(name, place, numbers=self._range(name, parts["range"]))
        if "wildcard" in parts:
            if self._plain(parts["wildcard"]) is not True:
                raise self._expected(parts["wildcard"], f"true after wildcard of {name}", "wildcard: true")
            return SlotList(name, place)
        raise error(
            place,
            f"the list {name} has neither values, range nor wildcard",
            fix="write values: and a list below",
        )

    def _value(self, name: str, node: Any) -> ListValue:
        if isinstance(node, self._yaml.ScalarNode):
            return ListValue(Written(self._scalar(node, f"a value of {name}"), self._place(node)))
        parts = self._mapping(node, f"a value of {name}", _VALUE_KEYS)
        if "in" not in parts:
            raise error(self._place(node), f"a value of {name} lacks in:", fix="write in: what is said")
        said = Written(self._scalar(parts["in"], f"in of {name}"), self._place(parts["in"]))
        out = self._plain(parts["out"]) if "out" in parts else None
        return ListValue(
            said, out, self._plain_mapping(parts, "context"), self._plain_mapping(parts, "metadata")
        )

    def _range(self, name: str, node: Any) -> NumberRange:
        parts = self._mapping(node, f"the range of {name}", _RANGE_KEYS)
        values = {key: self._plain(part) for key, part in parts.items()}
        for key in ("from", "to", "step"):
            if key in values and not _is_whole(values[key]):
                raise self._expected(parts[key], f"a whole number after {key} of {name}", f"{key}: 10")
        if "from" not in values or "to" not in values:
            raise error(
                self._place(node), f"the range {name} needs from: and to:", fix="write from: 0 and to: 100"
            )
        first, last, step = int(values["from"]), int(values["to"]), int(values.get("step", 1))
        if first > last or step < 1:
            raise error(
                self._place(node),
                f"the range {name} holds no number",
                fix="let from be below to, and step be 1 or more",
            )
        multiplier = values.get("multiplier")
        if multiplier is not None and not isinstance(multiplier, int | float):
            raise self._expected(parts["multiplier"], f"a number after multiplier of {name}", "multiplier: 10")
        fraction = values.get("fractions")
        if fraction not in (None, "halves", "tenths"):
            raise self._expected(parts["fractions"], f"halves or tenths after fractions of {name}", "halves")
        return NumberRange(
            first,
            last,
            step,
            multiplier,
            fraction,
            bool(values.get("digits", True)),
            bool(values.get("words", True)),
            values.get("words_language"),
        )

    def _rules(self, node: Any, into: dict[str, Written]) -> None:
        for name, content in self._items(node, "expansion_rules"):
            rule = Written(self._scalar(content, f"the rule {name}"), self._place(content))
            if name in into and into[name].text != rule.text:
                raise error(
                    rule.place, f"the rule {name} is at {into[name].place} already", fix="rename one of them"
                )
            into[name] = rule

    def _tests(self, node: Any) -> None:
        if not isinstance(node, self._yaml.SequenceNode):
            raise self._expected(node, "a list of tests", "- sentences:")
        for test in node.value:
            parts = self._mapping(test, "a test", None)
            intent: str | None = None
            slots: Mapping[str, Any] | None = None
            if "intent" in parts and not self._is_null(parts["intent"]):
                if isinstance(parts["intent"], self._yaml.ScalarNode):
                    intent = self._scalar(parts["intent"], "intent")
                else:
                    expected = self._mapping(parts["intent"], "the intent of a test", None)
                    intent = self._scalar(expected["name"], "name") if "name" in expected else None
                    slots = self._plain_mapping(expected, "slots") if "slots" in expected else None
            if "slots" in parts:
                slots = self._plain_mapping(parts, "slots")
            if "sentences" not in parts:
                raise error(self._place(test), "a test has no sentences", fix="write - sentences:")
            for said in self._texts(parts["sentences"], "sentences of a test"):
                self._source.examples.append(Example(said, intent, slots))

    # --- nodes ---

    def _place(self, node: Any) -> Place:
        return Place(str(self._file), node.start_mark.line + 1)

    def _is_null(self, node: Any) -> bool:
        return isinstance(node, self._yaml.ScalarNode) and node.tag.endswith(":null")

    def _expected(self, node: Any, what: str, example: str) -> GrammarError:
        kinds = {"MappingNode": "keys with values", "SequenceNode": "a list"}
        found = kinds.get(type(node).__name__) or repr(str(node.value)[:40])
        return error(self._place(node), f"{what} is expected, not {found}", fix=f"write it as in: {example}")

    def _items(self, node: Any, what: str) -> Iterator[tuple[str, Any]]:
        if self._is_null(node):
            return
        if not isinstance(node, self._yaml.MappingNode):
            raise self._expected(node, f"names with what they hold below {what}", "name: …")
        seen: set[str] = set()
        for key, value in node.value:
            name = self._scalar(key, f"a name in {what}")
            if name in seen:
                raise error(self._place(key), f"{name} is written twice in {what}", fix="join the two")
            seen.add(name)
            yield name, value

    def _mapping(self, node: Any, what: str, keys: Sequence[str] | None) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        if not isinstance(node, self._yaml.MappingNode):
            example = ", ".join(f"{key}:" for key in keys[:4]) if keys else "name:"
            raise self._expected(node, f"keys in {what}", example)
        for key, value in self._items(node, what):
            if keys is not None and key not in keys:
                line = self._place(next(k for k, _ in node.value if k.value == key))
                raise error(line, f"{what} has no part {key!r}", fix=nearest(key, keys))
            parts[key] = value
        return parts

    def _scalar(self, node: Any, what: str) -> str:
        if not isinstance(node, self._yaml.ScalarNode) or self._is_null(node):
            raise self._expected(node, f"a text for {what}", '"turn on the light"')
        return str(node.value)

    def _texts(self, node: Any, what: str) -> list[Written]:
        if not isinstance(node, self._yaml.SequenceNode):
            raise self._expected(node, f"a list below {what}", '- "turn on the light"')
        return [Written(self._scalar(item, f"one of {what}"), self._place(item)) for item in node.value]

    def _plain(self, node: Any) -> Any:
        """Numbers, texts, lists and dicts."""
        constructor = self._yaml.constructor.SafeConstructor()
        try:
            return constructor.construct_document(node)
        except (self._yaml.YAMLError, ValueError) as failure:
            raise error(
                self._place(node), f"this value cannot be read: {str(failure).splitlines()[0]}"
            ) from None

    def _plain_mapping(self, parts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        if key not in parts or self._is_null(parts[key]):
            return {}
        if not isinstance(parts[key], self._yaml.MappingNode):
            raise self._expected(parts[key], f"names with values below {key}", "name: kitchen")
        plain = self._plain(parts[key])
        return {str(name): value for name, value in plain.items()}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain_problem(problem: str, line: str) -> str:
    """YAML's own words, and what they mean where that is not plain."""
    if "cannot start any token" in problem and "\t" in line:
        return f"a tab stands where spaces must ({problem})"
    meanings = {
        "mapping values are not allowed": "a second colon stands where none may be",
        "expected <block end>": "the indentation does not fit the lines above",
        "could not find expected ':'": "a colon is expected after a name",
        "found unexpected end of stream": "a quotation mark or bracket is never closed",
        "did not find expected": "something is not closed, or the indentation does not fit",
        "found undefined alias": "a text that begins with * needs quotation marks",
    }
    for words, meaning in meanings.items():
        if words in problem:
            return f"{meaning} ({problem})"
    return problem


def _yaml_hint(line: str) -> str:
    here = line.strip()
    if "\t" in line:
        return "indent with spaces"
    if here.startswith("- ") and here[2:3] in "[{*&!%@`":
        return f'put the sentence into quotation marks: - "{here[2:].strip()}"'
    return "put sentences into quotation marks, and indent what belongs together alike"
