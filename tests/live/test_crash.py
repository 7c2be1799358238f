"""``kill -9`` at any moment: the file opens, at most a second is lost, and the rest can be recognized."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earshot.audio.decode import read_audio
from earshot.live.stored import StoredSession, list_sessions, open_session, recover
from earshot.transcription import Transcriber, TranscriptionOptions
from tests.live.virtual_microphone import VirtualMicrophone

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(time, "CLOCK_MONOTONIC"), reason="kill -9 and one clock for all"
)

# Says at which moment the source began to give sound, in the clock that all processes share.
RECORD = """
import sys, time
from pathlib import Path
from earshot.live import Microphone, PacedFile, Session
from earshot.transcription import TranscriptionOptions

kind, home = sys.argv[1:3]
source = Microphone() if kind == "microphone" else PacedFile(Path(kind))
session = Session(source, TranscriptionOptions(engine="scripted"), home=Path(home))
began = time.monotonic()
with session:
    while not session.status.recorded:
        time.sleep(0.001)
    print(time.monotonic() - session.status.recorded, flush=True)
    for event in session:
        pass
"""


def killed_recording(
    source: str, home: Path, seconds: float, environment: dict[str, str] | None = None
) -> tuple[StoredSession, float]:
    """The session that is left, and the seconds of sound that had been made when the process was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECORD, source, str(home)],
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdout is not None
    with process.stdout:
        began = float(process.stdout.readline())
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        killed_at = time.monotonic()
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (session,) = list_sessions(home)[0]
    return session, killed_at - began


def lost_seconds(session: StoredSession, made: float) -> float:
    """The file opens as it is, without any repair; the rest is found by its length."""
    assert session.is_unfinished
    whole = session.duration
    if whole:
        assert read_audio(session.audio_path).duration == pytest.approx(whole, abs=0.6)
    recover(session, None)
    assert read_audio(session.audio_path).duration == whole if whole else True
    assert not open_session(session.folder).is_unfinished
    return made - whole


def test_a_killed_session_is_recovered_to_its_last_moment(tmp_path: Path, sample_path: Path) -> None:
    session, made = killed_recording(str(sample_path), tmp_path, 2.5)
    assert lost_seconds(session, made) <= 1.0
    with Transcriber(TranscriptionOptions(engine="scripted")) as transcriber:
        recover(session, transcriber)
    expected = int(session.duration / 0.4)  # the scripted engine says a word each 0.4 s
    words = open_session(session.folder).transcript().text.split()
    assert expected - 2 <= len(words) <= expected


@pytest.mark.slow
def test_twenty_kills_at_random_moments(tmp_path: Path, sample_path: Path) -> None:
    chance = random.Random(7)
    lost = []
    for number in range(20):
        session, made = killed_recording(str(sample_path), tmp_path / str(number), chance.uniform(0.05, 3.0))
        lost.append(lost_seconds(session, made))
    print(f"lost at most {max(lost):.2f} s, {sorted(lost)[10]:.2f} s in the middle of 20 kills")
    assert max(lost) <= 1.0


@pytest.mark.slow
def test_kills_while_a_microphone_is_recorded(
    tmp_path: Path, sample_path: Path, virtual_microphone: VirtualMicrophone
) -> None:
    chance = random.Random(8)
    lost = []
    player = virtual_microphone.start_playing(sample_path)
    try:
        for number in range(5):
            home = tmp_path / str(number)
            session, made = killed_recording(
                "microphone", home, chance.uniform(0.5, 2.5), virtual_microphone.environment
            )
            lost.append(lost_seconds(session, made))
    finally:
        player.kill()
        player.wait()
    print(f"lost at most {max(lost):.2f} s of a microphone in 5 kills")
    assert max(lost) <= 1.0


def test_the_folder_tells_that_it_is_being_recorded(tmp_path: Path, sample_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RECORD, str(sample_path), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        (session,) = list_sessions(tmp_path)[0]
        assert session.is_running
        assert not session.is_unfinished
        process.kill()
        process.wait()
    assert session.is_unfinished
    meta = json.loads((session.folder / "meta.json").read_text())
    assert meta["format"] == "earshot-session"
    assert meta["version"] == 1
