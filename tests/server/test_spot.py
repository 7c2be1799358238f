"""Taught commands over the server's WebSocket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.commands import CommandStore, Embedder, Teacher
from earshot.core.types import SAMPLE_RATE, Samples
from tests.commands.conftest import FIRST, stream, takes

if TYPE_CHECKING:
    from earshot.server.runner import Server

connect = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
).connect
from websockets.exceptions import ConnectionClosed  # noqa: E402 - after the skip


@pytest.fixture
def url(scripted_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    return scripted_server.address.replace("http", "ws") + "/v1/spot"


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def replies(url: str, *messages: str | bytes) -> list[dict[str, Any]]:
    with connect(url) as socket:
        for message in messages:
            socket.send(message)
        socket.send('{"end": true}')
        return [json.loads(reply) for reply in socket]


def test_a_command_is_told_when_it_is_said(url: str) -> None:
    Teacher(CommandStore(), Embedder()).teach("light on", takes(FIRST))
    sound = pcm(stream(FIRST))
    blocks = [sound[start : start + 3_333] for start in range(0, len(sound), 3_333)]
    event, end = replies(url, '{"config": {"false_alarms_per_hour": 0.5}}', *blocks)
    assert event["type"] == "spotted"
    assert event["label"] == "light on"
    assert 1.8 < event["time"] < 2.6
    assert end == {"type": "end"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('{"config": {"sample_rate": 7}}', "sample_rate"),
        ('{"config": {"false_alarms_per_hour": 0}}', "false_alarms_per_hour"),
        ('{"config": {"only": "light"}}', "only"),
        ('{"config": {"running": 1}}', "running"),
        ('{"config": {"threshold": 1}}', "threshold"),
        ('{"config": {"model": "/etc"}}', "commands12, wake-words"),
        ('{"config": {"model": ["commands12"]}}', "commands12, wake-words"),
        ('{"config": {"model": "commands12", "running": true}}', "running"),
        ('{"config": []}', "object"),
        ('{"volume": 3}', "config"),
        ("[" * 100_000, "JSON"),
        (b"\0\0" * 800, "nothing is taught"),
    ],
)
def test_what_means_nothing_is_refused_with_the_reason(url: str, message: str | bytes, reason: str) -> None:
    with connect(url) as socket:
        socket.send(message)
        with pytest.raises(ConnectionClosed) as refused:
            socket.recv(timeout=30)
    assert refused.value.rcvd is not None
    assert reason in refused.value.rcvd.reason


def test_the_words_of_a_net_that_ships_need_no_teaching(url: str, speech: Path) -> None:
    rows = (speech / "wake_words" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    clips = [row for row in map(json.loads, rows) if row["label"] in ("computer", "jarvis")][::40]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    for row in clips:
        config = {"model": "wake-words", "only": ["jarvis"]}
        sound = read_audio(speech / "wake_words" / row["audio"]).samples
        *events, end = replies(url, json.dumps({"config": config}), pcm(np.concatenate([pause, sound, pause])))
        assert [event["label"] for event in events] == ["jarvis"] * (row["label"] == "jarvis")
        assert end == {"type": "end"}
