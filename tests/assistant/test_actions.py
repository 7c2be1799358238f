"""Actions done for real: programs, projects, notes, requests, functions of packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from earshot.assistant.actions import packages
from earshot.assistant.actions.applications import installed
from earshot.assistant.actions.base import Order, Outcome, Surroundings
from earshot.assistant.actions.projects import slug
from earshot.assistant.performing import ActionBook, Performer
from earshot.assistant.timers import Timers
from earshot.core.errors import ActionError
from tests.assistant.attacking import Screen, Server
from tests.cli.command import earshot, earshot_process
from tests.live.virtual_microphone import wait_for

posix = pytest.mark.skipif(sys.platform == "win32", reason="its programs are shell scripts")


def program(folder: Path, name: str, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return path


class Desk:
    """A home, a folder of programs, and a performer made anew for each actions file."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.bin = folder / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.screen = Screen()
        self.timers = Timers(None)
        self.heard: list[str] = []
        self.environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.home)}

    def performer(self, toml: str, **options: Any) -> Performer:
        path = self.home / "actions.toml"
        path.write_text(toml, encoding="utf-8")
        surroundings = Surroundings(
            self.screen, self.timers, print, lambda: self.heard, self.home, self.environment
        )
        return Performer(ActionBook.load(path), surroundings, **options)

    def do(self, toml: str, slots: Mapping[str, Any] | None = None, intent: str = "It") -> Outcome:
        return self.performer(toml).perform(Order(intent, slots or {}, "it", 1.0), is_confirmed=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# --- programs ---


@posix
def test_the_first_line_of_a_program_is_the_answer(desk: Desk) -> None:
    program(desk.bin, "weather", 'echo; echo "Rain in $1"; echo more')
    said = desk.do(
        '[actions.It]\ndo = "program.run"\nargv = ["weather", "{town}"]\nsays_output = true', {"town": "Ulm"}
    )
    assert (said.status, said.message, said.argv) == ("done", "Rain in Ulm", ("weather", "Ulm"))


@posix
def test_a_program_that_hangs_is_ended_with_what_it_started(desk: Desk) -> None:
    program(desk.bin, "hang", f"trap '' TERM; sleep 1000 & echo $! > {desk.home}/child; wait")
    said = desk.do('[actions.It]\ndo = "program.run"\nargv = ["hang"]\ntime_limit = 1')
    assert said.status == "failed"
    assert "hang was not done in 1 s and was ended" in said.message
    child = int((desk.home / "child").read_text())
    assert wait_for(lambda: not is_running(child), 30)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@posix
def test_a_program_that_fails_or_is_missing_is_told_in_one_line(desk: Desk) -> None:
    program(desk.bin, "fail", "echo no paper >&2; exit 3")
    failed = desk.do('[actions.It]\ndo = "program.run"\nargv = ["fail"]')
    assert failed.message == "fail failed with status 3: no paper."
    started = desk.do('[actions.It]\ndo = "program.start"\nargv = ["fail"]')
    assert started.message == "fail failed with status 3: no paper."
    missing = desk.do('[actions.It]\ndo = "program.run"\nargv = ["nobody-has-this"]')
    assert missing.message.startswith("the program nobody-has-this is not installed")
    (desk.bin / "fail").write_text("no program at all")
    broken = desk.do('[actions.It]\ndo = "program.run"\nargv = ["fail"]')
    assert broken.message.startswith("fail cannot be started: ")


@posix
def test_a_sequence_stops_at_the_first_failure_and_takes_back_in_reverse(desk: Desk) -> None:
    program(desk.bin, "bad", "exit 1")
    note = 'do = "note.add", file = "~/n.md"'
    steps = f'{{ {note}, text = "one {{word}}" }}, {{ {note}, text = "two" }}'
    good = desk.performer(f'[actions.It]\ndo = "sequence"\nsteps = [{steps}]')
    assert good.missing(Order("It", {}, "", 1.0)) == ("word",)
    assert good.perform(Order("It", {"word": "x"}, "it", 1.0), is_confirmed=True).status == "done"
    notes = desk.home / "n.md"
    assert [line[19:] for line in notes.read_text().splitlines()] == ["one x", "two"]
    assert good.undo().status == "done"
    assert notes.read_text() == ""
    bad = '{ do = "program.run", argv = ["bad"] }'
    said = desk.do(f'[actions.It]\ndo = "sequence"\nsteps = [{steps}, {bad}]', {"word": "y"})
    assert said.status == "failed"
    assert "step 3 failed" in said.message
    assert "2 of 2 steps before it were taken back" in said.message
    assert notes.read_text() == ""


# --- projects ---

PROJECT = (
    '[actions.NewProject]\npip = false\neditors.pycharm = ["pycharm"]\neditors.code = ["nobody-has-this"]\n'
)


def editor(desk: Desk) -> None:
    program(desk.bin, "pycharm", f'printf "%s\\n" "$@" > {desk.home}/opened')


@posix
def test_a_new_project_has_folder_repository_environment_and_editor(desk: Desk) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git: apt install git")
    editor(desk)
    performer = desk.performer(PROJECT)
    order = Order("NewProject", {"name": "Blue Moon", "editor": "PyCharm"}, "new project", 1.0)
    said = performer.perform(order)
    folder = desk.home / "projects" / "blue-moon"
    assert (said.status, said.message) == ("done", "The project blue-moon is made.")
    assert said.argv == ("pycharm", str(folder))
    assert (folder / ".git" / "HEAD").is_file()
    assert (folder / ".venv" / "pyvenv.cfg").is_file()
    assert (folder / ".gitignore").read_text() == ".venv/\n"
    assert (desk.home / "opened").read_text() == f"{folder}\n"
    again = performer.perform(order)
    assert "already" in again.message
    assert performer.undo().message == "The project blue-moon is removed."
    assert not folder.exists()


@posix
def test_a_project_that_was_worked_on_stays(desk: Desk) -> None:
    editor(desk)
    performer = desk.performer(PROJECT + "git = false\nvenv = false\n")
    performer.perform(Order("NewProject", {"name": "kept"}, "", 1.0))
    (desk.home / "projects" / "kept" / "main.py").write_text("print()")
    assert "was changed since" in performer.undo().message
    assert (desk.home / "projects" / "kept" / "main.py").exists()


@posix
def test_nothing_is_made_for_an_editor_that_is_missing_or_unknown(desk: Desk) -> None:
    editor(desk)
    performer = desk.performer(PROJECT)
    missing = performer.perform(Order("NewProject", {"name": "x", "editor": "code"}, "", 1.0))
    assert missing.message.startswith("code is not installed (nobody-has-this)")
    unknown = performer.perform(Order("NewProject", {"name": "x", "editor": "pycharme"}, "", 1.0))
    assert "did you mean 'pycharm'?" in unknown.message
    assert not (desk.home / "projects").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Blue Moon", "blue-moon"),
        ("Голубая луна", "голубая-луна"),
        ("  a--b__c ", "a-b__c"),
        ("O'Brien 2", "o-brien-2"),
    ],
)
def test_names_become_safe_names_of_folders(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["", "---", "...", "_", "'", "ы" * 150])
def test_names_of_which_nothing_is_left_are_refused(name: str) -> None:
    with pytest.raises(ActionError, match="no name for a folder"):
        slug(name)


