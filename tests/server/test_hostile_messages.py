"""Whatever comes through a socket: an answer of the protocol or a goodbye; never a fault, nobody disturbed."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.settings import ServerOptions
from tests.server.conftest import running
from tests.server.sounds import pcm, silence

if TYPE_CHECKING:
    from earshot.server.runner import Server

connect = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
).connect
from websockets.exceptions import ConnectionClosed  # noqa: E402 - after the skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
session_keys = st.sampled_from(
    [
        "type",
        "audio",
        "input",
        "format",
        "transcription",
        "turn_detection",
        "model",
        "language",
        "include",
        "input_audio_format",
        "input_audio_transcription",
    ]
)
sessions = st.recursive(
    values | st.sampled_from(["server_vad", "transcription", "audio/pcm", "en", "whisper-1"]),
    lambda inner: st.dictionaries(session_keys, inner, max_size=4),
    max_leaves=8,
)
realtime_events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "session.update",
                "transcription_session.update",
                "input_audio_buffer.append",
                "input_audio_buffer.commit",
                "input_audio_buffer.clear",
            ]
        )
    },
    optional={"session": sessions, "audio": values | st.just("AAAA" * 5_000), "event_id": values},
)
vosk_configs = st.dictionaries(
    st.sampled_from(["sample_rate", "words", "max_alternatives", "phrase_list", "model", "partial_words"]),
    values,
    max_size=4,
)
vosk_messages = st.dictionaries(
    st.sampled_from(["config", "eof", "reset", "other"]), vosk_configs | values, max_size=2
)
anything = st.binary(max_size=3_000) | st.text(max_size=50) | values.map(json.dumps)
bounded = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("home")
    options = ServerOptions(port=0, engine="scripted", wyoming="tcp://127.0.0.1:0", data_folder=folder)
    with running(options, {"scripted": ScriptedRecognizer()}) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_is_a_fault(server: Server, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.ERROR):
        yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert httpx.get(f"{server.address}/healthz").status_code == 200
    url = server.address.replace("http", "ws") + "/vosk"
    with connect(url) as other:
        other.send(pcm(silence(1.0)))
        assert json.loads(other.recv(timeout=20)) == {"partial": "the quick"}


def send_all(url: str, messages: list[Any]) -> None:
    """Send, and take what comes until the server says goodbye or nothing more."""
    with connect(url, max_size=None) as opened, contextlib.suppress(ConnectionClosed, TimeoutError):
        for message in messages:
            opened.send(message)
        while True:
            json.loads(opened.recv(timeout=0.05))


@pytest.mark.slow
@bounded
@given(messages=st.lists(vosk_messages.map(json.dumps) | anything, max_size=6))
def test_vosk(server: Server, messages: list[Any]) -> None:
    send_all(server.address.replace("http", "ws") + "/vosk", messages)


@pytest.mark.slow
@bounded
@given(messages=st.lists(realtime_events.map(json.dumps) | anything, max_size=6))
def test_realtime(server: Server, messages: list[Any]) -> None:
    send_all(server.address.replace("http", "ws") + "/v1/realtime", messages)


wyoming_headers = st.fixed_dictionaries(
    {"type": st.sampled_from(["describe", "ping", "transcribe", "audio-start", "audio-chunk", "audio-stop"])},
    optional={
        "data": values | st.fixed_dictionaries({"rate": values, "width": values, "channels": values}),
        "data_length": values,
        "payload_length": values,
    },
)


@pytest.mark.slow
@bounded
@given(
    parts=st.lists(
        wyoming_headers.map(lambda header: json.dumps(header).encode() + b"\n") | st.binary(max_size=200),
        max_size=6,
    )
)
def test_wyoming(server: Server, parts: list[bytes]) -> None:
    assert server.wyoming_port is not None
    client = socket.create_connection(("127.0.0.1", server.wyoming_port), timeout=20)
    with client, contextlib.suppress(OSError):
        client.sendall(b"".join(parts))
        client.shutdown(socket.SHUT_WR)
        while client.recv(65_536):
            pass


HALF = "\ud800"
"""Half of a character, as JSON can spell it and UTF-8 cannot."""


def test_halves_of_characters_come_back_in_some_form(server: Server) -> None:
    url = server.address.replace("http", "ws")
    with connect(url + "/v1/realtime") as opened:
        opened.recv(timeout=20)
        for name in ("prompt", "language", "model"):
            session = {"audio": {"input": {"transcription": {name: HALF}}}}
            opened.send(json.dumps({"type": "session.update", "session": session, "event_id": HALF}))
            assert json.loads(opened.recv(timeout=20))["type"] in ("session.updated", "error")
    with connect(url + "/vosk") as opened:
        opened.send(json.dumps({"config": {"model": HALF, "words": True}}))
        opened.send(pcm(silence(0.5)))
        assert json.loads(opened.recv(timeout=20)) == {"partial": "the"}
    assert server.wyoming_port is not None
    with socket.create_connection(("127.0.0.1", server.wyoming_port), timeout=20) as client:
        client.sendall(json.dumps({"type": "ping", "data": {"text": HALF}}).encode() + b"\n")
        assert b"pong" in client.recv(65_536)
