"""The page's own socket: nothing is lost, nothing is heard twice, and nonsense ends in good order."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.settings import ServerOptions
from tests.server.conftest import running

BLOCK = 1_600


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One for all tests that leave it as it was."""
    options = ServerOptions(port=0, engine="scripted", data_folder=tmp_path_factory.mktemp("live"))
    with running(options, {"scripted": ScriptedRecognizer(words_per_segment=5)}) as started:
        yield started


@pytest.fixture
def impatient(server: Any) -> Iterator[Any]:
    """The same, which does not wait for pages whose connection broke."""
    state = server.app.state.page
    state.grace, kept = 0.05, state.grace
    yield server
    state.grace = kept


def folders(server: Any) -> set[str]:
    return {path.name for path in server.options.data_folder.glob("sessions/*")}


class Live:
    """A page's side of the socket, block by block."""

    def __init__(self, address: str, **first: Any) -> None:
        self.socket: ClientConnection = connect(f"ws{address.removeprefix('http')}/api/live", max_size=None)
        self.messages: list[dict[str, Any]] = []
        self.send(**(first or {"type": "begin", "source": "browser", "label": "test"}))

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def block(self, number: int, samples: np.ndarray[Any, Any] | None = None) -> None:
        if samples is None:
            samples = np.full(BLOCK, number, "<i2")
        self.socket.send(struct.pack("<I", number) + samples.tobytes())

    def until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=seconds))
            self.messages.append(message)
            if wanted(message):
                return message
        raise AssertionError(self.messages[-5:])

    def of(self, kind: str) -> dict[str, Any]:
        return self.until(lambda message: kind in (message["type"], message.get("kind")))

    def closed(self) -> int:
        """Reads on to the end; the code of the close."""
        try:
            while True:
                self.messages.append(json.loads(self.socket.recv(timeout=20)))
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006


def recorded(server: Any, session_id: str) -> dict[str, Any]:
    with httpx.Client(base_url=server.address, timeout=20) as client:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            session: dict[str, Any] = client.get(f"/api/sessions/{session_id}").json()["session"]
            if session["state"] != "recording":
                return session
            time.sleep(0.05)
    raise AssertionError(session)


def samples_of(server: Any, session_id: str) -> np.ndarray[Any, Any]:
    audio = httpx.get(f"{server.address}/api/sessions/{session_id}/audio", timeout=20).content
    return np.frombuffer(audio[44:], "<i2")


def test_a_recording_from_the_first_block_to_the_library(server: Any) -> None:
    live = Live(server.address)
    ready = live.of("ready")
    assert ready["expected"] == 0
    for number in range(40):
        live.block(number)
    live.send(type="stop", blocks=40)
    ended = live.of("ended")
    assert (ended["session"], ended["problem"]) == (ready["session"], None)
    assert live.closed() == 1000
    finals = [message for message in live.messages if message.get("kind") == "final"]
    assert [final["index"] for final in finals] == [0, 1]
    numbers = [message["number"] for message in live.messages if message["type"] == "event"]
    assert numbers == list(range(len(numbers)))
    session = recorded(server, ready["session"])
    assert (session["state"], session["duration"], session["num_words"]) == ("ready", 4.0, 10)
    assert samples_of(server, ready["session"]).tolist() == [n for n in range(40) for _ in range(BLOCK)]


def test_what_is_acknowledged_is_on_the_disk(server: Any) -> None:
    live = Live(server.address)
    session_id = live.of("ready")["session"]
    for number in range(10):
        live.block(number)
    live.until(lambda message: message["type"] == "ack" and message["expected"] == 10)
    size = (server.options.data_folder / "sessions" / session_id / "audio.wav").stat().st_size
    assert size == 44 + 10 * BLOCK * 2
    live.send(type="stop", blocks=10)
    live.of("ended")


def test_a_page_that_comes_back_goes_on_where_it_was(server: Any) -> None:
    live = Live(server.address)
    ready = live.of("ready")
    for number in range(25):
        live.block(number)
    live.of("final")
    heard = sum(message["type"] == "event" for message in live.messages)
    live.socket.close()
    back = Live(server.address, type="resume", session=ready["session"], key=ready["key"], heard=heard)
    again = back.of("ready")
    assert again["expected"] == 25
    for number in range(20, 40):  # the first five came before; they shall not count twice
        back.block(number)
    back.send(type="stop", blocks=40)
    back.of("ended")
    events = [message for message in back.messages if message["type"] == "event"]
    assert events[0]["number"] == heard
    assert samples_of(server, ready["session"]).tolist() == [n for n in range(40) for _ in range(BLOCK)]


def test_a_gap_is_asked_for_again(server: Any) -> None:
    live = Live(server.address)
    session_id = live.of("ready")["session"]
    live.block(0)
    live.block(2)
    behind = live.until(lambda message: bool(message.get("is_behind")))
    assert behind["expected"] == 1
    live.block(1)
    live.block(2)
    live.send(type="stop", blocks=3)
    live.of("ended")
    assert samples_of(server, session_id)[::BLOCK].tolist() == [0, 1, 2]


def test_a_page_that_never_comes_back_leaves_a_whole_session(impatient: Any) -> None:
    server = impatient
    live = Live(server.address)
    session_id = live.of("ready")["session"]
    for number in range(30):
        live.block(number)
    live.until(lambda message: message["type"] == "ack" and message["expected"] == 30)
    live.socket.close()
    session = recorded(server, session_id)
    assert (session["state"], session["duration"]) == ("ready", 3.0)
    late = Live(server.address, type="resume", session=session_id, key="wrong", heard=0)
    late.of("gone")


