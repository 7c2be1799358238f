"""``earshot speakers``: what a user sees."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.core.types import SAMPLE_RATE, Segment, Transcript
from earshot.text.formats import write_transcript
from tests.cli.command import Result, assert_one_line_error, earshot
from tests.speakers.people import conversation, require_encoder, spoken, write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    require_encoder()
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    return write(tmp_path / "deep.wav", spoken("deep", 1, 8))


@pytest.fixture
def high(tmp_path: Path) -> Path:
    return write(tmp_path / "high.wav", spoken("high", 1, 7))


def speakers(*arguments: str | Path) -> Result:
    return earshot("speakers", *arguments)


def assert_done(result: Result) -> Result:
    assert (result.status, result.errors) == (0, ""), result.errors
    return result


def known() -> list[str]:
    return [row["name"] for row in json.loads(assert_done(speakers("list", "--json")).output)]


def test_enrolled_people_are_told_apart_and_a_stranger_is_unknown(
    tmp_path: Path, deep: Path, high: Path
) -> None:
    assert "1 recording" in assert_done(speakers("enrol", "Anna", deep)).output
    stranger = speakers("identify", write(tmp_path / "new.wav", spoken("high", 20, 6)))
    assert "\tunknown\tnearest is Anna" in assert_done(stranger).output
    assert_done(speakers("enrol", "Ben", high))
    again = [write(tmp_path / f"{name}-again.wav", spoken(name, 22, 6)) for name in ("deep", "high")]
    rows = [line.split("\t") for line in assert_done(speakers("identify", *again)).output.splitlines()]
    assert [row[1] for row in rows] == ["Anna", "Ben"]
    fields = json.loads(assert_done(speakers("identify", "--json", again[0])).output)
    assert fields["name"] == fields["nearest"] == "Anna"
    assert fields["threshold"] <= fields["similarity"] <= 1


def test_the_life_of_a_name(deep: Path, high: Path) -> None:
    speakers("enrol", "Anna", deep)
    speakers("enrol", "Ben", high)
    assert known() == ["Anna", "Ben"]
    assert assert_done(speakers("rename", "anna", "Ann")).output == "anna is now Ann\n"
    assert_one_line_error(speakers("rename", "Ann", "Ben"), "already", "merge")
    assert "2 recordings" in assert_done(speakers("merge", "Ann", "Ben")).output
    assert assert_done(speakers("forget", "Ben")).output == "forgot Ben\n"
    assert known() == []
    assert_one_line_error(speakers("forget", "Ben"), "no speaker 'Ben'", "nobody is enrolled yet")


def test_a_name_that_exists_and_recordings_that_do_not_fit(tmp_path: Path, deep: Path, high: Path) -> None:
    speakers("enrol", "Anna", deep)
    assert_one_line_error(speakers("enrol", "anna", high), "there is a speaker 'Anna' already", "--more")
    assert_one_line_error(speakers("enrol", "Anna", "--more", high), "high.wav", "another voice", "--force")
    assert_one_line_error(speakers("enrol", "Ben", high, deep), "different voices", "--force")
    more = write(tmp_path / "more.wav", spoken("deep", 24, 6))
    assert "2 recordings" in assert_done(speakers("enrol", "Anna", "--more", more)).output
    assert speakers("enrol", "Anna", "--more", "--force", high).status == 0


def test_the_encoder_that_ships_always_knows_the_voice(deep: Path) -> None:
    """So that it stays known where a better encoder is not, or no longer, installed."""
    from earshot.speakers.encoder import find_encoder

    assert_done(speakers("enrol", "Anna", deep))
    (row,) = json.loads(speakers("list", "--json").output)
    assert set(row["encoders"]) == {find_encoder("earshot").name, find_encoder().name}
    assert "\tAnna\t" in assert_done(speakers("identify", "--encoder", "earshot", deep)).output


def test_a_voice_under_a_second_name_is_told(deep: Path) -> None:
    speakers("enrol", "Anna", deep)
    result = speakers("enrol", "Hannah", deep)
    assert result.status == 0
    assert "like that of Anna" in result.errors
    assert "merge" in result.errors


def test_bad_recordings_are_refused_in_one_line_and_nothing_is_kept(tmp_path: Path, home: Path) -> None:
    quiet = write(tmp_path / "quiet.wav", np.zeros(8 * SAMPLE_RATE, np.float32))
    short = write(tmp_path / "short.wav", spoken("deep", 1.5, 1.2))
    both = conversation(tmp_path / "both.wav")
    empty = tmp_path / "empty.wav"
    empty.touch()
    text = tmp_path / "text.wav"
    text.write_text("no sound at all\n" * 300)
    assert_one_line_error(speakers("enrol", "Anna", quiet), "quiet.wav", "holds no speech")
    assert_one_line_error(speakers("enrol", "Anna", short), "short.wav", "s of speech", "at least 2 s")
    assert_one_line_error(speakers("enrol", "Anna", both), "both.wav", "more than one voice")
    assert_one_line_error(speakers("enrol", "Anna", empty), "empty.wav", "empty")
    assert_one_line_error(speakers("enrol", "Anna", text), "text.wav")
    assert_one_line_error(speakers("enrol", "Anna", tmp_path / "none.wav"), "there is no file")
    assert not (home / "speakers.sqlite").exists()


def test_a_mistaken_command_line_is_told_in_one_line(tmp_path: Path, deep: Path) -> None:
    for arguments, part in [
        (("enrol", "Anna"), "--live"),
        (("enrol", "Anna", deep, "--segment", "1"), "--from"),
        (("enrol", "Anna", "--from", "a.json"), "--segment N or --speaker"),
        (("enrol", "Anna", "--from", "a.json", "--segment", "0"), "segment"),
        (("enrol", "Anna", deep, "--live"), "give recordings"),
        (("identify",), "FILE"),
    ]:
        result = speakers(*arguments)
        assert result.status == 2
        assert len(result.error_lines) == 1
        assert part in result.errors


def test_from_a_segment_of_a_transcript(tmp_path: Path) -> None:
    recording = conversation(tmp_path / "talk.wav")
    segments = (
        Segment("first", 0.0, 7.0, speaker="S1"),
        Segment("second", 7.5, 13.5, speaker="S2"),
        Segment("third", 14.0, 21.0, speaker="S1"),
    )
    path = tmp_path / "talk.json"
    write_transcript(Transcript(segments, duration=27.0), path)
    assert "6 s of speech" in assert_done(speakers("enrol", "High", "--from", path, "--segment", "2")).output
    assert_done(speakers("enrol", "Deep", "--from", path, "--speaker", "Speaker 1"))
    deep = write(tmp_path / "deep.wav", spoken("deep", 30, 6))
    assert "\tDeep\t" in assert_done(speakers("identify", deep)).output
    # A correction of the transcript counts: segment 2 is somebody's else now, and its sound is the same.
    corrected = replace(segments[1], speaker="Chidi")
    write_transcript(Transcript((segments[0], corrected, segments[2])), path)
    assert_done(speakers("enrol", "High", "--more", "--from", path, "--speaker", "chidi"))
    assert_one_line_error(speakers("enrol", "X", "--from", path, "--segment", "9"), "no segment 9", "it has 3")
    assert_one_line_error(speakers("enrol", "X", "--from", path, "--speaker", "Y"), "no speaker 'Y'", "S1")
    elsewhere = tmp_path / "elsewhere" / "talk.json"
    elsewhere.parent.mkdir()
    path.rename(elsewhere)
    assert_one_line_error(speakers("enrol", "X", "--from", elsewhere, "--segment", "1"), "not beside it")
    assert speakers("enrol", "X", "--from", elsewhere, "--segment", "1", recording).status == 0
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    result = speakers("enrol", "Y", "--from", elsewhere, "--segment", "3", cut)
    assert_one_line_error(result, "ends at 1.0 s")


def test_from_the_microphone(tmp_path: Path) -> None:
    recording = write(tmp_path / "live.wav", spoken("deep", 1, 8))
    result = speakers("enrol", "Anna", "--from-file", recording, "--speed", "0")
    assert result.status == 0, result.errors
    assert "please speak" in result.errors
    assert known() == ["Anna"]
    silent = write(tmp_path / "silent.wav", np.zeros(3 * SAMPLE_RATE, np.float32))
    result = speakers("enrol", "Ben", "--from-file", silent, "--speed", "0")
    assert result.status == 1
    assert "holds no speech" in result.errors


def test_sound_is_kept_only_where_it_is_asked_for(deep: Path, high: Path, home: Path) -> None:
    speakers("enrol", "Anna", deep)
    speakers("enrol", "Ben", high, "--keep-sound")
    rows = json.loads(speakers("list", "--json").output)
    assert [row["clips"] for row in rows] == [0, 1]
    assert b"fLaC" in (home / "speakers.sqlite").read_bytes()
    speakers("forget", "Ben")
    assert b"fLaC" not in (home / "speakers.sqlite").read_bytes()


def test_a_memory_that_is_damaged_or_newer_is_told_in_one_line(deep: Path, home: Path) -> None:
    speakers("enrol", "Anna", deep)
    path = home / "speakers.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert_one_line_error(speakers("list"), "version 99", "newer")
    path.write_bytes(b"\xff" * 9000)
    for arguments in (("list",), ("identify", deep), ("enrol", "Ben", deep), ("forget", "Anna")):
        assert_one_line_error(speakers(*arguments), "speakers.sqlite is damaged")
    assert path.read_bytes() == b"\xff" * 9000
