from __future__ import annotations

import hashlib
import json
import os
import pty
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from earshot.cli.models import models
from earshot.core.errors import EarshotError, ModelError, UnknownModelError
from earshot.core.paths import models_home
from tests.models.conftest import VOSK, WHISPER, write_files, zipped
from tests.models.server import FileServer, serving


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer()) as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("EARSHOT_OFFLINE", "EARSHOT_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def offer(server: FileServer, home: Path, *, checksum: bool = True, num_more: int = 0) -> None:
    """Put a model of ours into the user's catalogue. num_more: bytes that cannot be made smaller."""
    data = zipped({**VOSK, "more": random.Random(1).randbytes(num_more)}, top="m")
    server.files["/vosk-ours.zip"] = data
    line = f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n' if checksum else ""
    (home / "catalogue.toml").write_text(
        f'[[model]]\nname = "vosk-ours"\naliases = ["ours"]\nengine = "vosk"\nlanguages = ["ru"]\n'
        f'size = {len(data)}\nurl = "{server.url("/vosk-ours.zip")}"\n{line}'
    )


def run(*arguments: str | Path, answer: str | None = None) -> Result:
    """The group by itself; errors reach the caller, as the main group wants them."""
    result = CliRunner().invoke(models, [str(argument) for argument in arguments], input=answer)
    if isinstance(result.exception, EarshotError):
        raise result.exception
    return result


def earshot(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The real command."""
    return subprocess.run(
        [sys.executable, "-m", "earshot", "models", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_list_shows_what_can_be_pulled_in_columns(server: FileServer, home: Path) -> None:
    offer(server, home)
    rows = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert all(len(row) == 6 for row in rows)
    by_name = {row[0]: row for row in rows}
    assert by_name["vosk-ours"][1:3] == ["vosk", "ru"]
    assert by_name["vosk-ours"][5] == "can be pulled"
    assert by_name["whisper-tiny"][2:4] == ["99 languages", "78.2 MB"]
    assert by_name["vosk-model-ru-0.42"][5] == "can be pulled, unverified"


def test_list_narrows_down(server: FileServer, home: Path) -> None:
    offer(server, home)
    names = {
        row.split("\t")[0] for row in run("list", "--language", "ru", "--engine", "vosk").stdout.splitlines()
    }
    assert {"vosk-ours", "vosk-model-small-ru-0.22"} <= names
    assert all("ru" in name or name == "vosk-ours" for name in names)
    rows = json.loads(run("list", "-l", "ru-RU", "--json").stdout)
    assert {"vosk", "whisper", "sherpa"} == {row["engine"] for row in rows}
    nothing = run("list", "--installed")
    assert (nothing.stdout, nothing.stderr) == ("", "no such model\n")
    assert json.loads(run("list", "--installed", "--json").stdout) == []


def test_pull_verify_show_remove(server: FileServer, home: Path) -> None:
    offer(server, home)
    result = run("pull", "OURS")
    assert result.stdout == f"vosk-ours\t{models_home() / 'vosk-ours'}\n"
    assert result.stderr == "installing vosk-ours\n"
    assert run("list", "--installed").stdout.split("\t")[5] == "installed\n"
    shown = json.loads(run("show", "ours", "--json").stdout)
    assert (shown["engine"], shown["verified"], shown["installed"]) == ("vosk", "sha256", True)
    assert f"size:        {sum(map(len, VOSK.values())) / 1000:.1f} kB\n" in run("show", "ours").stdout
    assert run("verify").stdout == "vosk-ours\tok\n"
    assert run("remove", "ours", "--yes").stdout == "vosk-ours\tremoved\n"
    assert not (models_home() / "vosk-ours").exists()
    with pytest.raises(UnknownModelError, match="is not installed: earshot models pull vosk-ours"):
        run("verify", "ours")


def test_both_spellings_of_options(server: FileServer, home: Path) -> None:
    offer(server, home, checksum=False)
    with pytest.raises(ModelError, match="--accept-unverified vosk-ours"):
        run("pull", "ours")
    assert run("pull", "--accept_unverified", "ours").exit_code == 0
    assert json.loads(run("show", "ours", "--json").stdout)["verified"] == "first-use"
    run("remove", "-y", "ours")
    assert run("pull", "ours").exit_code == 0


def test_pull_checks_all_names_before_it_begins(server: FileServer, home: Path) -> None:
    offer(server, home)
    with pytest.raises(UnknownModelError, match="did you mean 'whisper-tiny'"):
        run("pull", "ours", "whispr-tiny")
    assert server.requests == []
    assert run("pull").exit_code == 2


def test_pull_from_a_mirror(server: FileServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(server, home)
    server.files["/mirror/vosk-ours.zip"] = server.files.pop("/vosk-ours.zip")
    assert run("pull", "ours", "--from", server.url("/mirror")).exit_code == 0
    monkeypatch.setenv("EARSHOT_MIRROR", server.url("/mirror/"))
    server.requests.clear()
    assert run("pull", "ours", "--replace").exit_code == 0
    assert server.requests == [("/mirror/vosk-ours.zip", None)]


def test_verify_fails_when_something_changed(server: FileServer, home: Path) -> None:
    offer(server, home)
    run("pull", "ours")
    (models_home() / "vosk-ours" / "am" / "final.mdl").write_bytes(b"")
    result = run("verify")
    assert result.exit_code == 1
    assert result.stdout == "vosk-ours\tam/final.mdl has 0 bytes instead of 1400\n"
    assert earshot("verify").returncode == 1


def test_remove_asks(server: FileServer, home: Path) -> None:
    offer(server, home)
    run("pull", "ours")
    assert run("remove", "ours", answer="n\n").exit_code == 1
    assert run("remove", "ours").exit_code == 1  # nobody there to answer
    assert (models_home() / "vosk-ours").exists()
    assert run("remove", "ours", answer="y\n").exit_code == 0
    assert not (models_home() / "vosk-ours").exists()


def test_import_a_folder(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "mine", WHISPER)
    result = run("import", folder, "-l", "en", "--language", "de")
    assert result.stdout == f"mine\t{models_home() / 'mine'}\n"
    row = json.loads(run("list", "--installed", "--json").stdout)[0]
    assert (row["engine"], row["languages"], row["verified"]) == ("whisper", ["en", "de"], "import")
    with pytest.raises(ModelError, match="no engine 'wisper': did you mean 'whisper'"):
        run("import", folder, "--engine", "wisper")
    with pytest.raises(ModelError, match="installed already"):
        run("import", folder)
    assert run("import", folder, "--replace", "--name", "mine").exit_code == 0


def test_bundle_and_import_it_elsewhere(
    server: FileServer, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(server, home)
    run("pull", "ours")
    run("import", write_files(tmp_path / "mine", WHISPER))
    result = run("bundle", "--all", "-o", tmp_path / "bundle.tar")
    assert result.stdout == f"{tmp_path / 'bundle.tar'}\tmine, vosk-ours\n"
    with tarfile.open(tmp_path / "bundle.tar") as tar:
        assert tar.getnames()[0] == "earshot-bundle.json"
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("EARSHOT_OFFLINE", "1")
    names = [line.split("\t")[0] for line in run("import", tmp_path / "bundle.tar").stdout.splitlines()]
    assert names == ["mine", "vosk-ours"]
    assert run("verify").stdout == "mine\tok\nvosk-ours\tok\n"
    for wrong in (("bundle", "-o", "x.tar"), ("bundle", "mine", "--all", "-o", "x.tar"), ("bundle", "mine")):
        assert run(*wrong).exit_code == 2


def test_show_a_model_that_is_not_installed() -> None:
    shown = run("show", "large-v3").stdout
    assert "whisper-large-v3" in shown
    assert "3.1 GB" in shown
    assert "https://huggingface.co/Systran/faster-whisper-large-v3" in shown
    with pytest.raises(UnknownModelError, match="did you mean"):
        run("show", "whisper-larg-v3")


def test_a_broken_model_is_listed_as_broken(home: Path) -> None:
    write_files(home / "models" / "odd", {"card.json": b"{"})
    assert run("list", "--installed").stdout.split("\t")[5] == "broken\n"
    assert "card.json" in run("show", "odd").stdout


def test_a_card_cannot_command_the_terminal(home: Path) -> None:
    card = {"engine": "vosk", "licence": "\x1b[2Jfree\nvosk-fake\tvosk", "description": "\x1b]0;x\x07"}
    write_files(home / "models" / "odd", {**VOSK, "card.json": json.dumps(card).encode()})
    for output in (run("list", "--installed").stdout, run("show", "odd").stdout):
        assert "free" in output
        assert all(char.isprintable() or char in "\n\t" for char in output)
    assert len(run("list", "--installed").stdout.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")
def test_ctrl_c_tells_that_the_pull_can_go_on(server: FileServer, home: Path) -> None:
    offer(server, home, num_more=100_000)  # more than is sent before the pause
    server.pause = 60
    with subprocess.Popen(
        [sys.executable, "-m", "earshot", "models", "pull", "ours"], stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 30
        while not server.requests:
            assert time.monotonic() < end, "it never asked"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1].splitlines()[-1] == (
            "earshot: interrupted: run the same command again: it goes on where it stopped"
        )
    assert process.returncode == 130
    assert run("list", "--installed").stdout == ""


def test_errors_are_one_line_of_the_real_command(home: Path) -> None:
    for arguments in (
        ("pull", "nothing-like-it"),
        ("import", "/nowhere"),
        ("remove", "tiny"),
        ("pull", "../x"),
    ):
        done = earshot(*arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_a_terminal_gets_a_bar_and_a_table(server: FileServer, home: Path) -> None:
    offer(server, home)
    server.pause = 0.05
    for arguments, shown in ((("pull", "ours"), "vosk-ours"), (("list", "--installed"), "languages")):
        leader, follower = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "earshot", "models", *arguments],
            stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "150"},
        ) as process:  # fmt: skip
            os.close(follower)
            output = b""
            while True:
                try:
                    block = os.read(leader, 4096)
                except OSError:
                    break
                if not block:
                    break
                output += block
        os.close(leader)
        assert process.returncode == 0
        assert shown in output.decode()
        assert "\x1b[" in output.decode()
