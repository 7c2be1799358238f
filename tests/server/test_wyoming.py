"""Wyoming by its own package's client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from earshot.core.errors import ServerError
from earshot.core.types import Audio
from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.settings import ServerOptions
from tests.conftest import SAMPLE_TEXT
from tests.server.conftest import running
from tests.server.sounds import letters, pcm, resampled, silence

if TYPE_CHECKING:
    from earshot.server.runner import Server

pytest.importorskip("wyoming", reason="wyoming is not installed: pip install 'earshot[serve]'")
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong


def uri(server: Server) -> str:
    return f"tcp://127.0.0.1:{server.wyoming_port}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("home")
    options = ServerOptions(port=0, engine="scripted", wyoming="tcp://127.0.0.1:0", data_folder=folder)
    with running(options, {"scripted": ScriptedRecognizer()}) as server:
        yield server


@pytest.fixture
def start(serve: Callable[..., Server]) -> Callable[..., Server]:
    return lambda *arguments, **options: serve(*arguments, **{"wyoming": "tcp://127.0.0.1:0", **options})


async def next_event(client: AsyncClient) -> Event:
    event = await asyncio.wait_for(client.read_event(), 20)
    assert event is not None
    return event


async def hear(
    client: AsyncClient, data: bytes, *, rate: int = 16_000, width: int = 2, channels: int = 1, **wish: Any
) -> list[Event]:
    """One utterance as Home Assistant sends it; all events up to the last."""
    await client.write_event(Transcribe(**wish).event())
    await client.write_event(AudioStart(rate, width, channels).event())
    for begin in range(0, len(data), 2_048):
        chunk = AudioChunk(rate, width, channels, data[begin : begin + 2_048])
        await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())
    events = [await next_event(client)]
    while not (TranscriptStop.is_type(events[-1].type) or Error.is_type(events[-1].type)):
        events.append(await next_event(client))
    return events


def test_it_describes_itself(shared: Server) -> None:
    async def describe() -> Info:
        async with AsyncClient.from_uri(uri(shared)) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await next_event(client))

    info = asyncio.run(describe())
    (program,) = info.asr
    assert program.supports_transcript_streaming
    assert [model.name for model in program.models] == ["scripted"]
    assert program.models[0].languages


def test_real_speech_becomes_a_streamed_transcript(moonshine_server: Server, sample: Audio) -> None:
    stereo = pcm(resampled(sample, 22_050).repeat(2))

    async def talk() -> tuple[list[Event], list[Event]]:
        async with AsyncClient.from_uri(uri(moonshine_server)) as client:
            plain = await hear(client, pcm(sample.samples), language="en")
            mixed = await hear(client, stereo, rate=22_050, channels=2, language="en-US", name="moonshine")
            return plain, mixed

    for events in asyncio.run(talk()):
        kinds = [event.type for event in events]
        assert TranscriptStart.is_type(kinds[0])
        assert len(kinds) >= 4
        assert all(TranscriptChunk.is_type(kind) for kind in kinds[1:-2])
        assert Transcript.is_type(kinds[-2])
        transcript = Transcript.from_event(events[-2])
        assert letters(transcript.text).startswith(SAMPLE_TEXT)
        assert transcript.language == "en"
        assert "".join(TranscriptChunk.from_event(event).text for event in events[1:-2]) == transcript.text


def test_chunks_come_while_one_still_speaks(shared: Server) -> None:
    async def talk() -> str:
        async with AsyncClient.from_uri(uri(shared)) as client:
            await client.write_event(AudioStart(16_000, 2, 1).event())
            await client.write_event(AudioChunk(16_000, 2, 1, pcm(silence(4.0))).event())
            assert TranscriptStart.is_type((await next_event(client)).type)
            return TranscriptChunk.from_event(await next_event(client)).text

    assert letters(asyncio.run(talk())) == "the quick brown fox jumps over the lazy dog"


def test_silence_still_gets_its_transcript(moonshine_server: Server) -> None:
    async def talk() -> list[Event]:
        async with AsyncClient.from_uri(uri(moonshine_server)) as client:
            return await hear(client, pcm(silence(1.0)))

    events = asyncio.run(talk())
    assert Transcript.from_event(events[-2]).text == ""


def test_a_ping_is_answered(shared: Server) -> None:
    async def talk() -> Event:
        async with AsyncClient.from_uri(uri(shared)) as client:
            await client.write_event(Ping(text="hello").event())
            return await next_event(client)

    assert Pong.from_event(asyncio.run(talk())).text == "hello"


def test_a_unix_socket_is_its_owner_s_alone(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "earshot.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))  # as a killed server leaves it
    start(wyoming=f"unix://{path}")
    assert path.stat().st_mode & 0o077 == 0

    async def talk() -> list[Event]:
        async with AsyncClient.from_uri(f"unix://{path}") as client:
            return await hear(client, pcm(silence(1.0)))

    assert letters(Transcript.from_event(asyncio.run(talk())[-2]).text) == "the quick"


def answer_to(server: Server, data: bytes) -> bytes:
    """All that comes back for raw bytes until the server closes."""
    assert server.wyoming_port is not None
    with socket.create_connection(("127.0.0.1", server.wyoming_port), timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(65_536):
            answer += part
        return answer


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"{\n",
        b"[" * 9_000 + b"\n",
        b"[]\n",
        b"x" * 100_000,
        b'{"type": 5}\n',
        b'{"type": "ping", "data_length": -1}\n',
        b'{"type": "ping", "data_length": 99999999999}\n',
        b'{"type": "ping", "data_length": "5"}\n',
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b'{"type": "ping", "data_length": 5}\nnope!',
        b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 3, "channels": 1}}\n',
        b'{"type": "audio-chunk", "data": {"rate": "fast", "width": 2, "channels": 1}}\n',
        b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 0}}\n',
        b'{"type": "transcribe", "data": {"name": "/etc/passwd"}}\n{"type": "audio-start"}\n',
        b'{"type": "transcribe", "data": {"language": "klingon!"}}\n{"type": "audio-start"}\n',
    ],
)
def test_what_is_no_event_is_answered_by_an_error_and_a_goodbye(shared: Server, data: bytes) -> None:
    header, _, rest = answer_to(shared, data).partition(b"\n")
    event = json.loads(header)
    assert event["type"] == "error"
    assert json.loads(rest[: event["data_length"]])["text"]


def test_an_idle_client_is_let_go(start: Callable[..., Server]) -> None:
    server = start(idle_timeout=0.3)
    assert server.wyoming_port is not None
    with socket.create_connection(("127.0.0.1", server.wyoming_port), timeout=20) as client:
        assert client.recv(100) == b""


def test_an_address_that_others_reach_needs_a_list_of_them(start: Callable[..., Server]) -> None:
    with pytest.raises(ServerError, match="--wyoming-client"):
        start(wyoming="tcp://0.0.0.0:0")
    start(wyoming="tcp://0.0.0.0:0", wyoming_clients=("192.0.2.0/24",))


@pytest.mark.parametrize("text", ["tcp://127.0.0.1", "udp://127.0.0.1:5", "nonsense", "tcp://127.0.0.1:99999"])
def test_what_is_no_address_is_refused(start: Callable[..., Server], text: str) -> None:
    with pytest.raises(ServerError, match="is no address for Wyoming"):
        start(wyoming=text)


def test_only_who_asks_is_announced(start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    zeroconf = pytest.importorskip("zeroconf", reason="zeroconf: pip install 'earshot[serve]'")
    start(has_zeroconf=True)
    found: list[str] = []

    class Listener(zeroconf.ServiceListener):  # type: ignore[misc, name-defined]
        def add_service(self, browser: Any, kind: str, name: str) -> None:
            found.append(name)

        def update_service(self, browser: Any, kind: str, name: str) -> None: ...

        def remove_service(self, browser: Any, kind: str, name: str) -> None: ...

    import time

    with zeroconf.Zeroconf(ip_version=zeroconf.IPVersion.V4Only) as watcher:
        zeroconf.ServiceBrowser(watcher, "_wyoming._tcp.local.", Listener())
        patience = time.monotonic() + 5
        while not found and time.monotonic() < patience:
            time.sleep(0.05)
    assert any("earshot" in name for name in found)
