"""One small training that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.training.recognition.tiny_language import write_language, write_toml

pytest.importorskip("torch", reason="torch: pip install 'earshot[train]'")
pytest.importorskip("pytorch_lightning", reason="pytorch-lightning: pip install 'earshot[train]'")
pytest.importorskip("onnx", reason="onnx: pip install 'earshot[train]'")


@dataclass(frozen=True)
class Run:
    """folder: of the training. errors: what it told. toml: its options."""

    folder: Path
    toml: Path
    output: str
    errors: str


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> None:
    """Nets this small are slower on several, and tests run side by side."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.jsonl, dev.jsonl, all.jsonl and the recordings."""
    return write_language(tmp_path_factory.mktemp("language"))


@pytest.fixture(scope="session")
def trained(language: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that went to its end, by the command."""
    from tests.cli.command import earshot

    folder = tmp_path_factory.mktemp("trained") / "run"
    toml = write_toml(folder.parent / "run.toml", language)
    result = earshot("train", "recognizer", toml, "--output", folder, "--licence", "CC0-1.0")
    assert result.status == 0, result.errors
    return Run(folder, toml, result.output, result.errors)
