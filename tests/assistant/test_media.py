"""Music: a real player on a session bus of its own obeys, from text and from sound."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.command import Result, earshot_process
from tests.live.virtual_microphone import VirtualMicrophone, start_virtual_microphone

pytestmark = pytest.mark.slow

PATIENCE = 30.0
"""Seconds to wait for a player on a loaded machine; nothing is judged by them."""

SOUND = """
[actions.StartMusic]
do = "media.play"
start = [["a-player-that-nobody-has"], ["mpv", "--no-video", "--ao=null", "--loop-playlist", "~/Music"]]
"""


def needed(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program}: apt install {package}")


class Session:
    """A home and a session bus; players started in it are ended with it."""

    def __init__(self, home: Path, address: str) -> None:
        self.home = home
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "EARSHOT_HOME": str(home / "earshot"),
            "DBUS_SESSION_BUS_ADDRESS": address,
            "OMP_NUM_THREADS": "1",
        }
        self.environment.pop("DISPLAY", None)
        self.environment.pop("WAYLAND_DISPLAY", None)

    def say(self, *arguments: str | Path) -> Result:
        return earshot_process("assistant", "do", *arguments, environment=self.environment)

    def ask(self, what: str) -> str:
        answer = subprocess.run(
            ["playerctl", what], env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        return answer.stdout.strip()

    def becomes(self, status: str) -> bool:
        """Whether the player tells so, sooner or later."""
        end = time.monotonic() + PATIENCE
        while self.ask("status") != status:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    needed("dbus-daemon", "dbus")
    needed("playerctl", "playerctl")
    needed("mpv", "mpv mpv-mpris")
    if not any(Path(place).exists() for place in ("/etc/mpv/scripts/mpris.so", "/usr/lib/mpv-mpris/mpris.so")):
        pytest.skip("mpv tells nobody what it plays: apt install mpv-mpris")
    home = tmp_path / "home"
    (home / "Music").mkdir(parents=True)
    (home / "earshot" / "assistant").mkdir(parents=True)
    (home / "earshot" / "assistant" / "actions.toml").write_text(SOUND)
    soundfile.write(home / "Music" / "tone.wav", np.zeros(48_000, np.float32), 16_000)
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address=unix:dir={tmp_path}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    made = Session(home, daemon.stdout.readline().strip())
    try:
        yield made
    finally:
        # mpv ends when its bus name is told to; the bus goes last.
        quitting = ["--type=method_call", "--dest=org.mpris.MediaPlayer2.mpv", "/org/mpris/MediaPlayer2"]
        subprocess.run(
            ["dbus-send", "--session", *quitting, "org.mpris.MediaPlayer2.Quit"],
            env=made.environment,
            capture_output=True,
            timeout=PATIENCE,
        )
        end = time.monotonic() + PATIENCE
        while "mpv" in made.ask("--list-all") and time.monotonic() < end:
            time.sleep(0.05)
        daemon.terminate()
        daemon.wait()
        daemon.stdout.close()


def spoken(text: str, path: Path, voice: str) -> Path:
    needed("espeak-ng", "espeak-ng")
    subprocess.run(["espeak-ng", "-v", voice, "-s", "140", "-w", path, text], check=True, timeout=PATIENCE)
    return path


def test_a_player_is_started_paused_and_taken_up_again(session: Session) -> None:
    nobody = session.say("pause the music")
    assert nobody.status == 1
    assert "no player is running" in nobody.errors
    started = session.say("start music")
    assert (started.status, started.output) == (0, "Music is playing.\n"), started
    assert session.becomes("Playing")
    assert session.say("pause the music").status == 0
    assert session.becomes("Paused")
    undone = earshot_process("assistant", "undo", environment=session.environment)
    assert undone.status == 0, undone
    assert session.becomes("Playing")


def test_a_player_obeys_what_is_spoken(session: Session, tmp_path: Path) -> None:
    assert session.say("--from-file", spoken("start music", tmp_path / "a.wav", "en-gb")).status == 0
    assert session.becomes("Playing")
    assert session.say("--from-file", spoken("pause the music", tmp_path / "b.wav", "en-us+f3")).status == 0
    assert session.becomes("Paused")


def test_without_a_player_to_start_it_is_told(session: Session) -> None:
    (session.home / "earshot" / "assistant" / "actions.toml").write_text(
        '[actions.StartMusic]\nstart = [["a-player-that-nobody-has"]]\n'
    )
    result = session.say("start music")
    assert result.status == 1
    assert len(result.error_lines) == 1
    assert "a-player-that-nobody-has" in result.errors


@pytest.fixture(scope="module")
def loudspeaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    """A sound server of its own with one output."""
    yield from start_virtual_microphone(tmp_path_factory.mktemp("pa"))


def test_the_sound_server_gets_louder_softer_and_back(loudspeaker: VirtualMicrophone, tmp_path: Path) -> None:
    environment = {**loudspeaker.environment, "EARSHOT_HOME": str(tmp_path / "earshot")}

    def do(*arguments: str) -> str:
        return earshot_process("assistant", *arguments, environment=environment).output

    def pactl(what: str) -> str:
        asked = ["pactl", what, "@DEFAULT_SINK@"]
        return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout

    assert do("do", "set the volume to thirty percent") == "The volume is 30 percent.\n"
    assert " 30% " in pactl("get-sink-volume")
    assert do("do", "louder") == "The volume is 40 percent.\n"
    assert do("undo") == "The volume is 30 percent.\n"
    assert " 30% " in pactl("get-sink-volume")
    do("do", "mute")
    assert "yes" in pactl("get-sink-mute")
    assert do("do", "выключи звук", "--language", "ru") == "Звук выключен.\n"
    assert do("do", "включи звук", "--language", "ru") == "Звук включён.\n"
    assert "no" in pactl("get-sink-mute")
