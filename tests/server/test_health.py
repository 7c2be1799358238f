"""The server starts, tells how it is, and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.server.sounds import pcm, silence

if TYPE_CHECKING:
    from earshot.server.runner import Server

connect = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
).connect
from websockets.exceptions import InvalidStatus  # noqa: E402 - after the skip


def test_it_tells_that_it_is_ready(serve: Callable[..., Server]) -> None:
    answer = httpx.get(serve().address + "/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_figures_count_what_happened(serve: Callable[..., Server]) -> None:
    server = serve()
    url = server.address.replace("http", "ws") + "/vosk"
    with connect(url) as socket:
        socket.send(pcm(silence(2.0)))
        socket.recv()
        text = httpx.get(server.address + "/metrics").text
        assert "earshot_live_streams 1.0" in text
        assert "earshot_live_audio_seconds_total 2.0" in text
        socket.send('{"eof" : 1}')
        socket.recv()
    httpx.get(server.address + "/v1/models/" + "x" * 50)
    httpx.get(server.address + "/no/such/route")
    answer = httpx.get(server.address + "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    text = answer.text
    assert "earshot_live_streams 0.0" in text
    assert "earshot_finals_total 1.0" in text
    assert 'earshot_requests_total{method="GET",route="/v1/models/{model:path}",status="404"} 1.0' in text
    assert 'route="none",status="404"' in text
    assert "x" * 50 not in text
    assert "process_resident_memory_bytes" in text


def test_vosk_s_own_port_is_guarded_like_the_other(serve: Callable[..., Server]) -> None:
    server = serve(vosk_port=0, token="a-token-that-nobody-guesses")
    url = f"ws://127.0.0.1:{server.vosk_port}/"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Origin": "http://evil.example"}):
        with pytest.raises(InvalidStatus):
            connect(url, additional_headers=headers)
    with connect(url + "?token=a-token-that-nobody-guesses") as socket:
        socket.send('{"eof" : 1}')
        assert "text" in socket.recv()


def test_it_says_when_it_is_about_to_end(serve: Callable[..., Server]) -> None:
    server = serve()
    server.app.state.stopping.set()
    assert httpx.get(server.address + "/healthz").json()["status"] == "stopping"
    server.app.state.stopping.clear()
