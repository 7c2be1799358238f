"""docs/example.ipynb: it runs, and what is committed is what running it gives."""

from __future__ import annotations

import difflib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from earshot.core.optional import is_installed

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example.ipynb"
PARTS = ("nbclient", "nbformat", "ipykernel", "anywidget", "matplotlib")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    if missing := [name for name in PARTS if not is_installed(name)]:
        pytest.skip(f"no {', '.join(missing)}: pip install 'earshot[notebook,dev]'")
    spec = importlib.util.spec_from_file_location("build_example", ROOT / "scripts" / "build_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed(builder: ModuleType) -> Any:
    return builder.nbformat.read(EXAMPLE, as_version=4)


def texts(notebook: Any) -> list[str]:
    """What the cells say, without what differs from one machine to another: pictures, and digits of figures."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            found.append(re.sub(r"[\d.,]+", "#", output.get("text") or data.get("text/plain", "")))
    return found


def test_the_cells_are_those_of_the_builder(builder: ModuleType, committed: Any) -> None:
    assert [cell.source for cell in committed.cells] == [cell.source for cell in builder.unexecuted().cells]


def test_nothing_tells_of_the_machine() -> None:
    text = EXAMPLE.read_text()
    for word in ("/home/", "/root/", "/work/", "/tmp/", "site-packages", "C:\\\\"):
        assert word not in text
    assert len(text) < 300_000


@pytest.mark.slow
def test_it_runs_and_says_what_is_committed(
    builder: ModuleType, committed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    fresh = builder.executed(builder.unexecuted())
    kinds = [set(output.get("data", {})) for cell in fresh.cells for output in cell.get("outputs", [])]
    assert any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)
    said, shown = texts(builder.stripped(fresh)), texts(committed)
    assert len(said) == len(shown)
    for new, old in zip(said, shown, strict=True):
        # Processors round differently, so a doubtful word may come out otherwise.
        assert difflib.SequenceMatcher(None, new, old).ratio() > 0.9
