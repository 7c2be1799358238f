"""docs/evaluation.md tells what there is: its table is the code's, its commands exist, its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earshot.cli.corpus_mining import mark
from earshot.cli.evaluate import evaluate
from earshot.corpora.evaluation import NORMALISATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_table_is_the_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, one.description) for name, one in NORMALISATIONS.items()]


def test_the_commands_exist() -> None:
    verbs = {"evaluate": evaluate, "corpus mark": mark}
    shown = re.findall(r"^earshot (evaluate|corpus mark)(.*)$", PAGE, re.MULTILINE)
    assert len(shown) > 6
    for name, rest in shown:
        known = {option for parameter in verbs[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--?[a-z-]+", rest)) <= known, rest
    mentioned = set(re.findall(r"`(--[a-z-]+)`", PAGE))
    assert mentioned <= {option for parameter in evaluate.params for option in parameter.opts}


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    rows = [f'{{"audio": "{place}.wav", "text": "one two"}}\n' for place in range(8)]
    (tmp_path / "test.jsonl").write_text("".join(rows))
    (tmp_path / "theirs.txt").write_text("".join(f"{place} one too\n" for place in range(8)))
    exec(compile(example, "evaluation.md", "exec"), {})
    assert capsys.readouterr().out == "0.5 (0.5, 0.5)\n"
