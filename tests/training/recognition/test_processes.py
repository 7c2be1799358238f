"""Several processes share the work of one training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from earshot.models.card import read_card
from tests.cli.command import earshot
from tests.training.recognition.tiny_language import write_toml

TRAIN = ("-m", "earshot", "train", "recognizer")
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d")
TORCHRUN += ("--rdzv-endpoint", "localhost:0")


@pytest.mark.slow
@pytest.mark.parametrize("before", [(), TORCHRUN])
def test_two_processes_make_one_model(before: Sequence[str], language: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "run.toml", language, learning={"epochs": 3, "batch_seconds": 5})
    home = tmp_path / "home"
    arguments = [*TRAIN, str(toml), "-o", str(tmp_path / "run"), "--processes", "2", "--deploy", "shared"]
    done = subprocess.run(
        [sys.executable, *before, *arguments],
        capture_output=True,
        timeout=400,
        env={**os.environ, "EARSHOT_HOME": str(home), "OMP_NUM_THREADS": "1"},
    )
    output, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, errors
    counts = Counter(line.split()[0] for line in output.splitlines() if line.strip())
    assert counts["errors"] == counts["model"] == counts["deployed"] == 1, output
    epochs = [line.split()[1] for line in errors.splitlines() if line.startswith("epoch ")]
    assert epochs == ["1", "2", "3"], errors
    assert sum(line.startswith("learns from") for line in errors.splitlines()) == 1
    rows = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert read_card(tmp_path / "run/model").engine == "ctc"
    assert len(list((home / "models").glob("shared*"))) == 1


def test_processes_that_know_nothing_of_each_other_are_told(
    language: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    toml = write_toml(tmp_path / "run.toml", language)
    done = earshot("train", "recognizer", toml, "-o", tmp_path / "run")
    assert done.status == 1
    assert "--processes" in done.error_lines[-1]
