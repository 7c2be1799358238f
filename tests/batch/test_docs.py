"""docs/batch.md: its queries run, its manifest is one, its commands exist."""

from __future__ import annotations

import contextlib
import re
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.batch.conftest import Runner

PAGE = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def results(batch: Runner, clips: Path, tmp_path: Path, spoken: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    from earshot.transcription import TranscriptionOptions

    soundfile.write(clips / "two cities.wav", spoken, 16_000)
    batch(out=tmp_path / "results", transcription=TranscriptionOptions(num_threads=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def test_the_queries_run_as_they_are(results: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="no DuckDB: pip install 'earshot[dev]'")
    pandas = pytest.importorskip("pandas", reason="no pandas: pip install 'earshot[dev]'")
    texts, words, ledger = blocks("sql")
    found = duckdb.sql(texts).fetchall()
    assert len(found) >= 2
    assert all("age of" in text.lower() for _, _, text in found)
    counted = duckdb.sql(words).fetchall()
    assert counted[0][1] >= counted[-1][1] > 0
    with contextlib.closing(sqlite3.connect(results / "ledger.sqlite")) as db:
        [(state, count, hours, work)] = db.execute(ledger).fetchall()
    assert (state, count) == ("done", 7)
    assert hours > 0
    assert work > 0
    [code] = blocks("python")
    names: dict[str, Any] = {}
    exec(code, names)
    assert isinstance(names["table"], pandas.DataFrame)
    assert names["hours"]["two cities.wav"] * 3600 > 30
    assert set(names["table"]["recipe"].astype(str)) == {
        path.name for path in (results / "transcripts").iterdir()
    }


def test_the_table_has_the_columns_that_are_told(results: Path) -> None:
    from earshot.batch.table import schema

    table = PAGE.split("| column | what it is |\n", 1)[1].split("\n\n", 1)[0]
    told = {name for line in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert told == {*schema().names, "recipe"}


def test_the_manifest_is_one(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    [text] = blocks("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]["rayClusterSpec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        [container] = group["template"]["spec"]["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
    assert options_are_known(shlex.split(job["spec"]["entrypoint"]))


def test_every_command_shown_has_known_options() -> None:
    lines = [line.split("#")[0] for block in blocks("sh") for line in block.splitlines()]
    shown = [shlex.split(line.split("$ ", 1)[-1]) for line in lines if "earshot batch" in line]
    shown += [shlex.split(text) for text in re.findall(r"`(earshot batch [^`]+)`", PAGE)]
    assert len(shown) >= 7
    for arguments in shown:
        assert options_are_known(arguments), arguments
    for option in re.findall(r"`(--[a-z-]+)", PAGE):
        assert option in known_options() | {"--head", "--ray-client-server-port"}, option


def options_are_known(arguments: list[str]) -> bool:
    return all(part in known_options() for part in arguments if part.startswith("--"))


def known_options() -> set[str]:
    from earshot.cli.batch import batch

    return {
        option
        for command in batch.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
