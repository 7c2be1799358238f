"""Fixtures shared by all rooms: real speech from the installed wheel and, where present, the shared corpora."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from earshot.core.errors import MissingExtraError
from earshot.core.types import Audio

if TYPE_CHECKING:
    from earshot.speakers.encoder import SpeakerEncoder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side a file runs as one, and what wants to be alone at least one after the other."""
    for item in items:
        group = "alone" if item.get_closest_marker("alone") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@dataclass(frozen=True)
class Clip:
    path: Path
    text: str
    duration: float
    speaker: str


def speech_folder() -> Path | None:
    """Real speech for development: $EARSHOT_SPEECH, else ../shared/speech beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "speech"
    folder = Path(os.environ.get("EARSHOT_SPEECH", default))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def speech() -> Path:
    """The folder of shared corpora; skips visibly where it is absent."""
    folder = speech_folder()
    if folder is None:
        pytest.skip("no shared speech: set EARSHOT_SPEECH to a folder of corpora with manifest.jsonl")
    return folder


@pytest.fixture(scope="session")
def librispeech(speech: Path) -> list[Clip]:
    lines = (speech / "librispeech" / "manifest.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Clip(speech / "librispeech" / row["audio"], row["text"], row["duration"], row["speaker"])
        for row in rows
    ]


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """Real speech that an installed dependency carries: the opening of A Tale of Two Cities, 44 s."""
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets" / "two_cities.wav"


@pytest.fixture(scope="session")
def sample(sample_path: Path) -> Audio:
    """The first ten seconds of it, 16 kHz."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(sample_path, dtype="float32")
    samples = samples[: 10 * rate]
    return Audio(np.ascontiguousarray(soxr.resample(samples, rate, 16_000), np.float32), 16_000)


@pytest.fixture(scope="session")
def voices() -> SpeakerEncoder:
    """What tells voices apart here; skips visibly where nothing does."""
    from earshot.speakers.encoder import find_encoder

    try:
        return find_encoder(num_threads=1)
    except MissingExtraError as error:
        pytest.skip(f"no voice encoder: {error.fix}")


SAMPLE_TEXT = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness"
)
"""What the ten seconds begin with."""
