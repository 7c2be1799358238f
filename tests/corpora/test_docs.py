"""docs/corpora.md tells what there is: its tables are the code's, its commands exist, its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from earshot.cli import VERBS
from earshot.cli.corpus import corpus
from earshot.corpora import FORMATS, Utterance, read_manifest, write_manifest
from earshot.corpora.checking import UNUSABLE, Defect
from earshot.corpora.recipes import find_recipe, recipe_names
from tests.corpora.sounds import write_tone

PAGE = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    _, table = PAGE.split(f"\n| {heading} |", 1)
    lines = table.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_the_tables_are_the_codes() -> None:
    assert rows("format") == [[entry.name, entry.summary] for entry in FORMATS.values()]
    assert [row[0] for row in rows("defect")] == [str(defect) for defect in Defect]
    recipes = [find_recipe(name) for name in recipe_names()]
    assert rows("recipe") == [[one.name, one.title, one.licence] for one in recipes]
    fields = {name for name in Utterance.__dataclass_fields__ if name != "extra"}
    assert {row[0] for row in rows("field")} == fields
    _, told = PAGE.split("what nothing can be learned from: ", 1)
    assert set(re.findall(r"`([a-z-]+)`", told.split(".", 1)[0])) == set(map(str, UNUSABLE))


def test_the_commands_exist() -> None:
    assert "corpus" in VERBS
    shown = re.findall(r"earshot corpus (\w+)([^\n#`]*)", PAGE)
    assert len(shown) > 10
    for name, rest in shown:
        command = corpus.get_command(click.Context(corpus), name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--?[a-z-]+", rest)) <= known, name


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_manifest(
        [Utterance(write_tone(tmp_path / f"{n}.wav", 0.2), text="a", speaker=f"s{n}") for n in range(60)],
        tmp_path / "good.jsonl",
    )
    exec(compile(example, "corpora.md", "exec"), {})
    assert len(read_manifest(tmp_path / "test.csv")) > 0
