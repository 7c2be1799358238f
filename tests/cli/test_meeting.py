"""``earshot meeting``: a recording in, minutes out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.core.types import SAMPLE_RATE
from earshot.live.stored import list_sessions
from earshot.meetings import MEETING_FORMATS
from earshot.text.formats import read_transcript
from tests.cli.command import Result, assert_one_line_error, earshot, names_in
from tests.speakers.people import conversation, require_encoder, spoken, write

SCRIPTED = ("--engine", "scripted", "--no-punctuate")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    require_encoder()
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return conversation(tmp_path / "talk.wav")


def meeting(out: Path, *arguments: str | Path) -> Result:
    return earshot("meeting", *SCRIPTED, "--out", out, *arguments)


def minutes(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "meeting.json").read_text(encoding="utf-8"))["meeting"]
    return found


def names(out: Path) -> list[str]:
    return [one["name"] for one in minutes(out)["participants"]]  # type: ignore[index, attr-defined]


def test_one_recording_becomes_a_page_that_needs_nothing_else(tmp_path: Path, talk: Path) -> None:
    result = meeting(tmp_path / "out", talk, "--num-speakers", "2", "--title", "A & B")
    assert (result.status, result.errors) == (0, "")
    assert result.output == f"{tmp_path / 'out' / 'meeting.html'}\n"
    assert names_in(tmp_path / "out") == ["meeting.html"]
    page = (tmp_path / "out" / "meeting.html").read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in page
    assert 'src="data:audio/ogg;base64,' in page
    assert {"Speaker 1", "Speaker 2"} <= set(re.findall(r"Speaker \d", page))


def test_all_formats_and_the_words_of_two_people(tmp_path: Path, talk: Path) -> None:
    out = tmp_path / "out"
    result = meeting(out, talk, "-f", "all", "--num-speakers", "2", "--no-audio")
    assert result.status == 0, result.errors
    assert names_in(out) == sorted(f"meeting{entry.suffix}" for entry in MEETING_FORMATS.values())
    transcript = read_transcript(out / "meeting.json")
    for start, end, speaker in ((1, 6.5, 1), (8.5, 13, 2), (15, 20.5, 1), (23, 27, 2)):
        heard = {
            segment.speaker
            for segment in transcript.segments
            for word in segment.words
            if start < (word.start or 0) and (word.end or 0) < end
        }
        assert heard == {f"Speaker {speaker}"}, start
    assert "<audio" not in (out / "meeting.html").read_text(encoding="utf-8")


def test_voices_that_are_known_have_names(tmp_path: Path, talk: Path) -> None:
    for name, voice in (("Anna", "deep"), ("Ben", "high")):
        assert earshot("speakers", "enrol", name, write(tmp_path / "v.wav", spoken(voice, 23, 8))).status == 0
    out = tmp_path / "out"
    assert meeting(out, talk, "-f", "json").status == 0
    assert names(out) == ["Anna", "Ben"]
    assert meeting(out, talk, "-f", "json", "--no-names", "--num-speakers", "2").status == 0
    assert names(out) == ["Speaker 1", "Speaker 2"]
    earshot("speakers", "forget", "Ben")
    assert meeting(out, talk, "-f", "json").status == 0
    assert names(out) == ["Anna", "Speaker 2"]


def test_enrolled_from_the_minutes_themselves(tmp_path: Path, talk: Path) -> None:
    out = tmp_path / "out"
    meeting(out, talk, "-f", "json", "--num-speakers", "2")
    path = out / "meeting.json"
    assert earshot("speakers", "enrol", "Chidi", "--from", path, "--speaker", "Speaker 2").status == 0
    meeting(out, talk, "-f", "json", "--num-speakers", "2")
    assert names(out) == ["Speaker 1", "Chidi"]


def test_a_recording_for_each_person(tmp_path: Path) -> None:
    silence = np.zeros(7 * SAMPLE_RATE, np.float32)
    first = write(tmp_path / "first person.wav", spoken("deep", 1, 6), silence)
    second = write(tmp_path / "b.wav", silence, spoken("high", 1, 6))
    out = tmp_path / "out"
    result = meeting(out, first, f"Ben Ö={second}", "-f", "json,html,rttm")
    assert (result.status, result.errors) == (0, "")
    assert names(out) == ["first person", "Ben Ö"]
    transcript = read_transcript(out / "meeting.json")
    assert {s.speaker for s in transcript.segments if s.end < 7} == {"first person"}
    assert {s.speaker for s in transcript.segments if s.start > 7} == {"Ben Ö"}
    assert transcript.duration == pytest.approx(13.5, abs=0.1)


def test_who_is_alone_on_a_recording_is_named_by_voice_unless_a_name_is_given(tmp_path: Path) -> None:
    earshot("speakers", "enrol", "Anna", write(tmp_path / "v.wav", spoken("deep", 23, 8)))
    first, second = (
        write(tmp_path / "a.wav", spoken("deep", 1, 6)),
        write(tmp_path / "b.wav", spoken("high", 1, 6)),
    )
    assert meeting(tmp_path / "out", first, second, "-f", "json").status == 0
    assert sorted(names(tmp_path / "out")) == ["Anna", "b"]
    assert meeting(tmp_path / "out", f"Otto={first}", second, "-f", "json").status == 0
    assert sorted(names(tmp_path / "out")) == ["Otto", "b"]


def test_a_channel_for_each_person(tmp_path: Path) -> None:
    left = np.concatenate([spoken("deep", 1, 5), np.zeros(6 * SAMPLE_RATE, np.float32)])
    right = np.concatenate([np.zeros(6 * SAMPLE_RATE, np.float32), spoken("high", 1, 5)])
    length = min(len(left), len(right))
    soundfile.write(tmp_path / "call.wav", np.stack([left[:length], right[:length]], axis=1), SAMPLE_RATE)
    out = tmp_path / "out"
    result = meeting(out, tmp_path / "call.wav", "--by-channel", "-f", "json")
    assert (result.status, result.errors) == (0, "")
    assert names(out) == ["call 1", "call 2"]
    result = meeting(out, tmp_path / "call.wav", "--channel", "2", "-f", "json")
    assert result.status == 0
    assert min(segment.start for segment in read_transcript(out / "meeting.json").segments) > 5
    assert_one_line_error(meeting(out, tmp_path / "call.wav", "--channel", "3"), "no channel 3")
    mono = write(tmp_path / "mono.wav", left)
    assert_one_line_error(meeting(out, mono, "--by-channel"), "one channel")


def test_live_records_then_makes_the_minutes(tmp_path: Path, talk: Path, home: Path) -> None:
    out = tmp_path / "out"
    result = meeting(out, "--from-file", talk, "--speed", "0", "-f", "json,html", "--num-speakers", "2")
    assert result.status == 0, result.errors
    assert names(out) == ["Speaker 1", "Speaker 2"]
    assert "the recording is kept" in result.errors
    (session,), _ = list_sessions(home / "sessions")
    assert session.meta.is_complete
    assert str(session.audio_path) in json.dumps(minutes(out)["sources"])
    assert minutes(out)["date"]
    assert "the quick brown fox" in result.output  # what was heard, as it was


def test_minutes_of_what_was_listened_to_before(tmp_path: Path, talk: Path) -> None:
    listened = earshot("listen", *SCRIPTED, "--from-file", talk, "--speed", "0")
    assert listened.status == 0, listened.errors
    out = tmp_path / "out"
    result = meeting(out, "--session", "last", "-f", "json", "--num-speakers", "2")
    assert (result.status, result.errors) == (0, "")
    assert names(out) == ["Speaker 1", "Speaker 2"]
    assert_one_line_error(meeting(out, "--session", "nothing"), "there is no session 'nothing'")


# --- bad input -----------------------------------------------------------------------------------------------


def test_what_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    empty = tmp_path / "empty.wav"
    empty.touch()
    text = tmp_path / "text.wav"
    text.write_text("no sound\n" * 500)
    assert_one_line_error(meeting(out, tmp_path / "none.wav"), "there is no file")
    assert_one_line_error(meeting(out, f"Anna={tmp_path / 'none.wav'}"), "none.wav")
    assert_one_line_error(meeting(out, empty), "empty.wav", "empty")
    assert_one_line_error(meeting(out, text), "text.wav")
    assert names_in(out) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "give the recording of a meeting, or --live"),
        (("a.wav", "--live"), "--live"),
        (("a.wav", "-f", "doc"), "docx"),
        (("a.wav", "--num-speakers", "0"), "num-speakers"),
        (("a.wav", "--min-speakers", "5", "--max-speakers", "2"), "at least 5 and at most 2"),
    ],
)
def test_a_mistaken_command_line(tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    result = meeting(tmp_path / "out", *arguments)
    assert result.status == 2
    assert len(result.error_lines) == 1
    assert part in result.errors


def test_silence_music_and_one_voice(tmp_path: Path) -> None:
    time = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    tune = 0.2 * np.sin(2 * np.pi * 220 * 2 ** (np.floor(time * 3) % 12 / 12) * time)
    for name, sound in (("silence", np.zeros(20 * SAMPLE_RATE)), ("music", tune)):
        path = write(tmp_path / f"{name}.wav", sound.astype(np.float32))
        result = meeting(tmp_path / name, path, "-f", "all")
        assert result.status == 0, result.errors
        assert result.errors == "earshot: warning: no speech was recognized\n"
        assert "No words were recognized." in (tmp_path / name / "meeting.html").read_text(encoding="utf-8")
    alone = write(tmp_path / "alone.wav", spoken("deep", 1, 14))
    assert meeting(tmp_path / "alone", alone, "-f", "json").status == 0
    assert names(tmp_path / "alone") == ["Speaker 1"]


def test_more_speakers_asked_for_than_there_are_and_both_at_once(tmp_path: Path, talk: Path) -> None:
    assert meeting(tmp_path / "many", talk, "-f", "json", "--num-speakers", "20").status == 0
    length = 14 * SAMPLE_RATE
    mixed = 0.5 * spoken("deep", 1, 14)[:length] + 0.5 * spoken("high", 1, 14)[:length]
    both = write(tmp_path / "both.wav", mixed)
    result = meeting(tmp_path / "both", both, "-f", "all")
    assert result.status == 0, result.errors


def test_a_damaged_memory_is_told_before_the_work(tmp_path: Path, talk: Path, home: Path) -> None:
    home.mkdir()
    (home / "speakers.sqlite").write_bytes(b"\xff" * 5000)
    assert_one_line_error(meeting(tmp_path / "out", talk), "speakers.sqlite is damaged")
    assert meeting(tmp_path / "out", talk, "--no-names").status == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path, talk: Path) -> None:
    (tmp_path / "file").touch()
    assert_one_line_error(meeting(tmp_path / "file", talk), "it is a file")


# --- transcribe -------------------------------------------------------------------------------------------


def test_transcribe_tells_speakers_apart(tmp_path: Path, talk: Path) -> None:
    result = earshot("transcribe", *SCRIPTED, talk, "--num-speakers", "2")
    assert (result.status, result.errors) == (0, "")
    labels = [line.split(":")[0] for line in result.output.splitlines()]
    assert set(labels) == {"S1", "S2"}
    assert labels[0] == "S1"
    result = earshot(
        "transcribe", *SCRIPTED, talk, "--diarize", "-f", "json,rttm,srt", "-o", tmp_path / "texts"
    )
    assert result.status == 0, result.errors
    assert {s.speaker for s in read_transcript(tmp_path / "texts" / "talk.json").segments} <= {"S1", "S2"}
    assert (tmp_path / "texts" / "talk.rttm").read_text().startswith("SPEAKER talk 1 ")


def test_resume_does_a_transcript_again_when_a_voice_became_known(tmp_path: Path, talk: Path) -> None:
    arguments = ("transcribe", *SCRIPTED, talk, "--num-speakers", "2", "-f", "json", "-o", tmp_path, "--resume")
    earshot(*arguments)
    path = tmp_path / "talk.json"
    stamp = path.stat().st_mtime_ns
    earshot(*arguments)
    assert path.stat().st_mtime_ns == stamp
    earshot("speakers", "enrol", "Anna", write(tmp_path / "v.wav", spoken("deep", 30, 8)))
    earshot(*arguments)
    assert {segment.speaker for segment in read_transcript(path).segments} == {"Anna", "S2"}
