from __future__ import annotations

import json
from pathlib import Path

import pytest

from earshot.audio.decode import read_audio
from earshot.live import PacedSound, Session
from earshot.live.stored import StoredSession, find_session, list_sessions
from earshot.text.formats import FORMATS, read_transcript
from earshot.transcription import TranscriptionOptions
from tests.cli.command import Result, assert_one_line_error, earshot, read_aloud


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    return tmp_path / "earshot"


def make(seconds: float = 8.0) -> StoredSession:
    source = PacedSound(read_aloud()[: round(16_000 * seconds)], name="a headset", speed=float("inf"))
    with Session(source, TranscriptionOptions(engine="scripted", punctuation=False)) as session:
        list(session)
    return find_session("last")


def cut_off(session: StoredSession, num_finals: int = 1) -> StoredSession:
    """As a crash leaves it: the last finals are missing, a line is cut, the sound's header is behind."""
    meta = session.folder / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "is_complete": False}))
    events = session.folder / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    finals = [index for index, line in enumerate(lines) if '"type": "final"' in line]
    kept = lines[: finals[num_finals - 1] + 1] if num_finals else []
    events.write_text("".join(kept) + '{"type": "final", "ind')
    sound = bytearray(session.audio_path.read_bytes())
    sound[40:44] = (32_000).to_bytes(4, "little")
    session.audio_path.write_bytes(sound + b"\0")
    return find_session(session.id)


def sessions(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return earshot("sessions", *arguments, stdin=stdin)


def test_no_sessions_are_no_error() -> None:
    assert sessions("list") == Result(0, "", "")
    assert sessions("recover") == Result(0, "no session was cut off\n", "")
    assert json.loads(sessions("list", "--json").output) == []


def test_the_list_tells_length_state_and_source() -> None:
    whole, broken = make(), cut_off(make(5.0))
    lines = sessions("list").output.splitlines()
    assert lines == [
        f"{session.id}  0:00:0{seconds}  {state}  a headset"
        for session, seconds, state in sorted(
            [(whole, 8, "complete "), (broken, 5, "cut off  ")], key=lambda row: row[0].id
        )
    ]
    rows = {row["id"]: row for row in json.loads(sessions("list", "--json").output)}
    assert rows[whole.id]["state"] == "complete"
    assert rows[broken.id]["duration"] == 5.0


def test_show_prints_the_text() -> None:
    session = make()
    result = sessions("show", "last")
    assert session.id in result.output
    assert "0:00:03  the quick brown fox jumps over the lazy dog" in result.output


def test_recover_does_all_that_were_cut_off() -> None:
    first, second, whole = cut_off(make()), cut_off(make(), num_finals=0), make()
    result = sessions("recover")
    assert result.status == 0
    assert whole.id not in result.errors
    assert {first.id, second.id} == {line.split(":")[0] for line in result.error_lines}
    for session in (first, second):
        after = find_session(session.id)
        assert after.meta.is_complete
        assert after.transcript().text.startswith("the quick brown fox jumps over the lazy dog")
        assert len(after.transcript().words) >= 15
        assert read_audio(after.audio_path).duration == 8.0
    assert sessions("recover").output == "no session was cut off\n"


def test_a_complete_session_is_recovered_when_all_is_asked_for() -> None:
    session = make()
    assert_one_line_error(sessions("recover", session.id), "is complete", "--all")
    assert sessions("recover", session.id, "--all").status == 0


def test_one_that_is_recorded_right_now_is_not_touched() -> None:
    with Session(PacedSound(read_aloud()), TranscriptionOptions(engine="scripted", punctuation=False)):
        assert "recording" in sessions("list").output
        assert_one_line_error(sessions("recover", "last"), "being recorded right now")
        assert_one_line_error(sessions("remove", "last", "--yes"), "being recorded right now")
        assert sessions("export", "last").status == 0


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if entry.read])
def test_export_in_any_format(tmp_path: Path, name: str) -> None:
    make()
    path = tmp_path / f"a{FORMATS[name].suffix}"
    assert sessions("export", "last", "-o", path).output.strip() == str(path)
    back = read_transcript(path, name)
    if name == "rttm":  # who spoke when, without words
        assert [segment.speaker for segment in back.segments] == ["speech"] * len(back.segments) != []
    else:
        assert back.text.replace("\n", " ").startswith("the quick brown fox")


def test_export_of_the_sound_and_to_standard_output(tmp_path: Path) -> None:
    make()
    assert sessions("export", "last", "-o", tmp_path / "a.flac", "-o", tmp_path / "a.srt").status == 0
    assert read_audio(tmp_path / "a.flac").duration == 8.0
    assert sessions("export", "last").output.startswith("the quick brown fox")
    assert sessions("export", "last", "-f", "vtt").output.startswith("WEBVTT")


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    session = make()
    assert_one_line_error(sessions("show", "yesterday"), "there is no session 'yesterday'")
    near = session.id[:-1] + ("0" if session.id[-1] != "0" else "1")
    assert_one_line_error(sessions("show", near), f"did you mean '{session.id}'?")
    assert_one_line_error(sessions("export", "last", "-f", "srtt"), "srtt", "'srt'", status=2)
    assert_one_line_error(sessions("export", "last", "-o", tmp_path / "a.xyz"), "tells no format")
    assert_one_line_error(sessions("export", "last", "-f", "wav"), "add --output", status=2)
    assert_one_line_error(sessions("remove", "../sessions", "-y"), "no name of a session")
    assert_one_line_error(sessions("recover", "last", "--all", "--engine", "moonshin"), "'moonshine'")
    assert find_session("last") == session


def test_another_version_is_told_and_the_others_are_listed() -> None:
    old, new = make(), make()
    meta = old.folder / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "version": 9}))
    result = sessions("list")
    assert result.status == 0
    assert result.output.startswith(new.id)
    assert "version 9" in result.errors
    assert_one_line_error(sessions("show", old.id), "version 9", "this Earshot reads version 1")


def test_remove_asks(home: Path) -> None:
    session = make()
    answered = sessions("remove", session.id, stdin=b"n\n")
    assert f"remove {session.id} (0:00:08, 0.3 MB)?" in answered.errors
    assert list_sessions()[0] == [session]
    assert sessions("remove", session.id, stdin=b"y\n").status == 0
    assert list((home / "sessions").iterdir()) == []


def test_remove_without_an_answer_removes_nothing() -> None:
    session = make()
    assert sessions("remove", session.id).status != 0
    assert list_sessions()[0] == [session]
