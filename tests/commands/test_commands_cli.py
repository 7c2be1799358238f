"""``earshot teach`` and ``earshot spot`` as users type them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.command import Result, assert_one_line_error, earshot, earshot_process
from tests.commands.conftest import FIRST, SECOND, THIRD, stream, takes


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    return tmp_path / "earshot"


def write(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(samples, -1, 1), 16_000)
    return path


def lesson(folder: Path, phrase: tuple[float, float], count: int = 3) -> list[Path]:
    return [
        write(folder / f"{phrase[0]}-{n}.wav", samples) for n, (_, samples) in enumerate(takes(phrase, count))
    ]


def taught(folder: Path) -> Result:
    return earshot("teach", "light on", *lesson(folder, FIRST))


def test_a_word_is_taught_listed_renamed_and_forgotten(tmp_path: Path, home: Path) -> None:
    result = taught(tmp_path)
    assert result.status == 0
    assert result.errors == ""
    assert result.output.startswith("light on: learned from 3 recordings\n")
    assert "agreement" in result.output
    assert "false alarms" in result.output
    assert earshot("teach", "--list").output.startswith("light on\t3 recordings\t")
    assert earshot("teach", "light on", "--rename", "мастер, свет").status == 0
    assert "мастер, свет" in earshot("teach", "--list").output
    assert earshot("teach", "мастер, свет", "--forget").status == 0
    assert earshot("teach", "--list").output == ""
    assert not list(home.rglob("*.flac"))


def test_a_taught_word_is_spotted_in_a_recording(tmp_path: Path) -> None:
    taught(tmp_path)
    result = earshot("spot", write(tmp_path / "a.wav", stream(THIRD, FIRST)))
    assert result.status == 0
    (line,) = result.output.splitlines()
    name, time, label, confidence = line.split("\t")
    assert name.endswith("a.wav")
    assert label == "light on"
    assert 4.2 < float(time) < 4.7
    assert 0.5 <= float(confidence) <= 1


def test_a_folder_becomes_a_table_and_lines_of_json(tmp_path: Path) -> None:
    taught(tmp_path / "lesson")
    write(tmp_path / "clips" / "a.wav", stream(FIRST))
    write(tmp_path / "clips" / "b.wav", stream(SECOND))
    (tmp_path / "clips" / "c.wav").write_bytes(b"no sound")
    result = earshot("spot", tmp_path / "clips", "--json", "--csv", tmp_path / "out.csv")
    assert result.status == 1
    assert len(result.error_lines) == 1
    assert "c.wav" in result.errors
    (event,) = [json.loads(line) for line in result.output.splitlines()]
    assert event["type"] == "spotted"
    assert event["label"] == "light on"
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(Path(row["file"]).name, row["label"]) for row in rows] == [("a.wav", "light on"), ("b.wav", "")]


def test_a_pipe_is_listened_to(tmp_path: Path) -> None:
    taught(tmp_path)
    pcm = (32_767 * np.clip(stream(FIRST), -1, 1)).astype("<i2").tobytes()
    result = earshot_process("spot", "-", "--json", stdin=pcm)
    assert result.status == 0
    assert result.errors == ""
    assert [json.loads(line)["label"] for line in result.output.splitlines()] == ["light on"]


def test_three_words_said_one_after_the_other_are_recordings_too(tmp_path: Path) -> None:
    sound = write(tmp_path / "three.wav", stream(FIRST, FIRST, FIRST, pause=1.5))
    result = earshot("teach", "light on", "--from-file", sound, "--speed", "0")
    assert result.status == 0, result.errors
    assert "learned from 3 recordings" in result.output
    assert "again: 3" in result.errors


def test_fewer_words_than_asked_for_teach_nothing(tmp_path: Path) -> None:
    sound = write(tmp_path / "one.wav", stream(FIRST, pause=1.5))
    result = earshot("teach", "light on", "--from-file", sound, "--speed", "0")
    assert result.status == 1
    assert "only 1 of 3 recordings" in result.error_lines[-1]
    assert earshot("teach", "--list").output == ""


def test_one_recording_is_accepted_with_a_warning(tmp_path: Path) -> None:
    result = earshot("teach", "light on", *lesson(tmp_path, FIRST, 1))
    assert result.status == 0
    assert "1 of 3 recordings" in result.errors


def test_an_old_word_is_refused_and_more_recordings_are_added_with_more(tmp_path: Path) -> None:
    taught(tmp_path)
    assert_one_line_error(taught(tmp_path), "taught already", "--more")
    assert earshot("teach", "light on", *lesson(tmp_path, FIRST, 1), "--more").status == 0
    assert "4 recordings" in earshot("teach", "--list").output
    assert_one_line_error(earshot("teach", "light of", "a.wav", "--more"), "did you mean 'light on'?")


def test_bad_recordings_are_refused_in_one_line(tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", 0.1 * np.ones(800))
    long = write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(16_000 * 12))
    silent = write(tmp_path / "silent.wav", np.zeros(16_000))
    assert_one_line_error(earshot("teach", "a", short), "short.wav", "too short")
    assert_one_line_error(earshot("teach", "a", long), "long.wav", "too long")
    assert_one_line_error(earshot("teach", "a", silent), "silent.wav", "silence")
    assert_one_line_error(earshot("teach", "a", tmp_path / "none.wav"), "none.wav")
    mixed = [lesson(tmp_path, phrase, 1)[0] for phrase in (FIRST, SECOND, THIRD)]
    assert_one_line_error(earshot("teach", "a", *mixed), "different words")
    assert earshot("teach", "--list").output == ""


def test_mistaken_command_lines_are_told(tmp_path: Path) -> None:
    assert_one_line_error(earshot("teach"), "name the word", status=2)
    assert_one_line_error(earshot("teach", "a", "--list", "--forget"), "one thing", status=2)
    assert_one_line_error(earshot("teach", *lesson(tmp_path, FIRST)), "name the word first", status=2)
    assert_one_line_error(earshot("teach", "a", "--forget"), "no command 'a'", "nothing is taught")
    assert_one_line_error(earshot("spot", "a.wav"), "nothing is taught yet")
    assert_one_line_error(earshot("spot", "--csv", tmp_path / "a.csv"), "--csv", status=2)
    assert_one_line_error(earshot("spot", "a.wav", "--false-alarms-per-hour", "0"), status=2)
