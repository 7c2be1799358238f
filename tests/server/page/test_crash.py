"""``kill -9`` at the worst moment, a disk that takes no more, and the start after that."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from earshot.core.types import Audio
from tests.server.page.browser import Page
from tests.server.page.conftest import CLIP_TEXT
from tests.server.page.processes import free_port, process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def settled(port: int, number: int = 0) -> dict[str, Any]:
    """The session of that place in the library, when nothing is under way any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        sessions = httpx.get(f"http://127.0.0.1:{port}/api/sessions").json()["sessions"]
        if sessions and sessions[number]["state"] not in ("waiting", "working", "recording"):
            found: dict[str, Any] = sessions[number]
            return found
        time.sleep(0.1)
    raise AssertionError(sessions)


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z ]", " ", text.lower()).split())


def said(port: int, session_id: str) -> str:
    segments = httpx.get(f"http://127.0.0.1:{port}/api/sessions/{session_id}/segments").json()["segments"]
    return plain(" ".join(segment["text"] for segment in segments))


def test_a_live_session_loses_at_most_a_second(tmp_path: Path, sample: Audio) -> None:
    port = free_port()
    pcm = np.clip(sample.samples[: int(6.4 * 16_000)] * 32768, -32768, 32767).astype("<i2")
    with process(port, tmp_path) as server, connect(f"ws://127.0.0.1:{port}/api/live") as live:
        live.send(json.dumps({"type": "begin", "source": "browser", "label": "test"}))
        begun = time.monotonic()
        for number, at in enumerate(range(0, len(pcm), 1600)):
            live.send(struct.pack("<I", number) + pcm[at : at + 1600].tobytes())
            time.sleep(max(0.0, begun + (number + 1) * 0.1 - time.monotonic()))
        server.send_signal(signal.SIGKILL)
        server.wait()
    with process(port, tmp_path):
        session = settled(port)
        assert session["state"] == "recovered"
        assert session["duration"] > len(pcm) / 16_000 - 1.0
        deadline = time.monotonic() + 30  # what is behind the last final is recognized after the start
        while not said(port, session["id"]).endswith("wisdom") and time.monotonic() < deadline:
            time.sleep(0.2)
        assert said(port, session["id"]) == CLIP_TEXT
        audio = httpx.get(f"http://127.0.0.1:{port}/api/sessions/{session['id']}/audio").content
        kept = np.frombuffer(audio[44:], "<i2")
        assert (kept == pcm[: len(kept)]).all()
        assert httpx.get(f"http://127.0.0.1:{port}/api/search?q=wisdom").json()["hits"]


def test_a_recording_in_work_begins_again(tmp_path: Path, sample_path: Path) -> None:
    port = free_port()
    data = sample_path.read_bytes()
    with process(port, tmp_path) as server:
        answer = httpx.post(f"http://127.0.0.1:{port}/api/uploads?name=Cities.wav", content=data)
        assert answer.status_code == 201
        server.send_signal(signal.SIGKILL)
        server.wait()
    with process(port, tmp_path):
        session = settled(port)
        assert (session["title"], session["state"]) == ("Cities", "ready")
        assert said(port, session["id"]).startswith(CLIP_TEXT)


def test_a_recording_that_was_coming_in_leaves_no_rubbish(tmp_path: Path) -> None:
    port = free_port()
    head = f"POST /api/uploads?name=a.wav HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 900000\r\n\r\n"
    with process(port, tmp_path) as server, socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(head.encode() + b"x" * 300_000)
        deadline = time.monotonic() + 10
        while not list(tmp_path.glob("recordings/*/*.partial")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.glob("recordings/*/*.partial"))
        server.send_signal(signal.SIGKILL)
        server.wait()
    with process(port, tmp_path):
        assert httpx.get(f"http://127.0.0.1:{port}/api/sessions").json() == {"sessions": []}
        assert list(tmp_path.glob("recordings/*")) == []


def test_a_full_disk_is_told_and_the_next_recording_is_taken(tmp_path: Path, sample_path: Path) -> None:
    port = free_port()
    large = sample_path.read_bytes() * 2
    with process(port, tmp_path, largest_file=len(large) - 1_000):
        base = f"http://127.0.0.1:{port}"
        refused = httpx.post(f"{base}/api/uploads?name=large.wav", content=large, timeout=30)
        assert refused.status_code == 507
        assert "cannot write" in refused.json()["error"]["message"]
        taken = httpx.post(f"{base}/api/uploads?name=small.wav", content=sample_path.read_bytes(), timeout=30)
        assert taken.status_code == 201
        assert settled(port)["state"] == "ready"
    assert len(list(tmp_path.glob("recordings/*"))) == 1


def test_the_page_goes_on_when_the_server_dies_and_returns(driver: Any, tmp_path: Path) -> None:
    """The browser has what the server had not written down: two sessions hold all, word for word."""
    port = free_port()
    page = Page(driver, f"http://127.0.0.1:{port}")
    with process(port, tmp_path) as server:
        page.open()
        page.click(".record-button")
        page.until("return earshot.recording?.numSamples > 16000 * 3.4")
        server.send_signal(signal.SIGKILL)
        server.wait()
    page.until("return earshot.recording.status === 'away'")
    with process(port, tmp_path):
        page.until("return earshot.recording.status === 'recording'", 60)
        page.until("return earshot.recording.numSamples > 16000 * 8.5")
        total = page.script("return earshot.recording.numSamples")
        page.click(".stop-button")
        page.until("return location.hash.startsWith('#/s/')")
        page.find(".w")
        newest, oldest = settled(port), settled(port, 1)
        assert oldest["state"] == "recovered"
        assert newest["duration"] + oldest["duration"] == pytest.approx(total / 16_000, abs=1.0)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            words = f"{said(port, oldest['id'])} {said(port, newest['id'])}".split()
            if len(words) >= 15:
                break
            time.sleep(0.3)
        assert words[:4] == CLIP_TEXT.split()[:4]
        assert words[-4:] == CLIP_TEXT.split()[-4:]
        page.driver.get("about:blank")
