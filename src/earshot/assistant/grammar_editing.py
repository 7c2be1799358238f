"""A sentence added to a grammar file as a person would: below its intent, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from earshot.assistant.templates import is_plain
from earshot.core.errors import GrammarError
from earshot.core.optional import require


def with_sentence(
    text: str, sentence: str, intent: str, *, language: str, slots: Mapping[str, Any] | None = None
) -> str:
    """The file with one template more, and itself as its example.

    text: a grammar file, empty for a new one. slots: fixed values that the sentence brings.
    Comments and layout stay. Raises GrammarError for a file laid out in a way that cannot be added to.
    """
    if not text.strip():
        text = f"language: {language}\nintents:\n"
    text = _add_template(text, sentence, intent, dict(slots or {}))
    return _add_example(text, sentence, intent, dict(slots or {}))


def _add_template(text: str, sentence: str, intent: str, slots: dict[str, Any]) -> str:
    block = ["- sentences:", f"    - {_quoted(sentence)}"]
    if slots:
        block += [
            "  slots:",
            *(f"    {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in slots.items()),
        ]
    root = _composed(text)
    intents = _child(root, "intents")
    if intents is None:
        return _appended(text, ["intents:", f"  {intent}:", "    data:", *_indented(block, 6)])
    if _is_empty(intents[1]):
        return _inserted(
            text, intents[0].end_mark.line + 1, [f"  {intent}:", "    data:", *_indented(block, 6)]
        )
    _check_block(intents[1])
    own = _child(intents[1], intent)
    if own is None:
        column = intents[1].value[0][0].start_mark.column
        lines = [f"{intent}:", "  data:", *_indented(block, 4)]
        return _inserted(text, _last_line(intents[1]), _indented(lines, column))
    _check_block(own[1])
    data = _child(own[1], "data")
    if data is None or not data[1].value:
        raise _unfit(own[0])
    _check_block(data[1])
    column = data[1].start_mark.column
    return _inserted(text, _last_line(data[1]), _indented(block, column))


def _add_example(text: str, sentence: str, intent: str, slots: dict[str, Any]) -> str:
    meant = (
        f"{{name: {intent}, slots: {json.dumps(slots, ensure_ascii=False)}}}"
        if slots
        else f"{{name: {intent}}}"
    )
    entry = [f"- sentences: [{_quoted(sentence)}]", f"  intent: {meant}"]
    if not is_plain(sentence):
        return text  # what it sounds like is not plain to see; `check` asks for an example
    tests = _child(_composed(text), "tests")
    if tests is None:
        return _appended(text, ["", "tests:", *_indented(entry, 2)])
    if _is_empty(tests[1]):
        return _inserted(text, tests[0].end_mark.line + 1, _indented(entry, 2))
    _check_block(tests[1])
    return _inserted(text, _last_line(tests[1]), _indented(entry, tests[1].start_mark.column))


def _quoted(text: str) -> str:
    """As YAML takes it: JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _composed(text: str) -> Any:
    yaml = require("yaml", extra="assistant", purpose="adding to a grammar")
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _child(node: Any, name: str) -> tuple[Any, Any] | None:
    """Key and value of a mapping's part."""
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _is_empty(node: Any) -> bool:
    """Whether nothing is written behind the name; ``[]`` and ``{}`` are something."""
    return bool(node.id == "scalar" and node.tag.endswith(":null"))


def _check_block(node: Any) -> None:
    if node.flow_style:
        raise _unfit(node)


def _unfit(node: Any) -> GrammarError:
    return GrammarError(
        f"line {node.start_mark.line + 1}: it is written on one line, in brackets, and cannot be added to",
        fix="write it on lines of its own, as in docs/assistant.md",
    )


def _last_line(node: Any) -> int:
    """The line behind the last one of what is in a node; comments behind it belong to what follows."""
    while node.id in ("mapping", "sequence") and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    line: int = node.end_mark.line
    return line + 1 if node.end_mark.column else line


def _inserted(text: str, line: int, new: list[str]) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[:line], *new, *lines[line:], ""])


def _appended(text: str, new: list[str]) -> str:
    return "\n".join([*text.splitlines(), *new, ""])


def _indented(lines: list[str], columns: int) -> list[str]:
    return [f"{' ' * columns}{line}" if line else line for line in lines]
