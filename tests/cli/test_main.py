"""The frame of the command: verbs, spellings, exit statuses, pipes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import earshot as package
from earshot.cli import VERBS, run
from tests.cli.command import (
    BROKEN_ENGINE,
    assert_one_line_error,
    command,
    earshot,
    earshot_process,
    install_engine,
    write_speech,
)


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert name in shown
        assert verb.help in shown


def test_without_arguments_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "transcribe" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"earshot {package.__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_its_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"Usage: earshot {verb}" in capsys.readouterr().out


def test_an_unknown_verb_names_the_nearest() -> None:
    assert_one_line_error(earshot("transcrib", "a.wav"), "'transcrib'", "'transcribe'", status=2)


def test_an_unknown_option_names_the_nearest() -> None:
    result = earshot("transcribe", "--langauge", "en", "a.wav")
    assert_one_line_error(result, "--langauge", "--language", "earshot transcribe --help", status=2)


def test_a_value_of_the_wrong_kind_is_a_usage_error() -> None:
    assert_one_line_error(earshot("transcribe", "--threads", "many", "a.wav"), "--threads", "many", status=2)


def test_options_may_be_spelled_with_underscores(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    arguments = ("--engine", "scripted", "--output_dir", tmp_path / "out", "--output_format", "txt")
    assert earshot("transcribe", recording, *arguments).status == 0
    assert (tmp_path / "out" / "talk.txt").is_file()


def test_a_bug_is_one_line_that_says_how_to_see_more(tmp_path: Path) -> None:
    environment = install_engine(tmp_path / "plugin", "broken", BROKEN_ENGINE)
    recording = write_speech(tmp_path / "talk.wav")
    result = earshot_process("transcribe", "--engine", "broken", recording, environment=environment)
    assert result.status == 70
    assert result.error_lines == [
        "earshot: internal error: ValueError: a bug of two lines: this is a bug of Earshot;"
        " EARSHOT_DEBUG=1 shows where"
    ]
    environment["EARSHOT_DEBUG"] = "1"
    result = earshot_process("transcribe", "--engine", "broken", recording, environment=environment)
    assert result.status == 70
    assert "Traceback" in result.errors
    assert 'raise ValueError("a bug' in result.errors


def test_a_reader_that_stops_ends_it_quietly(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "long.wav", seconds=600)
    with subprocess.Popen(
        command("transcribe", "--engine", "scripted", recording),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().strip()
        process.stdout.close()
        errors = process.stderr.read()
    assert errors == b""
    assert process.returncode in (0, 141)  # 0 when it was done before the pipe closed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
def test_standard_output_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("transcribe", "--engine", "scripted", recording), stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["earshot: error: No space left on device"]


def test_python_m_earshot_is_the_same_command() -> None:
    result = earshot_process("--version")
    assert (result.status, result.output) == (0, f"earshot {package.__version__}\n")
