from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from earshot.cli._sample import SAMPLE_WORDS, Heard
from earshot.cli.doctor import judge_offline
from earshot.engines import engine_names
from tests.cli.command import assert_one_line_error, earshot, earshot_process, install_engine


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    result = earshot("doctor", "--offline", "--json")
    assert result.status == 0, result
    assert result.errors == ""
    return json.loads(result.output)


def checks_of(report: dict[str, object]) -> dict[str, dict[str, str]]:
    rows = report["checks"]
    assert isinstance(rows, list)
    return {row["name"]: row for row in rows}


def test_the_main_job_works_here(report: dict[str, object]) -> None:
    assert report["works"] is True
    transcription = checks_of(report)["transcription"]
    assert transcription["state"] == "ok"
    assert "words right" in transcription["detail"]


def test_it_works_without_a_network(report: dict[str, object]) -> None:
    offline = checks_of(report)["offline"]
    assert offline["state"] == "ok"
    assert "no socket was opened" in offline["detail"]
    if sys.platform == "linux":
        assert "seccomp" in offline["detail"]


def test_every_engine_is_named(report: dict[str, object]) -> None:
    checks = checks_of(report)
    assert set(engine_names()) <= set(checks)
    assert checks["moonshine"]["state"] == "ok"


def test_what_is_missing_comes_with_its_command(report: dict[str, object]) -> None:
    for check in checks_of(report).values():
        assert check["state"] in ("ok", "missing", "broken")
        if check["state"] == "missing":
            assert check["fix"]


def test_an_engine_without_its_library_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['vosk'] = None\n"
        "from earshot.cli import run; sys.exit(run(['doctor', '--engine', 'scripted']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'earshot[vosk]'" in done.stdout


def test_an_engine_that_hears_other_words_fails() -> None:
    result = earshot("doctor", "--engine", "scripted")
    assert result.status == 1
    assert "✗ transcription" in result.output
    assert "Earshot does not work here" in result.output


def test_an_unknown_engine_is_one_line() -> None:
    assert_one_line_error(earshot("doctor", "--engine", "wisper"), "did you mean 'whisper'?")


def test_an_engine_that_phones_home_is_caught(tmp_path: Path) -> None:
    code = """
import socket
from earshot.engines import Engine
from earshot.engines.scripted import ScriptedRecognizer
from earshot.cli._sample import SAMPLE_WORDS

def load(options):
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)   # an address of the documentation net
    except OSError:
        pass                                                       # many libraries are as quiet as this
    return ScriptedRecognizer(SAMPLE_WORDS)

ENGINE = Engine("phoning", "phones home", load, has_default_model=True)
"""
    environment = install_engine(tmp_path, "phoning", code)
    result = earshot_process("doctor", "--offline", "--engine", "phoning", environment=environment)
    assert result.status == 1
    assert "✓ transcription" in result.output
    assert "✗ offline" in result.output
    assert "socket was" in result.output or "stopped by the kernel" in result.output


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is the Linux kernel's")
def test_a_socket_of_a_c_library_is_caught(tmp_path: Path) -> None:
    code = """
import ctypes
from earshot.engines import Engine
from earshot.engines.scripted import ScriptedRecognizer
from earshot.cli._sample import SAMPLE_WORDS

def load(options):
    ctypes.CDLL(None).socket(2, 1, 0)
    return ScriptedRecognizer(SAMPLE_WORDS)

ENGINE = Engine("phoning", "phones home", load, has_default_model=True)
"""
    environment = install_engine(tmp_path, "phoning", code)
    result = earshot_process("doctor", "--offline", "--engine", "phoning", environment=environment)
    assert result.status == 1
    assert "stopped by the kernel" in result.output


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = earshot_process("doctor", environment={"EARSHOT_HOME": os.fspath(tmp_path / "file" / "store")})
    assert result.status == 0
    assert "Traceback" not in result.errors


@pytest.mark.parametrize(
    ("status", "output", "errors", "part"),
    [
        (1, "", "Traceback …\nValueError: no", "ValueError: no"),
        (0, "nonsense", "", "status 0"),
        (0, '{"attempts": ["socket.connect"], "is_right": true}', "", "socket.connect"),
        (0, '{"attempts": [], "is_right": false, "text": "hm"}', "", "'hm'"),
    ],
)
def test_a_sealed_process_that_fails_is_judged_broken(status: int, output: str, errors: str, part: str) -> None:
    check = judge_offline(status, output, errors)
    assert check.state == "broken"
    assert part in check.detail


def test_words_are_counted_in_order() -> None:
    assert Heard(SAMPLE_WORDS.upper() + ".", 1.0).is_right
    assert not Heard("", 1.0).is_right
    assert not Heard(" ".join(reversed(SAMPLE_WORDS.split())), 1.0).is_right
    assert Heard(SAMPLE_WORDS.replace("wisdom", "whiskers"), 1.0).num_right == len(SAMPLE_WORDS.split()) - 1
