"""Who speaks, on the page: live and in recordings, named, and remembered when somebody asks for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from earshot.core.types import Audio, Samples, Segment
from earshot.engines import Recognizer
from earshot.server.library import Library
from earshot.server.library_schema import APPLICATION_ID, MIGRATIONS
from earshot.server.page_voices import chosen_spans
from earshot.speakers.memory import SpeakerMemory
from tests.server.page.browser import Page, write_clip
from tests.server.page.test_live_socket import Live, recorded
from tests.server.page.test_page_api import finished
from tests.server.sounds import recording
from tests.speech import FIRST_SENTENCES, TWO_LINES, three_voices


@pytest.fixture(scope="session")
def parts(sample_path: Path) -> list[Samples]:
    """9 s of one voice, silence, 7 s of another, silence."""
    first, second, _ = three_voices(sample_path)
    pause = np.zeros(16_000, np.float32)
    return [first[FIRST_SENTENCES], pause, second[TWO_LINES], pause]


@pytest.fixture(scope="session")
def clip(parts: list[Samples], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    write_clip(path, Audio(np.concatenate(parts)), before=0.8)
    return path


@pytest.fixture
def client(start: Callable[..., Any], moonshine: Recognizer, voices: object) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=start(moonshine).address, timeout=60) as opened:
        yield opened


def upload(client: httpx.Client, samples: Samples, **query: str) -> str:
    answer = client.post("/api/uploads", params={"name": "talk.wav", **query}, content=recording(samples))
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["session"]["id"]
    assert finished(client, session_id)["state"] == "ready"
    return session_id


def who(client: httpx.Client, session_id: str) -> list[str | None]:
    """The names of the passages in order, each once."""
    names = client.get(f"/api/sessions/{session_id}").json()["speakers"]
    segments = client.get(f"/api/sessions/{session_id}/segments").json()["segments"]
    said = [names.get(segment["speaker"]) for segment in segments]
    return [name for name, before in zip(said, ["", *said], strict=False) if name != before]


def test_a_recording_tells_who_speaks_where_that_was_asked_for(
    client: httpx.Client, parts: list[Samples]
) -> None:
    samples = np.concatenate(parts)
    session_id = upload(client, samples, diarize="true")
    assert who(client, session_id) == ["S1", "S2"]
    assert client.get(f"/api/sessions/{session_id}").json()["session"]["diarize"] is True
    assert "S2: " in client.get(f"/api/sessions/{session_id}/export/txt").text
    # Made anew as it was not: without.
    client.post(f"/api/sessions/{session_id}/transcription", json={}).raise_for_status()
    finished(client, session_id)
    assert who(client, session_id) == [None]
    assert who(client, upload(client, samples)) == [None]


def test_a_voice_that_was_named_and_remembered_has_its_name_in_the_next_session(
    client: httpx.Client, parts: list[Samples], tmp_path: Path
) -> None:
    session_id = upload(client, np.concatenate(parts), diarize="true")
    client.put(f"/api/sessions/{session_id}/speakers", json={"label": "S2", "name": "Ada"}).raise_for_status()
    # A name alone makes nothing known.
    assert SpeakerMemory(tmp_path / "speakers.sqlite").list() == []
    answer = client.post(f"/api/sessions/{session_id}/voices", json={"label": "S2"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "Ada"
    assert answer.json()["is_new"] is True
    assert answer.json()["seconds"] == pytest.approx(6.5, abs=2)
    [speaker] = SpeakerMemory(tmp_path / "speakers.sqlite").list()
    assert (speaker.name, speaker.num_clips) == ("Ada", 0)
    first, pause, second, _ = parts
    again = upload(client, np.concatenate([second, pause, first]), diarize="true")
    assert who(client, again) == ["Ada", "S2"]
    assert client.get(f"/api/sessions/{again}").json()["voices"] == ["Ada"]
    # More of the same voice is welcome, another voice under that name is not.
    more = client.post(f"/api/sessions/{again}/voices", json={"label": "Ada"})
    assert more.json()["is_new"] is False
    client.put(f"/api/sessions/{again}/speakers", json={"label": "S2", "name": "Ada"}).raise_for_status()
    refused = client.post(f"/api/sessions/{again}/voices", json={"label": "S2"})
    assert refused.status_code == 422
    assert "another voice" in refused.json()["error"]["message"]
    assert SpeakerMemory(tmp_path / "speakers.sqlite").list()[0].num_recordings == 2


def test_voices_that_cannot_be_known_are_refused_in_one_line(
    client: httpx.Client, parts: list[Samples], tmp_path: Path
) -> None:
    session_id = upload(client, parts[0][: 16_000 * 3], diarize="true")

    def refused(path: str, body: Any) -> tuple[int, str]:
        answer = client.post(f"/api/sessions/{path}/voices", json=body)
        return answer.status_code, answer.json()["error"]["message"]

    assert refused(session_id, {"label": "S9"}) == (404, "there is no such speaker")
    assert refused("nothing", {"label": "S1"})[0] == 404
    assert refused(session_id, {})[0] == 422
    assert refused(session_id, {"label": 7})[0] == 422
    status, message = refused(session_id, {"label": "S1"})
    assert status == 422
    assert "s of speech" in message
    [audio] = (tmp_path / "recordings" / session_id).glob("recording*")
    audio.unlink()
    assert refused(session_id, {"label": "S1"}) == (422, "the sound of this session is not there any more")
    assert not (tmp_path / "speakers.sqlite").exists()


def test_a_memory_that_is_damaged_costs_names_and_no_words(
    client: httpx.Client, parts: list[Samples], tmp_path: Path
) -> None:
    (tmp_path / "speakers.sqlite").write_bytes(b"no database" * 500)
    session_id = upload(client, np.concatenate(parts), diarize="true")
    assert who(client, session_id) == ["S1", "S2"]
    assert client.get(f"/api/sessions/{session_id}").json()["voices"] == []


def test_a_live_session_tells_who_speaks(
    start: Callable[..., Any], moonshine: Recognizer, voices: object, parts: list[Samples]
) -> None:
    server = start(moonshine)
    live = Live(server.address, type="begin", source="browser", label="test", diarize=True)
    session_id = live.of("ready")["session"]
    samples = np.round(np.concatenate(parts) * 32_767).astype("<i2")
    for number in range(len(samples) // 1_600):
        live.block(number, samples[number * 1_600 : (number + 1) * 1_600])
    live.send(type="stop", blocks=len(samples) // 1_600)
    live.of("ended")
    known = {}
    for message in live.messages:
        if message.get("kind") in ("final", "words") and message["segment"]["speaker"] is not None:
            # What was told once is not told otherwise later.
            assert (
                known.setdefault(message["index"], message["segment"]["speaker"])
                == message["segment"]["speaker"]
            )
    assert set(known.values()) == {"S1", "S2"}
    assert recorded(server, session_id)["diarize"] is True
    with httpx.Client(base_url=server.address, timeout=20) as client:
        assert who(client, session_id) == ["S1", "S2"]


@pytest.mark.parametrize("wish", ["yes", 1, "true", []])
def test_a_wish_that_is_none_begins_nothing(start: Callable[..., Any], wish: object) -> None:
    live = Live(start().address, type="begin", source="browser", label="x", diarize=wish)
    assert "diarize" in live.of("error")["message"]
    assert live.closed() == 1007


def test_a_library_from_before_keeps_its_sessions(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "library.sqlite3")
    connection.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1; {MIGRATIONS[0]}"
    )
    connection.execute(
        "INSERT INTO sessions (id, title, created, kind, state)"
        " VALUES ('a', 'Old', '2026-01-01T00:00:00Z', 'live', 'ready')"
    )
    connection.commit()
    connection.close()
    library = Library(tmp_path)
    try:
        assert (library.get("a").title, library.get("a").diarize) == ("Old", False)
        library.set_engine("a", "moonshine", None, diarize=True)
        assert library.get("a").diarize is True
    finally:
        library.close()


def test_a_voice_is_taken_from_the_longest_passages() -> None:
    def passage(start: float, end: float) -> Segment:
        return Segment("words", start, end)

    said = [passage(0, 0.5), passage(10, 50), passage(60, 62), passage(70, 100), passage(200, 200.3)]
    assert chosen_spans(said) == [(160_000, 640_000), (1_120_000, 480_000)]
    # Neither beyond the end of the sound nor twice the same.
    assert chosen_spans([passage(0, 3), passage(2, 4)], 3.5) == [(0, 48_000), (48_000, 8_000)]
    assert chosen_spans([passage(5, 9)], 3.5) == []


# --- in a browser -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_switch_the_names_and_the_voice_that_is_remembered(
    page: Page, voices: object, tmp_path: Path
) -> None:
    page.find(".switch")
    assert page.script("return document.querySelector('.switch input').checked") is False
    page.click(".switch input")
    page.open()
    page.find(".switch")
    assert page.script("return document.querySelector('.switch input').checked") is True
    page.click(".record-button")
    page.until("return document.querySelectorAll('.voice-name').length === 2", 60)
    assert page.texts(".voice-name") == ["S1", "S2"]
    colours = page.script(
        "return [...document.querySelectorAll('.voice-name')].map((one) => getComputedStyle(one).color)"
    )
    assert len(set(colours)) == 2
    page.until("return earshot.recording.numSamples > 16000 * 19")
    page.screenshot("page-speakers-live", tmp_path)
    page.click(".stop-button")
    page.until("return location.hash.startsWith('#/s/')")
    page.until("return document.querySelectorAll('.row-speaker').length > 1")
    shown = page.script(
        "return [...document.querySelectorAll('.row-speaker:not(.same)')]"
        ".map((one) => [one.textContent, getComputedStyle(one).color])"
    )
    assert [name for name, _ in shown] == ["S1", "S2"]
    assert [colour for _, colour in shown] == colours
    page.script("document.querySelectorAll('.row-speaker:not(.same)')[1].click()")
    box = page.find("dialog input[type=text]")
    box.clear()
    box.send_keys("Ada")
    page.find("dialog input[type=checkbox]").click()
    page.screenshot("page-speakers", tmp_path)
    page.button("Rename everywhere").click()
    page.until("return document.querySelector('.toast')?.textContent.startsWith('Ada is known from now on')")
    page.until("return [...document.querySelectorAll('.row-speaker')].some((one) => one.textContent === 'Ada')")
    assert [speaker.name for speaker in SpeakerMemory(tmp_path / "speakers.sqlite").list()] == ["Ada"]
    page.open()
    page.click(".switch input")
    page.open()
    page.find(".switch")
    assert page.script("return document.querySelector('.switch input').checked") is False
