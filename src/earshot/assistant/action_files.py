"""Files of actions, TOML or YAML, read with the line of everything in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earshot.core.errors import ActionError
from earshot.core.files import read_utf8
from earshot.core.optional import require

MAX_BYTES = 2_000_000

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_NAME = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


@dataclass(frozen=True, slots=True)
class Document:
    """A file. root: dicts, lists and plain values. places: ``file:line`` of the keys, lines from 1."""

    file: str
    root: Mapping[str, Any]
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def place(self, path: Sequence[str]) -> str:
        """``file:line`` of a key, or of the nearest one around it."""
        keys = tuple(path)
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, f"{self.file}:1")

    def error(self, path: Sequence[str], what: str, *, fix: str | None = None) -> ActionError:
        """What is wrong there."""
        return ActionError(f"{self.place(path)}: {what}", fix=fix)


def read_document(path: Path) -> Document:
    """A .toml, .yaml or .yml file. Raises ActionError that names file and line."""
    text = read_utf8(
        path, most=MAX_BYTES, raises=ActionError, how="name a .toml or .yaml file", less="write less into it"
    )
    if path.suffix == ".toml":
        return _toml(path, text)
    if path.suffix in (".yaml", ".yml"):
        return _yaml(path, text)
    raise ActionError(f"{path} is neither .toml nor .yaml", fix="give it one of these endings")


def _toml(path: Path, text: str) -> Document:
    try:
        root = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        what = str(error).partition(" (at ")[0] or "it is no TOML"
        fix = 'write name = "text"; texts stand in quotation marks, lists in brackets'
        raise ActionError(f"{path}:{line}: {what}", fix=fix) from None
    return Document(str(path), root, _placed(path, _toml_lines(text)))


def _toml_lines(text: str) -> dict[tuple[str, ...], int]:
    """Where the keys of a valid file stand. Keys of inline tables count as the line of the table."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _names(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            keys = table + _names(key[1])
            for length in range(len(table) + 1, len(keys) + 1):
                lines.setdefault(keys[:length], number)
    return lines


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in _NAME.findall(dotted))


def _yaml(path: Path, text: str) -> Document:
    yaml = require("yaml", extra="assistant", purpose="reading actions in YAML")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        root = yaml.safe_load(text) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        fix = "put texts into quotation marks, and indent what belongs together alike, with spaces"
        raise ActionError(f"{path}:{line}: {error.problem}", fix=fix) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ActionError(f"{path}:1: it is no YAML: {' '.join(str(error).split())[:100]}") from None
    if not isinstance(root, dict):
        raise ActionError(f"{path}:1: names with what they hold are expected", fix="begin with actions:")
    lines: dict[tuple[str, ...], int] = {}
    if node is not None:
        _yaml_lines(node, (), lines)
    return Document(str(path), root, _placed(path, lines))


def _placed(path: Path, lines: Mapping[tuple[str, ...], int]) -> dict[tuple[str, ...], str]:
    return {keys: f"{path}:{line}" for keys, line in lines.items()}


def _yaml_lines(node: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> None:
    for key, value in node.value:
        keys = (*path, str(key.value))
        lines[keys] = key.start_mark.line + 1
        if hasattr(value, "value") and isinstance(value.value, list) and value.id == "mapping":
            _yaml_lines(value, keys, lines)
