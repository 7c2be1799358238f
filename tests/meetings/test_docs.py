"""docs/speakers.md tells what there is: its tables are the code's, its example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from earshot.cli import VERBS
from earshot.meetings import MEETING_FORMATS
from earshot.meetings.minutes import RULES
from tests.speakers.people import conversation, require_encoder

PAGE = (Path(__file__).parents[2] / "docs" / "speakers.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    _, table = PAGE.split(f"\n| {heading} |", 1)
    lines = table.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_every_format_is_told() -> None:
    assert rows("format") == [[name, entry.suffix, entry.summary] for name, entry in MEETING_FORMATS.items()]


def test_every_rule_is_told_in_its_own_words() -> None:
    assert rows("rule") == [[rule.title, rule.explanation] for rule in RULES.values()]


def test_every_option_that_is_shown_exists() -> None:
    import importlib

    known = {"--diarize"}
    for name in ("meeting", "speakers"):
        command = getattr(importlib.import_module(VERBS[name].module), VERBS[name].attribute)
        for one in (command, *getattr(command, "commands", {}).values()):
            known |= {
                option for parameter in one.params for option in (*parameter.opts, *parameter.secondary_opts)
            }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= known


def test_every_picture_is_there() -> None:
    folder = Path(__file__).parents[2] / "docs"
    for name in re.findall(r"\]\((images/[^)]+)\)", PAGE):
        assert (folder / name).is_file()


def test_the_python_example_runs(tmp_path: Path) -> None:
    require_encoder()
    conversation(tmp_path / "team.wav")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert "Speaker 1: It was the best of times" in done.stdout
    assert (tmp_path / "minutes" / "meeting.html").is_file()
