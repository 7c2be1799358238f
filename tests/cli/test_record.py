from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.audio.decode import read_audio
from earshot.audio.journal import to_pcm
from earshot.live.stored import find_session, list_sessions
from earshot.text.normalise import normalise
from earshot.transcription import transcribe
from tests.cli.command import assert_one_line_error, earshot, earshot_process, read_aloud, write_speech
from tests.cli.live_command import PHRASES, Running, write_phrases
from tests.live.virtual_microphone import VirtualMicrophone, wait_for


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    return tmp_path / "earshot"


def test_a_microphone_to_a_file(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    clip = write_phrases(tmp_path / "clip.wav", "wisdom", pause=0.5)
    out = tmp_path / "out.flac"
    running = Running("record", "-o", out, environment=virtual_microphone.environment)
    session = running.wait_until_it_records()
    virtual_microphone.play(clip)
    heard = session.duration
    assert wait_for(lambda: session.duration > heard + 1)
    result = running.interrupt()
    assert result.status == 0
    assert result.errors == ""
    assert result.output.startswith(str(out))
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    assert normalise(transcribe(out).text) == PHRASES["wisdom"][2]
    assert list_sessions(running.home / "sessions")[0] == []


def test_unplugged_everything_is_kept(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    running = Running("record", "-o", out, environment=virtual_microphone.environment)
    running.wait_until_it_records()
    time.sleep(1.5)
    virtual_microphone.unplug()
    result = running.end()
    assert_one_line_error(result, "was disconnected")
    assert read_audio(out).duration > 1.2


def test_a_session_is_kept_where_no_file_is_named(tmp_path: Path) -> None:
    clip = write_speech(tmp_path / "a.wav", 4.0)
    result = earshot("record", "--from-file", clip, "--speed", "0")
    session = find_session("last")
    assert result.output.strip() == str(session.audio_path)
    assert session.meta.engine is None
    assert session.meta.is_complete
    assert session.duration == 4.0


def test_a_limit_of_time(tmp_path: Path) -> None:
    clip = write_speech(tmp_path / "a.wav", 10.0)
    out = tmp_path / "out.wav"
    assert earshot("record", "--from-file", clip, "--speed", "0", "--duration", "2.5", "-o", out).status == 0
    np.testing.assert_allclose(read_audio(out).samples, read_aloud()[:40_000], atol=1 / 16_384)


def test_pcm_of_a_pipe(tmp_path: Path) -> None:
    result = earshot_process("record", "-", "-o", tmp_path / "a.wav", stdin=to_pcm(read_aloud()[:32_000]))
    assert result.status == 0
    assert read_audio(tmp_path / "a.wav").duration == 2.0


def test_the_recording_can_be_transcribed_later(tmp_path: Path) -> None:
    clip = write_speech(tmp_path / "a.wav", 4.0)
    earshot("record", "--from-file", clip, "--speed", "0")
    result = earshot("sessions", "recover", "last", "--all", "--engine", "scripted")
    assert result.status == 0
    assert normalise(result.output).startswith("the quick brown")
    assert find_session("last").meta.engine == "scripted"


@pytest.mark.parametrize("name", ["a.mp3", "a", "a.wave"])
def test_a_name_that_tells_no_format_is_told_before_the_recording(tmp_path: Path, name: str) -> None:
    result = earshot("record", "-o", tmp_path / name)
    assert_one_line_error(result, "sound cannot be written as")


def test_a_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not hold for root")
    (tmp_path / "closed").mkdir(mode=0o555)
    assert_one_line_error(earshot("record", "-o", tmp_path / "closed" / "a.wav"), "permission denied")


def test_sessions_cannot_be_kept_where_a_file_is(tmp_path: Path, home: Path) -> None:
    home.write_text("a file, no folder")
    clip = write_speech(tmp_path / "a.wav", 1.0)
    result = earshot("record", "--from-file", clip, "--speed", "0")
    assert_one_line_error(result, "cannot write", "sessions")
