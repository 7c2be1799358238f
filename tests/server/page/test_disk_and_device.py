"""The server's own sound card, and a disk that fills up under a recording."""

from __future__ import annotations

import contextlib
import json
import re
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from earshot.engines.scripted import ScriptedRecognizer
from tests.live.disks import mounted_disk
from tests.live.virtual_microphone import VirtualMicrophone, start_virtual_microphone
from tests.server.page.conftest import CLIP_TEXT
from tests.server.page.processes import free_port, process


@pytest.fixture
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    yield from start_virtual_microphone(tmp_path_factory.mktemp("pa"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted_disk(tmp_path / "disk", "4m")


@pytest.mark.slow
def test_the_servers_own_microphone_is_recorded(
    microphone: VirtualMicrophone, clip: Path, tmp_path: Path
) -> None:
    port = free_port()
    with process(port, tmp_path, environment=microphone.environment):
        devices = httpx.get(f"http://127.0.0.1:{port}/api/choices", timeout=30).json()["devices"]
        [default] = [device["index"] for device in devices if device["is_default"]]
        with connect(f"ws://127.0.0.1:{port}/api/live") as live:
            live.send(json.dumps({"type": "begin", "source": "device", "device": default}))
            ready = json.loads(live.recv(timeout=20))
            assert ready["type"] == "ready"
            microphone.play(clip)
            live.send(json.dumps({"type": "stop", "blocks": 0}))
            messages = [json.loads(message) for message in live]
        assert max(message["level"] or -99 for message in messages if message["type"] == "status") > -30
        path = f"http://127.0.0.1:{port}/api/sessions/{ready['session']}/segments"
        said = " ".join(segment["text"] for segment in httpx.get(path).json()["segments"])
        assert re.sub("[^a-z ]", "", said.lower()) == CLIP_TEXT


def test_a_disk_that_fills_up_under_a_recording_costs_nothing(
    small_disk: Path, start: Callable[..., Any]
) -> None:
    server = start(ScriptedRecognizer(), data_folder=small_disk)
    block = np.arange(16_000, dtype="<i2").tobytes()
    with connect(f"ws{server.address.removeprefix('http')}/api/live") as live:

        def until(wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
            while True:
                message: dict[str, Any] = json.loads(live.recv(timeout=20))
                if wanted(message):
                    return message

        live.send(json.dumps({"type": "begin", "source": "browser", "label": "test"}))
        session_id = until(lambda message: message["type"] == "ready")["session"]
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        for number in range(20):
            live.send(struct.pack("<I", number) + block)
        until(lambda message: message.get("warning") == "disk")
        assert httpx.post(f"{server.address}/api/uploads?name=x.wav", content=b"x" * 99_999).status_code == 507
        filler.unlink()
        until(lambda message: message["type"] == "ack" and message["expected"] == 20)
        live.send(json.dumps({"type": "stop", "blocks": 20}))
        assert until(lambda message: message.get("kind") == "ended")["problem"] is None
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        session = httpx.get(f"{server.address}/api/sessions/{session_id}").json()["session"]
        if session["state"] == "ready":
            break
        time.sleep(0.05)
    assert (session["state"], session["duration"]) == ("ready", 20.0)
