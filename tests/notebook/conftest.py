from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.core.types import Audio
from tests.notebook.lab import (
    Page,
    browser,
    jupyter_lab,
    private_environment,
    require_lab,
    write_clip,
    write_notebook,
)

CLIP_TEXT = "it was the best of times it was the worst of times"
BEFORE = 1.0
SPEECH_END = BEFORE + 4.6
"""Seconds from the start of the clip."""


@dataclass
class Lab:
    """JupyterLab, ready for several notebooks and browsers."""

    folder: Path
    address: str

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime"

    def open(self, driver: Any, name: str, *cells: str, host: str = "127.0.0.1") -> Page:
        path = self.folder / "notebooks" / f"{name}.ipynb"
        write_notebook(path, *cells)
        return Page(driver, self.address.replace("127.0.0.1", host), path.name, self.runtime)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    require_lab()
    folder = tmp_path_factory.mktemp("lab")
    with jupyter_lab(folder, private_environment(folder)) as address:
        yield Lab(folder, address)


@pytest.fixture(scope="session")
def clip(sample_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3.4 s of real speech within silence; plays once from the moment the microphone is opened."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    audio = read_audio(sample_path)
    write_clip(path, Audio(np.ascontiguousarray(audio.samples[: int(4.95 * 16_000)])), before=BEFORE)
    return path


@pytest.fixture
def driver(lab: Lab, clip: Path) -> Iterator[Any]:
    with browser(lab.folder, sound=clip) as started:
        yield started
