"""Phrases to teach: pieces of a real recording that an installed dependency carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.commands import CommandStore, Embedder, Teacher
from earshot.core.types import Samples
from tests.cli.command import read_aloud


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture
def store(tmp_path: Path) -> CommandStore:
    return CommandStore(tmp_path / "commands")


@pytest.fixture
def teacher(store: CommandStore, embedder: Embedder) -> Teacher:
    return Teacher(store, embedder)


def piece(start: float, end: float) -> Samples:
    """Of a person who reads A Tale of Two Cities."""
    return read_aloud()[round(start * 16_000) : round(end * 16_000)].copy()


def takes(phrase: tuple[float, float], count: int = 3) -> list[tuple[str, Samples]]:
    """A phrase said again and again: the same piece, a little shifted, softer, and with other noise."""
    rng = np.random.default_rng(0)
    start, end = phrase
    made = []
    for number in range(count):
        sound = piece(start + 0.01 * number, end + 0.02 * number) * (1 - 0.2 * number)
        quiet = np.zeros(3_200, np.float32)
        noise = 1e-3 * rng.standard_normal(len(sound) + 6_400).astype(np.float32)
        made.append((f"take {number + 1}", np.concatenate([quiet, sound, quiet]).astype(np.float32) + noise))
    return made


FIRST, SECOND, THIRD = (26.47, 27.63), (32.68, 33.36), (4.92, 6.26)
"""Three phrases that stand between pauses in the recording."""


def stream(*phrases: tuple[float, float], pause: float = 1.0) -> Samples:
    """Each between pauses, over soft noise."""
    quiet = np.zeros(round(pause * 16_000), np.float32)
    parts = [quiet, *(part for phrase in phrases for part in (piece(*phrase), quiet))]
    sound = np.concatenate(parts)
    return (sound + 1e-3 * np.random.default_rng(1).standard_normal(len(sound))).astype(np.float32)