@pytest.mark.slow
@posix
@pytest.mark.parametrize("voice", ["en-us", "en-us+f3", "en-us+m7"])
def test_a_project_is_made_from_sound(desk: Desk, tmp_path: Path, voice: str) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("no espeak-ng: apt install espeak-ng")
    editor(desk)
    actions = tmp_path / "actions.toml"
    actions.write_text(PROJECT)
    sound = tmp_path / "order.wav"
    sentence = "create a new project called blue moon in pie charm"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", sound, sentence], check=True)
    result = earshot_process(
        "assistant", "do", "--from-file", sound, "--actions", actions,
        environment={**desk.environment, "EARSHOT_HOME": str(tmp_path / "earshot"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.output == "The project blue-moon is made.\n", result
    folder = desk.home / "projects" / "blue-moon"
    assert (folder / ".git" / "HEAD").is_file()
    assert (folder / ".venv" / "pyvenv.cfg").is_file()
    assert (desk.home / "opened").read_text() == f"{folder}\n"
    entry = json.loads((tmp_path / "earshot" / "assistant" / "log.jsonl").read_text())
    assert entry["audio"] == str(sound)
    assert entry["argv"] == ["pycharm", str(folder)]


# --- requests ---


@pytest.fixture
def server() -> Iterator[Server]:
    import threading

    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def request(server: Server, rest: str = "") -> str:
    return (
        f'[actions.It]\ndo = "http.request"\naddress = "http://127.0.0.1:{server.server_port}/api/{{service}}"\n'
        f'body = {{ entity_id = "light.{{room}}", level = "{{level}}" }}\n{rest}'
    )


def test_a_request_carries_values_and_the_token_is_told_to_nobody_else(desk: Desk, server: Server) -> None:
    token = desk.home / "token"
    token.write_text("s3cr3t-t0ken\n")
    token.chmod(0o600)
    slots = {"service": "light/turn on", "room": 'x", "y": "z', "level": 50}
    said = desk.do(request(server, 'token_file = "~/token"'), slots)
    assert said.status == "done", said
    method, path, body, headers = server.requests[0]
    assert (method, path) == ("POST", "/api/light%2Fturn%20on")
    assert json.loads(body) == {"entity_id": 'light.x", "y": "z', "level": 50}
    assert headers["Authorization"] == "Bearer s3cr3t-t0ken"
    assert "s3cr3t" not in repr(said)


@posix
def test_a_token_that_others_can_read_is_not_used(desk: Desk, server: Server) -> None:
    (desk.home / "token").write_text("t")
    (desk.home / "token").chmod(0o644)
    said = desk.do(request(server, 'token_file = "~/token"'), {"service": "a", "room": "b", "level": 1})
    assert "chmod 600" in said.message
    assert server.requests == []


def test_a_server_that_is_not_there_is_told_in_one_line(desk: Desk) -> None:
    said = desk.do('[actions.It]\ndo = "http.request"\naddress = "http://127.0.0.1:9/x"')
    assert said.status == "failed"
    assert said.message.startswith("127.0.0.1:9 cannot be reached: ")


# --- functions of packages ---


def lamp(room: str, level: int = 100) -> str:
    """Set a lamp."""
    if room == "cellar":
        raise RuntimeError("no lamp")
    return f"{room} {level}"


def test_a_function_of_a_package_gets_slots_and_answers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("test.lamp", f"{__name__}:lamp", packages.GROUP)
    monkeypatch.setattr(packages, "found", lambda: {"test.lamp": point})
    toml = '[actions.It]\ndo = "test.lamp"'
    assert desk.do(toml, {"room": "kitchen", "level": 30}).message == "kitchen 30"
    assert "a whole number is expected" in desk.do(toml, {"room": "kitchen", "level": "lots"}).message
    assert desk.do(toml, {"room": "cellar"}).message == "test.lamp failed: RuntimeError: no lamp."


def test_a_broken_package_is_told_where_it_is_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("test.gone", "a_module_that_nobody_has:x", packages.GROUP)
    monkeypatch.setattr(packages, "found", lambda: {"test.gone": point})
    with pytest.raises(ActionError, match=r"actions\.toml:2: .*cannot be loaded"):
        desk.do('[actions.It]\ndo = "test.gone"')
    assert desk.do("", intent="TellTime").status == "done"


# --- the rest ---


def test_without_a_display_it_is_told(desk: Desk) -> None:
    desk.screen = None  # type: ignore[assignment]
    assert "no display" in desk.do("", {"text": "hello"}, "TypeText").message


def test_what_was_said_last_is_told(desk: Desk) -> None:
    desk.heard = ["start music", "louder"]
    assert desk.do("", intent="WhatDidISay").message == "You said: louder"


def test_a_timer_is_set_and_taken_back(desk: Desk) -> None:
    performer = desk.performer("")
    said = performer.perform(Order("Remind", {"minutes": 5, "label": "tea"}, "remind me", 1.0))
    assert said.message == "I will remind you in 5 minutes."
    assert [timer.label for timer in desk.timers.list()] == ["tea"]
    performer.undo()
    assert desk.timers.list() == ()
    assert performer.perform(Order("StartTimer", {"minutes": 0}, "", 1.0)).status == "failed"


@posix
def test_folders_go_by_the_users_own_names(desk: Desk) -> None:
    program(desk.bin, "xdg-open", f'echo "$1" > {desk.home}/opened')
    (desk.home / "Загрузки").mkdir()
    (desk.home / ".config").mkdir()
    (desk.home / ".config" / "user-dirs.dirs").write_text('XDG_DOWNLOAD_DIR="$HOME/Загрузки"\n')
    desk.environment.pop("XDG_CONFIG_HOME", None)
    assert desk.do("", {"folder": "downloads"}, "OpenFolder").status == "done"
    assert (desk.home / "opened").read_text().strip() == str(desk.home / "Загрузки")
    assert "there is no folder" in desk.do("", {"folder": "music"}, "OpenFolder").message


def test_installed_applications_are_those_of_the_menu(tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "share" / "applications"
    folder.mkdir(parents=True)
    head = "[Desktop Entry]\nType=Application\n"
    (folder / "a.desktop").write_text(f'{head}Name=Paint\nName[ru]=Краски\nExec="my paint" --new %U 100%%\n')
    (folder / "b.desktop").write_text(f"{head}Name=Hidden\nExec=x\nNoDisplay=true\n")
    (folder / "c.desktop").write_text("no entry at all")
    (folder / "d.desktop").write_bytes(b"\xff\xfe")
    found = installed({"XDG_DATA_DIRS": str(tmp_path / "none")}, tmp_path, language="ru")
    assert [(one.names, one.argv) for one in found] == [(("Paint", "Краски"), ("my paint", "--new", "100%"))]


# --- the command line ---


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_notes_from_the_command_line_and_back_in_another_process(own_home: Path) -> None:
    assert earshot("assistant", "do", "make a note that milk is out").output == "Noted.\n"
    assert (own_home / "Notes.md").read_text().endswith(" milk is out\n")
    assert earshot("assistant", "undo", "--dry-run").output == "Would take back: make a note that milk is out\n"
    assert earshot("assistant", "undo").output == "The note is removed.\n"
    assert (own_home / "Notes.md").read_text() == ""
    assert earshot("assistant", "undo").status == 1
    lines = earshot("assistant", "log").output.splitlines()
    assert [line.split("\t")[1:3] for line in lines][:2] == [
        ["done", "make a note that milk is out"],
        ["done", "undo"],
    ]


def test_what_is_wrong_is_one_line(own_home: Path) -> None:
    for sentence, words in {
        "opn the browser": "did you mean 'open the browser'?",
        "take a screenshot": "no display",
        "create a new project": "name is missing",
        "set the volume to nine hundred": "is not understood",
        "shut down the computer": "Not confirmed",
    }.items():
        result = earshot("assistant", "do", sentence)
        assert result.status == 1
        assert words.lower() in result.errors.lower()
        assert "Traceback" not in result.errors
    assert earshot("assistant", "do", "volume 30", "--actions", own_home / "none.toml").status == 1
    assert earshot("assistant", "do", "start music", "--language", "xx").status == 1


def test_a_dry_run_does_nothing(own_home: Path) -> None:
    result = earshot("assistant", "do", "create a new project called blue moon", "--dry-run", "--json")
    row = json.loads(result.output)
    assert (row["status"], row["argv"][:2]) == (
        "dry-run",
        ["project.new", str(own_home / "projects" / "blue-moon")],
    )
    assert not (own_home / "projects").exists()


def test_everything_that_can_be_said_is_listed(own_home: Path) -> None:
    lines = [line.split("\t") for line in earshot("assistant", "actions").output.splitlines()]
    assert ["start music", "play music; start a player when none runs", "low"] in lines
    assert ["shut down the computer", "run a program to its end", "never-by-voice"] in lines
    russian = earshot("assistant", "actions", "--language", "ru").output
    assert "включи музыку\t" in russian


@posix
def test_a_site_reaches_the_users_browser(desk: Desk) -> None:
    if shutil.which("xdg-open") is None:
        pytest.skip("no xdg-open: apt install xdg-utils")
    browser = program(desk.bin, "my-browser", f'printf "%s\\n" "$@" > {desk.home}/address')
    desk.environment["BROWSER"] = str(browser)
    desktops = ("XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "KDE_FULL_SESSION", "GNOME_DESKTOP_SESSION_ID")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", *desktops):
        desk.environment.pop(name, None)
    said = desk.do("", {"query": "tea & cake; $(touch x)"}, "SearchWeb")
    assert said.status == "done", said
    address = desk.home / "address"
    assert wait_for(lambda: address.exists() and address.read_text(), 30)
    assert address.read_text() == "https://duckduckgo.com/?q=tea%20%26%20cake%3B%20%24%28touch%20x%29\n"
