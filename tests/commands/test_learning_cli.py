"""Corrections, folders, and the wake word, as users type them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import assert_one_line_error, earshot, earshot_process
from tests.commands.conftest import FIRST, SECOND, piece, stream
from tests.commands.test_commands_cli import lesson, write
from tests.commands.test_running import in_a_sentence


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    return tmp_path / "earshot"


def test_a_folder_teaches_and_a_sentence_is_searched(tmp_path: Path) -> None:
    lesson(tmp_path / "light", FIRST)
    result = earshot("teach", "light on", "--from", tmp_path / "light")
    assert result.status == 0
    assert result.output.startswith("light on: learned from 3 recordings\n")
    sound = write(tmp_path / "sentence.wav", in_a_sentence()[0])
    assert earshot("spot", sound).output == ""
    result = earshot("spot", sound, "--running", "--only", "light on", "--json")
    (event,) = [json.loads(line) for line in result.output.splitlines()]
    assert event["label"] == "light on"
    (tmp_path / "empty").mkdir()
    assert_one_line_error(earshot("teach", "other", "--from", tmp_path / "empty"), "no recordings")
    assert earshot("teach", "other", "--from", tmp_path / "absent").status == 2
    assert_one_line_error(earshot("spot", sound, "--only", "light of"), "light on")
    told = earshot("teach", "other", "--from", sound)
    assert "is no folder; name recordings without --from" in " ".join(told.errors.split())


def test_of_a_folder_what_nobody_could_learn_from_is_left_out_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "light"
    lesson(folder, FIRST)
    write(folder / "silent.wav", np.zeros(16_000))
    (folder / "broken.wav").write_bytes(b"no sound")
    result = earshot("teach", "light on", "--from", folder)
    assert result.status == 0
    assert result.output.startswith("light on: learned from 3 recordings\n")
    broken, silent = result.error_lines
    assert "left out" in silent
    assert "silent.wav is digital silence" in silent
    assert "broken.wav" in broken
    for path in folder.glob("*-*.wav"):
        path.unlink()
    assert_one_line_error(earshot("teach", "other", "--from", folder), "none of 2 recordings")
    assert_one_line_error(earshot("teach", "other", folder / "silent.wav"), "digital silence")


def test_an_event_is_corrected_by_its_number(tmp_path: Path) -> None:
    earshot("teach", "light on", *lesson(tmp_path, FIRST))
    earshot("teach", "light off", *lesson(tmp_path, SECOND))
    sound = write(tmp_path / "a.wav", stream(FIRST))
    live = earshot("spot", "--from-file", sound, "--speed", "0", "--json")
    (event,) = [json.loads(line) for line in live.output.splitlines()]
    assert event["number"] == 1
    assert earshot("teach", "--heard").output.split("\t")[0] == "1"
    assert earshot("teach", "--was-right", "1").output == "light on: learned from event 1\n"
    assert earshot("teach", "light off", "--was-right", "1").output == "light off: learned from event 1\n"
    assert earshot("teach", "--was-wrong", "1").output == "light on: event 1 rejected\n"
    assert "light on\t4 recordings" in earshot("teach", "--list").output
    assert "light off\t4 recordings" in earshot("teach", "--list").output
    assert_one_line_error(earshot("teach", "--was-right", "7"), "event 7 is not kept")
    assert earshot("teach", "light on", "--was-right", "1", "--more").status == 2
    earshot("spot", "--from-file", sound, "--speed", "0", "--no-keep")
    earshot("teach", "light on", "--forget")
    assert earshot("teach", "--heard").output == ""


@pytest.mark.slow
def test_listen_writes_only_what_follows_the_wake_word(tmp_path: Path) -> None:
    earshot("teach", "wake", *lesson(tmp_path, FIRST))
    sound = [piece(4.92, 6.26), stream(FIRST), piece(32.6, 35.5), stream(), stream(), stream(), stream()]

    path = write(tmp_path / "a.wav", np.concatenate(sound))
    result = earshot("listen", "--wake", "wake", "--from-file", path, "--speed", "0", "--no-journal", "--json")
    assert result.status == 0, result.errors
    finals = [row for row in map(json.loads, result.output.splitlines()) if row["type"] == "final"]
    everything = earshot("listen", "--from-file", path, "--speed", "0", "--no-journal", "--json")
    all_finals = [row for row in map(json.loads, everything.output.splitlines()) if row["type"] == "final"]
    assert 0 < len(finals) < len(all_finals)
    assert_one_line_error(
        earshot_process("listen", "--wake", "nothing", "--from-file", str(path)), "no command 'nothing'"
    )
