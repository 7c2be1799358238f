from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.core.errors import FormatError, SessionError
from earshot.core.types import SAMPLE_RATE, Final, Segment, Word
from earshot.live import PacedSound, Session
from earshot.live.export import export_audio
from earshot.live.journal import SessionJournal, SessionMeta, segment_fields
from earshot.live.stored import (
    StoredSession,
    find_session,
    list_sessions,
    open_session,
    recover,
    remove_session,
    unfinished_sessions,
)
from earshot.transcription import Transcriber, TranscriptionOptions
from tests.cli.command import read_aloud

SCRIPTED = TranscriptionOptions(engine="scripted", punctuation=False)


def said(index: int) -> Segment:
    word = Word(f"word{index}", index * 2.0, index * 2.0 + 0.5, 0.9, "engine")
    return Segment(f"word{index}", index * 2.0, index * 2.0 + 1, (word,), "Ada", "en")


def make(home: Path, *, seconds: float = 10.0, num_finals: int = 3, is_complete: bool = False) -> StoredSession:
    journal = SessionJournal(SessionMeta("2026-11-20T20:19:07+00:00", "a microphone", "scripted"), home=home)
    journal.append_audio(read_aloud()[: round(seconds * SAMPLE_RATE)])
    for index in range(num_finals):
        journal.append_event({"type": "final", "index": index, **segment_fields(said(index))})
    journal.close(is_complete=is_complete)
    return open_session(journal.folder)


def test_a_session_reads_back_as_it_was_written(tmp_path: Path) -> None:
    session = make(tmp_path, is_complete=True)
    assert session.transcript().segments == tuple(said(index) for index in range(3))
    assert session.duration == 10.0
    assert not session.is_unfinished
    assert list_sessions(tmp_path) == ([session], [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2_000), garbage=st.binary(max_size=60))
def test_events_with_a_damaged_tail_give_all_that_is_whole(tmp_path: Path, cut: int, garbage: bytes) -> None:
    session = next(iter(list_sessions(tmp_path)[0]), None) or make(tmp_path)
    path = session.folder / "events.jsonl"
    lines = b"".join(
        json.dumps({"type": "final", "index": i, **segment_fields(said(i))}).encode() + b"\n" for i in range(5)
    )
    path.write_bytes(lines[:cut] + garbage)
    num_whole = lines[:cut].count(b"\n")
    assert session.transcript().segments[:num_whole] == tuple(said(index) for index in range(num_whole))
    assert len(session.transcript().segments) <= num_whole + 1


@pytest.mark.parametrize(
    "line",
    [
        "null",
        "[1, 2]",
        "{}",
        '{"type": "final"}',
        '{"type": "final", "index": "x", "text": "a", "start": 0, "end": 1}',
        '{"type": "final", "index": 7, "text": 5, "start": 0, "end": 1}',
        '{"type": "final", "index": 7, "text": "a", "start": NaN, "end": 1}',
        '{"type": "final", "index": 7, "text": "a", "start": 2, "end": 1}',
        '{"type": "final", "index": 7, "text": "a", "start": 0, "end": 1e999}',
        '{"type": "final", "index": 7, "text": "a", "start": 0, "end": 1, "words": [{"nonsense": 1}]}',
        '{"type": "words", "index": 0, "words": 5}',
        '{"type": "words", "index": 0, "words": [{"text": 5}]}',
        '{"type": "words", "index": 0, "words": [{"text": "a", "start": "x"}]}',
        '{"type": "words", "index": 0, "words": [{"text": "a", "time_source": "dream"}]}',
        '{"type": "words", "index": 99, "words": []}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_event_is_left_out(tmp_path: Path, line: str) -> None:
    session = make(tmp_path)
    with (session.folder / "events.jsonl").open("a") as file:
        file.write(line + "\n")
        file.write(json.dumps({"type": "final", "index": 3, **segment_fields(said(3))}) + "\n")
    assert session.transcript().segments == tuple(said(index) for index in range(4))


def test_recovery_recognizes_what_is_behind_the_last_final(tmp_path: Path) -> None:
    session = make(tmp_path, seconds=10.0, num_finals=3)  # the last one ends at 5 s
    with (session.folder / "events.jsonl").open("a") as file:
        file.write('{"type": "final", "index": 3, "te')  # the crash
    assert unfinished_sessions(tmp_path) == [session]
    with Transcriber(SCRIPTED) as transcriber:
        new = recover(session, transcriber)
    assert new
    assert all(segment.start >= 5.0 for segment in new)
    assert all(word.start is not None and word.start >= 5.0 for segment in new for word in segment.words)
    after = open_session(session.folder)
    assert after.transcript().segments == (*(said(index) for index in range(3)), *new)
    assert after.meta.is_complete
    assert after.meta.duration == 10.0
    assert unfinished_sessions(tmp_path) == []


def test_recovering_twice_adds_nothing(tmp_path: Path) -> None:
    session = make(tmp_path, num_finals=0)
    with Transcriber(SCRIPTED) as transcriber:
        first = recover(session, transcriber)
        recover(session, transcriber)
    after = session.transcript().segments
    assert after[: len(first)] == tuple(first)
    # The scripted engine always has something to say about half a second more.
    assert len(after) <= len(first) + 1


def test_recovery_of_all_replaces_the_text(tmp_path: Path) -> None:
    session = make(tmp_path)
    with Transcriber(SCRIPTED) as transcriber:
        new = recover(session, transcriber, is_all=True)
    assert session.transcript().segments == tuple(new)
    assert new[0].text.startswith("the quick brown fox")


def test_a_session_that_is_recorded_is_left_alone(tmp_path: Path) -> None:
    with Session(PacedSound(read_aloud()), SCRIPTED, home=tmp_path):
        session = find_session("last", tmp_path)
        assert session.is_running
        with pytest.raises(SessionError, match="being recorded right now"):
            recover(session, None)
        with pytest.raises(SessionError, match="being recorded right now"):
            remove_session(session)
    remove_session(session)
    assert list_sessions(tmp_path) == ([], [])


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\0\0\0\0", '"text"'])
def test_a_damaged_description_does_not_hide_the_sound(tmp_path: Path, content: str) -> None:
    session = make(tmp_path, is_complete=True)
    (session.folder / "meta.json").write_text(content)
    damaged = open_session(session.folder)
    assert damaged.is_unfinished
    assert damaged.duration == 10.0
    assert len(damaged.transcript().segments) == 3
    recover(damaged, None)
    assert open_session(session.folder).meta.is_complete


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_refused(tmp_path: Path, version: object) -> None:
    session = make(tmp_path)
    path = session.folder / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))
    with pytest.raises(
        SessionError, match=r"meta\.json is of version .*, this Earshot reads version 1"
    ) as caught:
        open_session(session.folder)
    assert caught.value.fix
    assert [str(error) for error in list_sessions(tmp_path)[1]] == [str(caught.value)]


