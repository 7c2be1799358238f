"""Thresholds that hold for speech of the user's own, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.commands import CommandStore, Embedder, Teacher
from earshot.commands.loading import load_spotters
from earshot.commands.own_background import (
    between_pauses,
    describe_background,
    load_background,
    save_background,
)
from earshot.core.errors import CommandError
from earshot.core.types import Samples
from tests.cli.command import earshot, read_aloud
from tests.commands.conftest import FIRST, stream, takes


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> CommandStore:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
    store = CommandStore()
    Teacher(store, embedder).teach("light on", takes(FIRST))
    return store


def folder_of_speech(folder: Path, *, minutes: float) -> Path:
    """The same reader over and over, and a file that is none."""
    folder.mkdir()
    sound = read_aloud()
    repeats = int(np.ceil(minutes * 60 * 16_000 / len(sound)))
    soundfile.write(folder / "talk.wav", np.tile(sound, repeats), 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


def heard(store: CommandStore, embedder: Embedder, sound: Samples, *, is_running: bool) -> list[str]:
    spotter = load_spotters(store, embedder, is_running=is_running)()
    return [event.label for event in [*spotter.accept(sound), *spotter.finish()]]


def test_a_word_that_others_say_all_the_time_is_no_command(
    store: CommandStore, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is said in each round of the reading, eighty times an hour.
    monkeypatch.setattr("earshot.commands.own_background.LEAST_MINUTES", 2)
    said = stream(FIRST)
    assert [heard(store, embedder, said, is_running=running) for running in (False, True)] == [["light on"]] * 2
    told = earshot("teach", "--background", folder_of_speech(tmp_path / "talks", minutes=3.6))
    assert told.status == 0
    assert "4 minutes" in told.output
    assert "left out" in told.errors
    assert [heard(store, embedder, said, is_running=running) for running in (False, True)] == [[], []]
    save_background(load_background(store, embedder), store, Embedder(replace(embedder.space, name="older")))
    with pytest.raises(CommandError, match="another version"):
        load_background(store, embedder)
    assert earshot("teach", "--no-background").status == 0
    assert heard(store, embedder, said, is_running=False) == ["light on"]


def test_only_so_much_is_heard_and_an_empty_recording_is_no_end(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.commands.own_background.LEAST_MINUTES", 2)
    monkeypatch.setattr("earshot.commands.own_background.MOST_MINUTES", 2)
    sound = np.tile(read_aloud(), 4)[: 75 * 16_000]
    nothing = np.empty(0, np.float32)

    def recordings() -> Iterator[Samples]:
        yield from (nothing, sound, nothing, sound)
        raise AssertionError("there is no room for more")

    own = describe_background(recordings(), embedder)
    assert own.hours == pytest.approx(2 / 60)
    assert own.between_pauses is not None
    pieces = [*between_pauses(sound), *between_pauses(sound[: 45 * 16_000])]
    assert len(own.between_pauses.durations) == sum(map(len, pieces))


def test_what_is_no_background_is_refused(store: CommandStore, tmp_path: Path, embedder: Embedder) -> None:
    short = folder_of_speech(tmp_path / "short", minutes=0.5)
    refused = earshot("teach", "--background", short)
    assert refused.status == 1
    assert "under 10 minutes" in refused.errors
    with pytest.raises(CommandError, match="hardly anybody speaks"):
        describe_background([np.zeros(11 * 60 * 16_000, np.float32)], embedder)
    assert earshot("teach", "light on", "--background", short).status == 2
    told = earshot("teach", "--background", short / "talk.wav")
    assert "is no folder; name one with recordings" in " ".join(told.errors.split())
    assert not store.background_path.exists()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file"])
def test_a_damaged_one_is_told_with_what_to_do(store: CommandStore, embedder: Embedder, damage: bytes) -> None:
    store.background_path.write_bytes(damage)
    with pytest.raises(CommandError, match=r"cannot be read.*--no-background"):
        load_background(store, embedder)
    assert earshot("spot", "--no-keep").status == 1
