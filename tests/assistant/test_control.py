"""The control socket: who reaches it, what it takes, and that nothing sent to it breaks it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from earshot.assistant.control import MAX_LINE, ControlServer, events, send, socket_path
from earshot.core.errors import ActionError

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("no Unix sockets on this system", allow_module_level=True)


def handle(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if request["do"] == "fail":
        raise ActionError("that went wrong")
    return {"phase": "listening", "seen": dict(request)}


@pytest.fixture
def place() -> Iterator[Path]:
    """Short: a socket's path has room for 107 characters."""
    with tempfile.TemporaryDirectory(prefix="es") as name:
        yield Path(name) / "run" / "assistant.sock"


@pytest.fixture
def server(place: Path) -> Iterator[ControlServer]:
    with ControlServer(handle, place) as running:
        yield running


def test_a_request_is_answered(server: ControlServer) -> None:
    assert send({"do": "toggle"}, server.path)["phase"] == "listening"


def test_only_its_owner_can_reach_it(server: ControlServer) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700


def test_what_the_assistant_refuses_is_an_error_of_one_line(server: ControlServer) -> None:
    with pytest.raises(ActionError, match="that went wrong"):
        send({"do": "fail"}, server.path)


def test_there_is_one_assistant(server: ControlServer) -> None:
    with pytest.raises(ActionError, match="running already"), ControlServer(handle, server.path):
        pass
    assert send({"do": "status"}, server.path)["ok"]


def test_no_assistant_is_told(place: Path) -> None:
    with pytest.raises(ActionError, match="earshot assistant run"):
        send({"do": "toggle"}, place)


def test_the_socket_of_a_killed_one_is_replaced(place: Path) -> None:
    place.parent.mkdir(mode=0o700)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place))
    dead.close()
    with pytest.raises(ActionError, match="no assistant is running"):
        send({"do": "toggle"}, place)
    with ControlServer(handle, place) as server:
        assert send({"do": "toggle"}, server.path)["ok"]
    assert not place.exists()


def test_a_folder_of_somebody_else_is_refused(place: Path) -> None:
    place.parent.symlink_to("/tmp")
    with pytest.raises(ActionError, match="not yours"), ControlServer(handle, place):
        pass


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"toggle\n",
        b"[]\n",
        b'{"do": 5}\n',
        b"\xff\xfe\n",
        b'{"do": "toggle"' * 3 + b"\n",
        b"[" * 50_000 + b"\n",
        b"x" * (MAX_LINE + 10),
    ],
)
def test_what_is_no_request_is_told_and_harms_nobody(server: ControlServer, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(server.path))
        connection.sendall(line)
        answer = json.loads(connection.makefile("rb").readline())
    assert not answer["ok"]
    assert send({"do": "toggle"}, server.path)["ok"]


def test_events_come_to_all_who_asked(server: ControlServer) -> None:
    got: list[dict[str, Any]] = []
    ready = threading.Event()

    def listen() -> None:
        for event in events(server.path):
            got.append(event)
            ready.set()
            if event.get("type") == "done":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(30)
    while listener.is_alive():
        server.publish({"type": "done", "text": "Готово"})
        listener.join(0.05)
    assert got[-1] == {"type": "done", "text": "Готово"}


def test_its_place_is_in_the_runtime_folder() -> None:
    assert socket_path({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/earshot/assistant.sock")
    assert str(os.getuid()) in str(socket_path({}))


def test_a_key_loads_no_numpy() -> None:
    code = "import sys, earshot.cli.assistant_keys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
