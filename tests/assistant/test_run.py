"""``earshot assistant run`` and the keys that talk to it, as programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from earshot.cli import run
from tests.assistant.voices import made, spoken, tracing_program, with_pauses
from tests.live.virtual_microphone import VirtualMicrophone, start_virtual_microphone

SENTENCES = """
language: en
intents:
  Paint: {data: [{sentences: ["paint the kitchen {colour}"]}]}
  Forget: {data: [{sentences: ["forget everything now"]}]}
lists:
  colour: {values: [red, green, yellow]}
"""

ACTIONS = """
[actions.Paint]
do = "program.run"
argv = ["PROGRAM", "{colour}"]
risk = "low"
[actions.Forget]
do = "program.run"
argv = ["PROGRAM", "forgotten"]
destructive = true
"""


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Home:
    """A folder for everything that a user has; the runtime folder is short, as sockets want it."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def files(self) -> tuple[str, ...]:
        return ("-g", str(self.folder / "own.yaml"), "--actions", str(self.folder / "own.toml"))

    def earshot(self, *arguments: str) -> Done:
        self.capture.readouterr()
        status = run(["assistant", *arguments])
        told = self.capture.readouterr()
        return Done(status, told.out, told.err)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "earshot", "assistant", "run", *self.files, *arguments],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def recording(self, *clips: Any) -> str:
        path = self.folder / "said.wav"
        soundfile.write(path, with_pauses(*clips), 16_000)
        return str(path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="es") as runtime:
        monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        (tmp_path / "own.yaml").write_text(SENTENCES)
        (tmp_path / "own.toml").write_text(ACTIONS.replace("PROGRAM", str(tracing_program(tmp_path))))
        yield Home(tmp_path, capsys)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_orders_of_a_recording_are_done_kept_and_logged(home: Home) -> None:
    path = home.recording(spoken("paint the kitchen yellow"))
    options = ("--from-file", path, "--speed", "0", "--json", "--quiet", "--keep-audio")
    done = home.earshot("run", *home.files, *options)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["type"] for row in rows] == ["ready", "heard", "done"], done.stderr
    assert rows[2]["slots"] == {"colour": "yellow"}
    assert made(home.folder) == ["yellow"]
    entry = json.loads(home.earshot("log", "--json").stdout)
    assert soundfile.info(entry["audio"]).samplerate == 16_000
    assert (Path(entry["audio"]).stat().st_mode & 0o077) == 0


def test_replies_are_notifications_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = home.folder / "programs"
    programs.mkdir()
    shown = home.folder / "shown"
    (programs / "notify-send").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{shown}"\n')
    (programs / "notify-send").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    path = home.recording(spoken("forget everything now"))
    done = home.earshot("run", *home.files, "--from-file", path, "--speed", "0", "--quiet", "--notify")
    assert done.stderr == ""
    assert "forget everything now: shall I?" in shown.read_text().lower().replace("shall i", "shall I")


def test_without_notifications_it_is_told_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = home.folder / "programs"
    programs.mkdir()
    (programs / "notify-send").write_text("#!/bin/sh\nexit 1\n")
    (programs / "notify-send").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    path = home.recording(spoken("paint the kitchen yellow"), spoken("paint the kitchen red"))
    done = home.earshot("run", *home.files, "--from-file", path, "--speed", "0", "--quiet", "--notify")
    assert made(home.folder) == ["red", "yellow"]
    assert done.stderr.count("no notifications are shown") == 1


