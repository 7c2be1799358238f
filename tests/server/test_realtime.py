"""OpenAI's realtime transcription, by the ``openai`` client and by bare messages."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from earshot.core.types import Audio
from tests.conftest import SAMPLE_TEXT
from tests.server.sounds import letters, pcm, resampled, silence

if TYPE_CHECKING:
    from earshot.server.runner import Server

openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'earshot[dev]'")
connect = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
).connect

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]


@pytest.fixture
def real_server(moonshine_server: Server) -> Server:
    return moonshine_server


class Client:
    """Bare messages. Time-outs make a missing event a failure instead of a hang."""

    def __init__(self, server: Server, query: str = "?intent=transcription", **options: Any) -> None:
        self._opening = connect(server.address.replace("http", "ws") + f"/v1/realtime{query}", **options)

    def __enter__(self) -> Client:
        self.socket = self._opening.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def append(self, data: bytes) -> None:
        self.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    def receive(self) -> dict[str, Any]:
        return json.loads(self.socket.recv(timeout=20))

    def until(self, kind: str) -> list[dict[str, Any]]:
        events = [self.receive()]
        while events[-1]["type"] != kind:
            events.append(self.receive())
        return events


def spoken(sample: Audio, seconds: float = 10.0) -> bytes:
    """At 24 kHz, and some silence."""
    return pcm(resampled(sample, 24_000)[: int(seconds * 24_000)]) + pcm(silence(1.0, 24_000))


def test_the_openai_client_hears_every_turn_in_exact_order(real_server: Server, sample: Audio) -> None:
    data = spoken(sample)

    async def talk() -> tuple[list[Any], Any]:
        events = []
        client = openai.AsyncOpenAI(base_url=f"{real_server.address}/v1", api_key="any")
        connecting = client.realtime.connect(model="gpt-4o-transcribe", extra_query={"intent": "transcription"})
        async with client, connecting as connection:
            created = await connection.recv()
            await connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcm", "rate": 24_000},
                            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                            "turn_detection": {"type": "server_vad"},
                        }
                    },
                }
            )
            updated = await connection.recv()
            assert updated.type == "session.updated"
            for start in range(0, len(data), 4_800):
                await connection.input_audio_buffer.append(
                    audio=base64.b64encode(data[start : start + 4_800]).decode()
                )
            text = ""
            while "foolishness" not in letters(text):
                event = await asyncio.wait_for(connection.recv(), 20)
                events.append(event)
                if event.type.endswith(".completed"):
                    text += " " + event.transcript
        return events, created

    events, created = asyncio.run(talk())
    assert created.type == "session.created"
    turns = [events[index : index + 5] for index in range(0, len(events), 5)]
    assert [[event.type for event in turn] for turn in turns] == [TURN] * len(turns)
    assert letters(" ".join(turn[4].transcript for turn in turns)).startswith(SAMPLE_TEXT)
    previous = None
    for started, stopped, committed, delta, completed in turns:
        assert {event.item_id for event in (started, stopped, committed, delta, completed)} == {started.item_id}
        assert committed.previous_item_id == previous
        previous = started.item_id
        assert started.audio_start_ms < stopped.audio_end_ms
        assert delta.delta == completed.transcript
        assert (delta.content_index, completed.content_index) == (0, 0)
        assert completed.usage.type == "duration"
        assert completed.usage.seconds > 0
    assert len({event.event_id for event in events}) == len(events)


def test_without_turn_detection_the_client_commits(real_server: Server, sample: Audio) -> None:
    with Client(real_server) as client:
        assert client.receive()["type"] == "session.created"
        session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        client.send("session.update", session=session)
        assert client.receive()["session"]["audio"]["input"]["turn_detection"] is None
        client.append(spoken(sample, 5.0))
        client.send("input_audio_buffer.commit")
        events = client.until(TURN[4])
        assert events[0]["type"] == "input_audio_buffer.committed"
        assert {event["type"] for event in events[1:-1]} == {TURN[3]}
        assert "".join(event["delta"] for event in events[1:-1]) == events[-1]["transcript"]
        assert letters(events[-1]["transcript"]).startswith("it was the best of times")
        assert events[-1]["usage"]["seconds"] == pytest.approx(6.0, abs=0.1)
        client.append(pcm(silence(0.5, 24_000)))
        client.send("input_audio_buffer.commit")
        second = client.until(TURN[4])
        assert second[0]["previous_item_id"] == events[0]["item_id"]
        assert second[-1]["transcript"] == ""


def test_the_older_shape_of_the_session(real_server: Server, sample: Audio) -> None:
    with Client(real_server, additional_headers={"OpenAI-Beta": "realtime=v1"}) as client:
        assert client.receive()["type"] == "transcription_session.created"
        session = {
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 300,
            },
            "include": ["item.input_audio_transcription.logprobs"],
        }
        client.send("transcription_session.update", session=session)
        updated = client.receive()
        assert updated["type"] == "transcription_session.updated"
        assert updated["session"]["turn_detection"]["silence_duration_ms"] == 300
        client.append(spoken(sample, 3.0))
        events = client.until(TURN[4])
        assert [event["type"] for event in events] == TURN
        assert events[-1]["logprobs"]
        assert events[3]["logprobs"]


def test_a_commit_ends_the_open_turn_of_the_server(real_server: Server, sample: Audio) -> None:
    with Client(real_server) as client:
        client.receive()
        client.append(pcm(resampled(sample, 24_000)[: 2 * 24_000]))
        client.send("input_audio_buffer.commit")
        assert [event["type"] for event in client.until(TURN[4])] == TURN


def test_clear_forgets_what_was_not_committed(real_server: Server, sample: Audio) -> None:
    with Client(real_server) as client:
        client.receive()
        session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        client.send("session.update", session=session)
        client.receive()
        client.append(spoken(sample, 3.0))
        client.send("input_audio_buffer.clear")
        assert client.receive()["type"] == "input_audio_buffer.cleared"
        client.append(pcm(silence(0.3, 24_000)))
        client.send("input_audio_buffer.commit")
        assert client.until(TURN[4])[-1]["transcript"] == ""


def test_a_commit_of_nothing_is_an_error_that_names_its_event(scripted_server: Server) -> None:
    with Client(scripted_server) as client:
        client.receive()
        client.send("input_audio_buffer.commit", event_id="mine")
        error = client.receive()
        assert error["type"] == "error"
        assert error["error"]["code"] == "input_audio_buffer_commit_empty"
        assert error["error"]["event_id"] == "mine"


MISTAKES: list[tuple[str | bytes, str]] = [
    ("{", "invalid_json"),
    ("[" * 100_000, "invalid_json"),
    ("[]", "invalid_json"),
    (b"\x00\x01", "invalid_json"),
    ('{"type": "response.create"}', "unknown_event"),
    ('{"type": ["x"]}', "unknown_event"),
    ('{"type": "input_audio_buffer.append"}', "invalid_audio"),
    ('{"type": "input_audio_buffer.append", "audio": "***"}', "invalid_audio"),
    ('{"type": "input_audio_buffer.append", "audio": 5}', "invalid_audio"),
    ('{"type": "session.update"}', "invalid_request"),
    ('{"type": "session.update", "session": {"type": "realtime"}}', "invalid_request"),
    ('{"type": "session.update", "session": {"audio": 5}}', "invalid_request"),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}}',
        "invalid_request",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "/etc"}}}}}',
        "model_not_found",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"transcription": {"language": "?"}}}}}',
        "invalid_request",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "magic"}}}}}',
        "invalid_request",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"turn_detection": '
        '{"type": "server_vad", "silence_duration_ms": -1}}}}}',
        "invalid_request",
    ),
    ('{"type": "session.update", "session": {"include": 5}}', "invalid_request"),
]


def test_mistakes_are_told_and_the_session_goes_on(scripted_server: Server) -> None:
    with Client(scripted_server) as client:
        client.receive()
        for message, code in MISTAKES:
            client.socket.send(message)
            error = client.receive()
            assert error["type"] == "error", message[:80]
            assert error["error"]["code"] == code, message[:80]
        client.append(pcm(silence(4.0, 24_000)))
        heard = letters(client.until(TURN[4])[-1]["transcript"])
        assert heard == "the quick brown fox jumps over the lazy dog"


def test_an_odd_number_of_bytes_is_no_harm(real_server: Server, sample: Audio) -> None:
    data = spoken(sample, 3.0)
    with Client(real_server) as client:
        client.receive()
        for start in range(0, len(data), 9_999):
            client.append(data[start : start + 9_999])
        assert "best of times" in letters(client.until(TURN[4])[-1]["transcript"])


def test_an_unknown_model_is_told_and_the_socket_closed(scripted_server: Server) -> None:
    with Client(scripted_server, "?model=../../model") as client:
        assert client.receive()["error"]["code"] == "model_not_found"
        with pytest.raises(Exception, match="1008"):
            client.receive()


def test_browsers_get_their_subprotocol_back(scripted_server: Server) -> None:
    with Client(scripted_server, subprotocols=["realtime", "openai-insecure-api-key.any"]) as client:
        assert client.socket.subprotocol == "realtime"
        assert client.receive()["type"] == "session.created"
