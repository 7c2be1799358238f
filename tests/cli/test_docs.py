"""docs/cli.md tells what the command has: no more, no less."""

from __future__ import annotations

import re
from pathlib import Path

from earshot.cli import VERBS
from earshot.text.formats import FORMATS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    _, table = PAGE.split(f"\n| {heading} |", 1)
    lines = table.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_every_verb_is_told_in_its_own_words() -> None:
    assert rows("verb") == [[name, verb.help] for name, verb in VERBS.items()]


def test_every_format_is_told_as_the_table_of_formats_has_it() -> None:
    assert rows("format") == [
        [name, entry.suffix, entry.summary, "yes" if entry.read else "no"] for name, entry in FORMATS.items()
    ]


def test_every_setting_of_the_environment_is_told() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    used = {name for source in sources for name in re.findall(r"\"(EARSHOT_[A-Z]+)\"", source)}
    internal = {"EARSHOT_UNPLUGGED"}
    assert {name for name, _ in rows("variable")} == used - internal


def test_every_exit_status_of_the_command_is_told() -> None:
    from earshot import cli

    told = {row[0] for row in rows("exit status")}
    assert {str(value) for name, value in vars(cli).items() if name.startswith("STATUS_")} | {"0"} == told
