"""``earshot serve`` from the outside: its one line of address, its errors, its end, and what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from earshot.core.types import Audio
from tests.server.command import ServeCommand
from tests.server.sounds import letters, pcm, recording, silence

connect = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
).connect
from websockets.exceptions import ConnectionClosed  # noqa: E402 - after the skip

SCRIPTED = ("--engine", "scripted")
UPLOAD_HEAD = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
)


def vosk(command: ServeCommand) -> Any:
    return connect(command.address.replace("http", "ws") + "/vosk")


def test_sigterm_finishes_what_is_in_flight(tmp_path: Path, sample: Audio) -> None:
    with ServeCommand(tmp_path, "--wyoming-port", "0") as command:
        data = recording(sample.samples)
        with vosk(command) as listener, vosk(command) as idle:
            listener.send(pcm(sample.samples[: 3 * 16_000]))
            listener.recv(timeout=30)

            async def upload_while_stopping() -> httpx.Response:
                async with httpx.AsyncClient(timeout=60) as client:
                    posting = asyncio.ensure_future(
                        client.post(
                            f"{command.address}/v1/audio/transcriptions",
                            data={"model": "whisper-1"},
                            files={"file": data * 1},
                        )
                    )
                    await asyncio.sleep(0.1)
                    command.ask_to_stop()
                    return await posting

            answer = asyncio.run(upload_while_stopping())
            assert letters(answer.json()["text"]).startswith("it was the best of times")
            final = json.loads(listener.recv(timeout=30))
            assert letters(final["text"]).startswith("it was the best of times")
            for client in (listener, idle):
                with pytest.raises(ConnectionClosed) as closed:
                    client.recv(timeout=30)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001
        assert command.ended() == 128 + signal.SIGTERM
        assert command.uploads() == []
        left = [path.name for path in (tmp_path / "server" / "uploads").iterdir()]
        assert left == ["lock"]
    assert len(command.lines) == 2  # the address, and where Wyoming is
    assert "Traceback" not in command.output


def test_ctrl_c_is_how_one_ends_it(tmp_path: Path) -> None:
    with ServeCommand(tmp_path, *SCRIPTED) as command:
        assert command.is_well()
        command.ask_to_stop(signal.SIGINT)
        assert command.ended() == 0


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with ServeCommand(tmp_path, *SCRIPTED) as command:
        host, port = command.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(UPLOAD_HEAD)
            time.sleep(0.3)
            command.ask_to_stop(signal.SIGINT)
            time.sleep(0.5)
            assert command.process.poll() is None  # the upload may go on
            command.ask_to_stop(signal.SIGINT)
            assert command.ended() in (0, 130)  # while the upload is still open
        assert "Traceback" not in command.output


def test_kill_9_leaves_nothing_after_the_next_start(tmp_path: Path) -> None:
    with ServeCommand(tmp_path, *SCRIPTED) as command:
        host, port = command.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client, vosk(command) as live:
            live.send(pcm(silence(1)))
            live.recv(timeout=20)
            client.sendall(UPLOAD_HEAD + b"\0" * 3_000_000)
            for _ in range(200):
                if command.uploads():
                    break
                time.sleep(0.02)
            assert command.uploads()
            command.ask_to_stop(signal.SIGKILL)
            command.ended()
        assert command.uploads()
    with ServeCommand(tmp_path, *SCRIPTED) as again:
        assert again.uploads() == []
        answer = httpx.post(
            f"{again.address}/v1/audio/transcriptions",
            data={"model": "whisper-1"},
            files={"file": recording(silence(2))},
        )
        assert answer.status_code == 200


@pytest.mark.slow
def test_two_servers_on_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    with ServeCommand(tmp_path, *SCRIPTED) as first:
        host, port = first.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(UPLOAD_HEAD + b"\0" * 3_000_000)
            for _ in range(200):
                if first.uploads():
                    break
                time.sleep(0.02)
            with ServeCommand(tmp_path, *SCRIPTED) as second:
                assert first.uploads()
                assert second.is_well()


def test_nothing_of_what_was_said_is_logged_unless_asked(tmp_path: Path) -> None:
    for arguments, is_told in ((("-v",), False), (("--log-content",), True)):
        with ServeCommand(tmp_path, *SCRIPTED, *arguments) as command:
            httpx.post(
                f"{command.address}/v1/audio/transcriptions?secret=query",
                data={"model": "whisper-1"},
                files={"file": ("secret name.wav", recording(silence(2)))},
            )
            with vosk(command) as live:
                live.send(pcm(silence(2)))
                live.recv(timeout=20)
                live.send('{"eof" : 1}')
                live.recv(timeout=20)
            command.ask_to_stop()
            command.ended()
        assert "POST /v1/audio/transcriptions 200" in command.output
        assert "secret" not in command.output
        assert ("quick brown" in command.output) is is_told


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("--host", "0.0.0.0"), 1, "a token is required"),
        (("--host", "0.0.0.0", "--token", "short"), 1, "a token has at least 16"),
        (("--token-file", "/no/such/file"), 1, "the token file /no/such/file cannot be read"),
        (("--host", "203.0.113.7", "--token", "x" * 20), 1, "cannot listen on 203.0.113.7"),
        (("--engine", "moonshin"), 1, "did you mean 'moonshine'?"),
        (("--model", "/no/such/model"), 1, "/no/such/model"),
        (("--language", "de"), 1, "knows English, not 'de'"),
        (("--zeroconf",), 2, "--wyoming tcp://HOST:PORT as well"),
        (("--wyoming", "http://x"), 1, "is no address for Wyoming"),
        (("--wyoming", "tcp://0.0.0.0:0"), 1, "--wyoming-client"),
        (("--wyoming-client", "everybody"), 1, "is no address or network"),
        (("--max-upload", "much"), 2, "is no size such as 500M"),
        (("--token", "x" * 20, "--token-file", "y"), 2, "one token"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...],
    status: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from earshot.cli import run

    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    assert run(["serve", "--port", "0", *arguments]) == status
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("earshot: error: ")
    assert text in line


def test_a_port_in_use_is_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from earshot.cli import run

    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option in ("--port", "--vosk-port", "--wyoming-port"):
            others = () if option == "--port" else ("--port", "0")
            assert run(["serve", option, port, *others]) == 1
            (line,) = capfd.readouterr().err.splitlines()
            assert "Address already in use" in line
            assert option.removesuffix("-port") in line
    assert not (tmp_path / "server").exists()


def test_a_missing_extra_is_told_with_its_command(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from earshot.cli import run; sys.exit(run(['serve', '--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install 'earshot[serve]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