def test_the_last_page_to_come_has_the_recording(server: Any) -> None:
    first = Live(server.address)
    ready = first.of("ready")
    second = Live(server.address, type="resume", session=ready["session"], key=ready["key"], heard=0)
    second.of("ready")
    first.of("taken")
    assert first.closed() == 1000
    second.block(0)
    second.send(type="stop", blocks=1)
    second.of("ended")
    third = Live(server.address, type="resume", session=ready["session"], key=ready["key"], heard=0)
    assert third.of("ended")["session"] == ready["session"]


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        "[]",
        "{}",
        '{"type": "begin", "source": "browser", "label": "again"}',
        '{"type": "stop", "blocks": -1}',
        '{"type": "stop", "blocks": true}',
        "{" * 9_000,
        " " * 20_000,
        b"",
        b"\0\0\0\0",
        b"\0\0\0\0\0\0\0",
        b"\0\0\0\0" + b"\0\0" * 200_000,
    ],
)
def test_nonsense_is_refused_and_what_was_said_is_kept(impatient: Any, message: str | bytes) -> None:
    server = impatient
    live = Live(server.address)
    session_id = live.of("ready")["session"]
    for number in range(10):
        live.block(number)
    live.socket.send(message)
    error = live.of("error")
    assert error["message"]
    assert live.closed() == 1007
    assert recorded(server, session_id)["duration"] == 1.0


@pytest.mark.parametrize(
    "first",
    [
        {"type": "stop", "blocks": 1},
        {"type": "begin"},
        {"type": "begin", "source": "browser", "label": "x\0"},
        {"type": "begin", "source": "browser", "label": "x", "language": "../.."},
        {"type": "begin", "source": "device", "device": "0"},
        {"type": "resume", "session": "../x", "key": "k", "heard": 0},
    ],
)
def test_a_wrong_beginning_begins_nothing(server: Any, first: dict[str, Any]) -> None:
    before = folders(server)
    live = Live(server.address, **first)
    live.of("error")
    assert live.closed() == 1007
    assert folders(server) == before


@pytest.mark.parametrize("engine", ["/etc/passwd", "moonshine/../../x", "vosk"])
def test_a_page_chooses_among_what_is_served_and_loads_nothing(server: Any, engine: str) -> None:
    live = Live(server.address, type="begin", source="browser", label="x", engine=engine)
    assert "not served" in live.of("error")["message"]
    assert live.closed() == 1008


def test_a_sound_card_that_is_not_there_is_told(server: Any) -> None:
    before = folders(server)
    live = Live(server.address, type="begin", source="device", device=999)
    assert live.of("error")["message"]
    assert live.closed() == 1008
    assert folders(server) == before


def test_too_many_recordings_are_sent_away_and_the_others_go_on(start: Callable[..., Any]) -> None:
    server = start(max_sessions=1)
    first = Live(server.address)
    first.of("ready")
    first.block(0)
    first.of("status")
    second = Live(server.address)
    assert "already" in second.of("error")["message"]
    assert second.closed() == 1013
    first.send(type="stop", blocks=1)
    assert first.of("ended")["problem"] is None


def test_a_server_that_stops_ends_recordings_in_good_order(start: Callable[..., Any], tmp_path: Any) -> None:
    server = start(ScriptedRecognizer(words_per_segment=5))
    live = Live(server.address)
    session_id = live.of("ready")["session"]
    for number in range(30):
        live.block(number)
    live.until(lambda message: message["type"] == "ack" and message["expected"] == 30)
    server.stop()
    assert live.of("ended")["session"] == session_id
    meta = json.loads((tmp_path / "sessions" / session_id / "meta.json").read_text())
    assert (meta["is_complete"], meta["duration"]) == (True, 3.0)


def test_a_page_that_is_silent_for_too_long_is_let_go_and_one_that_pings_is_not(
    start: Callable[..., Any],
) -> None:
    server = start(idle_timeout=0.8)
    live = Live(server.address)
    session_id = live.of("ready")["session"]
    live.block(0)
    for _ in range(5):
        time.sleep(0.3)
        live.send(type="ping")
    server.app.state.page.grace = 0.05
    live.of("error")
    assert live.closed() == 1008
    assert recorded(server, session_id)["duration"] == 0.1


def test_all_pages_are_told_what_changes(server: Any) -> None:
    with connect(f"ws{server.address.removeprefix('http')}/api/feed") as feed:
        live = Live(server.address)
        session_id = live.of("ready")["session"]
        told = json.loads(feed.recv(timeout=10))
        assert (told["type"], told["session"]["id"], told["session"]["state"]) == (
            "session",
            session_id,
            "recording",
        )
        live.block(0)
        live.send(type="stop", blocks=1)
        live.of("ended")
        told = json.loads(feed.recv(timeout=10))
        assert told["session"]["state"] == "ready"
        httpx.patch(f"{server.address}/api/sessions/{session_id}", json={"title": "Named"})
        assert json.loads(feed.recv(timeout=10))["session"]["title"] == "Named"
        httpx.delete(f"{server.address}/api/sessions/{session_id}")
        assert json.loads(feed.recv(timeout=10)) == {"type": "deleted", "id": session_id}
