"""What the page asks for, asked without a page: answers, refusals, and the files behind them."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.settings import ServerOptions
from earshot.text.formats import FORMATS
from tests.server.conftest import running
from tests.server.page.conftest import fill


@pytest.fixture
def client(start: Callable[..., Any]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=start().address, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One server for tests that change nothing; its library holds ``s1``, a word."""
    folder = tmp_path_factory.mktemp("shared")
    fill(folder, "a word")
    options = ServerOptions(port=0, engine="scripted", data_folder=folder)
    with (
        running(options, {"scripted": ScriptedRecognizer()}) as server,
        httpx.Client(base_url=server.address, timeout=30) as opened,
    ):
        yield opened


def finished(client: httpx.Client, session_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        session: dict[str, Any] = client.get(f"/api/sessions/{session_id}").json()["session"]
        if session["state"] not in ("waiting", "working", "recording"):
            return session
        time.sleep(0.05)
    raise AssertionError(session)


def upload(client: httpx.Client, data: bytes, name: str) -> dict[str, Any]:
    answer = client.post("/api/uploads", params={"name": name}, content=data)
    assert answer.status_code == 201, answer.text
    return finished(client, answer.json()["session"]["id"])


def sound(seconds: float, format_name: str = "WAV") -> bytes:
    """A tone, that loudness comes and goes."""
    times = np.arange(int(seconds * 16_000)) / 16_000
    stream = io.BytesIO()
    samples = 0.3 * np.sin(2 * np.pi * 440 * times) * (times % 2 < 1)
    soundfile.write(stream, samples, 16_000, format=format_name)
    return stream.getvalue()


# --- the page's own files ----------------------------------------------------------------------------------


def test_all_that_the_page_loads_is_there_and_under_its_policy(shared: httpx.Client) -> None:
    page = shared.get("/")
    assert page.status_code == 200
    links = [part.split('"')[0] for part in page.text.replace("src=", "href=").split('href="')[1:]]
    names = [link for link in links if link.startswith("/static/")]
    assert len(names) > 15
    for name in names:
        answer = shared.get(name)
        assert answer.status_code == 200, name
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        for written in ("http://", "https://", "//cdn"):
            outside = answer.text.replace("http://www.w3.org/", "")
            assert written not in outside, name
    assert "<script>" not in page.text
    assert "style=" not in page.text


def test_a_file_that_is_unchanged_is_not_sent_again_and_keeps_its_policy(shared: httpx.Client) -> None:
    first = shared.get("/static/js/app.js")
    again = shared.get("/static/js/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "js/../../app.py", "", "js", "%00"])
def test_nothing_but_the_page_is_served(shared: httpx.Client, name: str) -> None:
    assert shared.get(f"/static/{name}").status_code == 404


def test_the_resampler_is_the_notebooks_own() -> None:
    rooms = Path(__file__).parents[3] / "src" / "earshot"
    notebook = (rooms / "notebook" / "recorder.js").read_text()
    page = (rooms / "server" / "static" / "js" / "capture-worklet.js").read_text()
    begin, end = "  return class Resampler {", "// Runs in the audio thread"
    body = notebook[notebook.index(begin) : notebook.index(end)].strip()
    assert body in page


# --- recordings --------------------------------------------------------------------------------------------


def test_a_recording_comes_in_and_can_be_played_in_parts(client: httpx.Client, tmp_path: Path) -> None:
    data = sound(5.0)
    session = upload(client, data, "Folder/My talk_1.wav")
    assert (session["title"], session["state"], session["kind"]) == ("My talk 1", "ready", "upload")
    assert session["duration"] == pytest.approx(5.0)
    path = f"/api/sessions/{session['id']}/audio"
    assert client.get(path).content == data
    part = client.get(path, headers={"Range": "bytes=44-143"})
    assert (part.status_code, part.content) == (206, data[44:144])
    assert part.headers["Content-Range"] == f"bytes 44-143/{len(data)}"
    assert client.get(path, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    assert (tmp_path / session["audio_path"]).read_bytes() == data


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF"])
def test_its_outline_and_spectrogram_show_where_sound_is(client: httpx.Client, kind: str) -> None:
    session = upload(client, sound(24.0, kind), f"tone.{kind.lower()}")
    base = f"/api/sessions/{session['id']}"
    peaks = client.get(f"{base}/peaks").json()
    columns = np.array(peaks["high"])
    step = peaks["seconds_per_column"]
    assert len(columns) * step == pytest.approx(24.0, abs=2 * step)
    assert columns[int(0.5 / step)] == pytest.approx(0.3 * 127, abs=3)
    assert columns[int(1.5 / step)] <= 2
    tile = np.frombuffer(client.get(f"{base}/spectrogram/1").content, np.uint8).reshape(-1, 64)
    assert len(tile) == 200  # four seconds are left
    assert tile[25].argmax() == pytest.approx(tile[20].argmax(), abs=1)
    assert tile[25].max() > tile[75].max() + 50
    assert client.get(f"{base}/spectrogram/2").content == b""
    audio = client.get(f"{base}/audio")
    assert audio.headers["content-type"].startswith("audio/")


@pytest.mark.parametrize(
    ("data", "status"), [(b"", 422), (b"not a recording at all", 201), (b"RIFF\xff\xff\xff\xffWAVE", 201)]
)
def test_what_is_no_recording_is_told_and_disturbs_nobody(
    client: httpx.Client, data: bytes, status: int
) -> None:
    answer = client.post("/api/uploads?name=x.wav", content=data)
    assert answer.status_code == status
    if status == 201:
        session = finished(client, answer.json()["session"]["id"])
        assert session["state"] == "failed"
        assert session["problem"]
    assert upload(client, sound(1.0), "good.wav")["state"] == "ready"


def test_an_upload_that_is_too_large_leaves_nothing_behind(start: Callable[..., Any], tmp_path: Path) -> None:
    server = start(max_upload_bytes=100_000)
    with httpx.Client(base_url=server.address) as client:

        def endless() -> Iterator[bytes]:
            for _ in range(100):
                yield b"x" * 10_000

        with contextlib.suppress(httpx.HTTPError):  # it may hang up before the client has read the answer
            assert client.post("/api/uploads?name=x.wav", content=endless()).status_code == 413
        assert client.get("/api/sessions").json() == {"sessions": []}
        assert upload(client, sound(1.0), "small.wav")["state"] == "ready"
    assert len(list((tmp_path / "recordings").iterdir())) == 1


def test_an_upload_that_breaks_off_leaves_nothing_behind(client: httpx.Client, tmp_path: Path) -> None:
    import socket

    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port)) as raw:
        head = f"POST /api/uploads?name=a.wav HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n\r\n"
        raw.sendall(head.encode() + b"x" * 5_000)
        time.sleep(0.3)
    deadline = time.monotonic() + 10
    while list(tmp_path.glob("recordings/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.glob("recordings/*")) == []
    assert client.get("/api/sessions").json() == {"sessions": []}


def test_recordings_come_one_after_another_and_are_transcribed_again(client: httpx.Client) -> None:
    sessions = [upload(client, sound(1.0 + number), f"take {number}.wav") for number in range(3)]
    listed = client.get("/api/sessions").json()["sessions"]
    assert [entry["title"] for entry in listed] == ["take 2", "take 1", "take 0"]
    first = sessions[0]["id"]
    answer = client.post(f"/api/sessions/{first}/transcription", json={"engine": None})
    assert answer.status_code == 202
    assert finished(client, first)["state"] == "ready"
    unknown = client.post(f"/api/sessions/{first}/transcription", json={"engine": "/etc/passwd"})
    assert unknown.status_code == 422
    assert finished(client, first)["state"] == "ready"


# --- text --------------------------------------------------------------------------------------------------


def test_every_format_is_exported_with_corrections_or_without(client: httpx.Client, tmp_path: Path) -> None:
    fill(tmp_path, "the fort of a tail", title="Über/Größe <1>")
    changed = client.put("/api/sessions/s1/segments/0/words/4", json={"text": "tale", "version": 1})
    assert changed.json() == {"text": "tail", "correction": "tale", "version": 2}
    for name in FORMATS:
        corrected = client.get(f"/api/sessions/s1/export/{name}")
        assert corrected.status_code == 200, name
        assert ("tale" in corrected.text) == (name != "rttm"), name  # which tells who speaks, not what
        assert "filename*=UTF-8''%C3%9Cber" in corrected.headers["Content-Disposition"]
        original = client.get(f"/api/sessions/s1/export/{name}?original=true")
        assert ("tail" in original.text) == (name != "rttm"), name
    assert client.get("/api/sessions/s1/export/docx").status_code == 404
    whole = json.loads(client.get("/api/sessions/s1/export/json").text)
    assert whole["segments"][0]["words"][4]["start"] == pytest.approx(1.6)


def test_a_stale_correction_is_refused_with_what_is_there(client: httpx.Client, tmp_path: Path) -> None:
    fill(tmp_path, "one word")
    path = "/api/sessions/s1/segments/0/words/1"
    assert client.put(path, json={"text": "sword", "version": 1}).status_code == 200
    late = client.put(path, json={"text": "ward", "version": 1})
    assert late.status_code == 409
    assert late.json()["error"]["current"] == {"text": "word", "correction": "sword", "version": 2}


def test_a_summary_of_what_was_said(client: httpx.Client, tmp_path: Path) -> None:
    fill(tmp_path, *(f"Sentence number {number} is about the harbour." for number in range(9)))
    made = client.get("/api/sessions/s1/summary?sentences=3").json()
    assert len(made["sentences"]) == 3
    assert made["num_sentences"] == 9
    assert all(sentence["text"].startswith("Sentence number") for sentence in made["sentences"])


def test_a_language_without_translator_is_told(client: httpx.Client, tmp_path: Path) -> None:
    fill(tmp_path, "a few words")
    answer = client.get("/api/sessions/s1/translation?to=xx")
    assert answer.status_code in (422, 501)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/sessions/none", None, 404),
        ("GET", "/api/sessions/none/segments", None, 404),
        ("GET", "/api/sessions/none/audio", None, 404),
        ("GET", "/api/sessions/s1/audio", None, 422),
        ("GET", "/api/sessions/%2e%2e%2fx", None, 404),
        ("GET", "/api/sessions/a%20b", None, 422),
        ("GET", "/api/sessions?limit=0", None, 422),
        ("GET", "/api/search", None, 422),
        ("PATCH", "/api/sessions/s1", {"title": 3}, 422),
        ("PATCH", "/api/sessions/s1", {"title": "x", "id": "y"}, 422),
        ("PATCH", "/api/sessions/none", {"title": "x"}, 404),
        ("DELETE", "/api/sessions/none", None, 404),
        ("PUT", "/api/sessions/s1/segments/0/words/99", {"text": "x", "version": 1}, 404),
        ("PUT", "/api/sessions/s1/segments/0/words/0", {"text": "x"}, 422),
        ("PUT", "/api/sessions/s1/segments/99999999999/words/0", {"text": "x", "version": 1}, 422),
        ("PUT", "/api/sessions/s1/speakers", {"label": "S1", "name": "x"}, 404),
        ("PUT", "/api/sessions/s1/passages", {"first": 5, "last": 9, "name": "x"}, 404),
        ("POST", "/api/uploads?engine=../../model", None, 422),
    ],
)
def test_wrong_questions_are_refused_in_one_line(
    shared: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    answer = shared.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    if answer.headers["content-type"] == "application/json" and "error" in answer.json():
        assert "\n" not in answer.json()["error"]["message"]
        assert "Traceback" not in answer.text
    assert shared.get("/api/sessions/s1/segments").json()["segments"][0]["text"] == "a word"


def test_the_library_does_not_hang_on_what_an_engine_gives(start: Callable[..., Any]) -> None:
    """Words without times, without confidence, and none at all."""
    server = start(ScriptedRecognizer())
    with httpx.Client(base_url=server.address, timeout=30) as client:
        session = upload(client, sound(2.0), "x.wav")
        assert session["state"] == "ready"
        assert client.get(f"/api/sessions/{session['id']}/segments").status_code == 200