def test_fields_of_the_wrong_kind_count_as_absent(tmp_path: Path) -> None:
    session = make(tmp_path)
    path = session.folder / "meta.json"
    wrong = {"engine": 5, "source": None, "is_complete": "yes", "duration": [], "created": {}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    meta = open_session(session.folder).meta
    assert (meta.engine, meta.is_complete, meta.duration) == (None, False, None)


def test_a_folder_of_something_else_is_no_session(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "notes.txt").touch()
    sessions, errors = list_sessions(tmp_path)
    assert sessions == []
    assert [error.message for error in errors] == [f"{tmp_path / 'holiday'} holds no session"]


def test_a_session_is_found_by_its_beginning(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert find_session(first.id[:-2], tmp_path) == first
    assert find_session("last", tmp_path) == first
    make(tmp_path)
    with pytest.raises(SessionError, match="several sessions begin with"):
        find_session(first.id[:3], tmp_path)
    with pytest.raises(SessionError, match="there is no session 'yesterday'"):
        find_session("yesterday", tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "/etc", "a/b"])
def test_a_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    make(tmp_path / "sessions")
    with pytest.raises(SessionError):
        find_session(name, tmp_path / "sessions")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_the_sound_is_exported_as_it_is(tmp_path: Path, suffix: str) -> None:
    session = make(tmp_path / "sessions")
    export_audio(session, tmp_path / f"a.{suffix}")
    samples, rate = soundfile.read(tmp_path / f"a.{suffix}", dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(samples, read_aloud()[:160_000], atol=1 / 32768)


def test_sound_is_written_as_wav_or_flac_only(tmp_path: Path) -> None:
    session = make(tmp_path / "sessions")
    with pytest.raises(FormatError, match="sound cannot be written as 'mp3'"):
        export_audio(session, tmp_path / "a.mp3")
    assert not (tmp_path / "a.mp3").exists()


def test_words_that_come_later_replace_those_of_the_final(tmp_path: Path) -> None:
    journal = SessionJournal(SessionMeta("now", "a microphone"), home=tmp_path)
    bare = replace(said(0), words=(Word("word0"),))
    journal.append_event({"type": "final", "index": 0, **segment_fields(bare)})
    timed = segment_fields(said(0))["words"]
    journal.append_event({"type": "words", "index": 0, "words": timed})
    journal.close(is_complete=True)
    assert open_session(journal.folder).transcript().segments == (said(0),)


def test_a_full_disk_is_told_once_and_costs_nothing(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(600_000))
    sound = np.tile(read_aloud(), 1)[: 25 * SAMPLE_RATE]  # 800 kB
    told = []
    with Session(PacedSound(sound, speed=8.0), SCRIPTED, home=small_disk / "sessions") as session:
        for event in session:
            if not isinstance(event, Final) and hasattr(event, "kind"):
                told.append(event.text)
                filler.unlink(missing_ok=True)
    assert session.lost == 0
    assert len(told) == 2
    assert "cannot be written (No space left on device)" in told[0]
    assert "the disk takes data again" in told[1]
    stored = find_session("last", small_disk / "sessions")
    assert stored.meta.is_complete
    samples, _ = soundfile.read(stored.audio_path, dtype="float32")
    np.testing.assert_allclose(samples, sound, atol=1 / 32768)
    assert len(stored.transcript().words) == int(25 / 0.4)