@pytest.mark.slow
def test_keys_talk_to_a_running_assistant(home: Home) -> None:
    running = home.start("-", "--push-to-talk", "--quiet", stdin=subprocess.PIPE)
    try:
        until(lambda: home.earshot("status").stdout == "asleep\n")
        assert home.earshot("toggle").stdout == "listening\n"
        assert home.earshot("toggle").stdout == "asleep\n"
        assert home.earshot("push").stdout == "listening\n"
        assert home.earshot("release").stdout == "listening\n"
        assert home.earshot("say", "paint", "the", "kitchen", "red").returncode == 0
        assert made(home.folder) == ["red"]
        assert home.earshot("say", "forget everything now").stdout.strip().endswith("shall I?")
        assert json.loads(home.earshot("status", "--json").stdout)["phase"] == "confirming"
        assert home.earshot("confirm", "--no").stdout == "no\n"
        assert home.earshot("confirm").stdout == "nothing was asked\n"
        home.earshot("say", "forget everything now")
        assert home.earshot("confirm").stdout == "yes\n"
        assert made(home.folder) == ["forgotten", "red"]
        assert home.earshot("say", "make coffee").returncode == 1
        assert home.earshot("cancel").returncode == 0
        second = home.earshot("run", *home.files, "--quiet", "--from-file", home.recording())
        assert "running already" in second.stderr
    finally:
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 0
    assert errors == ""
    gone = home.earshot("toggle")
    assert gone.returncode == 1
    assert "no assistant is running" in gone.stderr
    assert len(gone.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--from-file", "nothing.wav"], 1, "no file nothing.wav"),
        (["--wake", "nobody"], 1, "there is no command 'nobody'"),
        (["--wake", "a", "--push-to-talk"], 2, "not both"),
        (["--engine", "nonesuch"], 1, "nonesuch"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(home: Home, arguments: list[str], status: int, told: str) -> None:
    done = home.earshot("run", *home.files, *arguments)
    assert done.returncode == status
    assert told in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_a_language_that_no_engine_knows(home: Home) -> None:
    done = home.earshot("run", "--language", "ru", "--from-file", home.recording())
    assert done.returncode == 1
    assert "knows English, not 'ru'" in done.stderr


def test_a_sentence_is_added_and_heard_as_a_sound(home: Home) -> None:
    takes = []
    for number, (speed, pitch) in enumerate(((150, 50), (140, 45), (165, 58))):
        takes.append(str(home.folder / f"take{number}.wav"))
        soundfile.write(
            takes[-1], with_pauses(spoken("washa muziki", voice="sw", speed=speed, pitch=pitch)), 16_000
        )
    words = ("add", "washa muziki", *takes, "--do", "StartMusic", "--language", "sw", "--recordings", "3")
    added = home.earshot(*words)
    assert added.returncode == 0, added.stderr
    path = home.recording(spoken("washa muziki", voice="sw", speed=155, pitch=52))
    options = ("--language", "sw", "--dry-run", "--quiet", "--speed", "0", "--json")
    done = home.earshot("run", "--from-file", path, *options)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["type"] for row in rows][:2] == ["ready", "heard"], done.stderr
    assert rows[-1]["intent"] == "StartMusic"
    assert rows[-1]["status"] == "dry-run"
    again = home.earshot(*words)
    assert again.returncode == 1
    assert "taught already" in again.stderr


@pytest.fixture
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    with tempfile.TemporaryDirectory(prefix="es") as folder:
        yield from start_virtual_microphone(Path(folder))


@pytest.mark.slow
def test_a_microphone_of_a_real_sound_server(
    home: Home, microphone: VirtualMicrophone, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_home = os.environ["EARSHOT_HOME"]
    for name, value in {**microphone.environment, "EARSHOT_HOME": own_home}.items():
        monkeypatch.setenv(name, value)
    running = home.start("--json")
    path = Path(home.recording(spoken("paint the kitchen yellow")))
    try:
        until(lambda: home.earshot("status").returncode == 0)
        deadline = time.monotonic() + 120
        while not made(home.folder) and time.monotonic() < deadline:
            microphone.play(path)  # again where the first was over before the microphone was open
        # Its question is played into the same room, so the microphone hears it.
        risky = Path(home.recording(spoken("forget everything now")))
        while "forgotten" not in made(home.folder) and time.monotonic() < deadline:
            if not home.earshot("status").stdout.startswith("confirming"):
                microphone.play(risky)
                continue
            time.sleep(3)  # for the question to be said and heard
            assert made(home.folder) == ["yellow"]
            home.earshot("confirm")
    finally:
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=60)
    assert made(home.folder) == ["forgotten", "yellow"], errors
    assert running.returncode == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[0]["type"] == "ready"
    heard = {row["text"].lower().strip(".,!?") for row in rows if row["type"] == "heard"}
    assert heard == {"paint the kitchen yellow", "forget everything now"}
