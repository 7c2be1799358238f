"""A microphone that plays recordings: a PulseAudio daemon of the tests' own, and the monitor of a null sink."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_PACKAGES = "apt install pulseaudio pulseaudio-utils libasound2-plugins libportaudio2"
_SINK = "sink_name=earshot rate=16000 channels=1"


@dataclass
class VirtualMicrophone:
    """environment: in which every program sees it as the default microphone and loudspeaker."""

    environment: dict[str, str]
    _module: str = field(default="")

    def plug_in(self) -> None:
        self._module = self._pactl("load-module", "module-null-sink", *_SINK.split())

    def unplug(self) -> None:
        self._pactl("unload-module", self._module)
        self._module = ""

    @property
    def is_plugged_in(self) -> bool:
        return bool(self._module)

    def play(self, path: Path) -> None:
        """To its end."""
        subprocess.run(["paplay", "--device=earshot", path], env=self.environment, check=True, timeout=60)

    def start_playing(self, path: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["paplay", "--device=earshot", path], env=self.environment)

    def _pactl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout.strip()


def start_virtual_microphone(folder: Path) -> Iterator[VirtualMicrophone]:
    """Skips visibly, with the command that helps, where one cannot be had."""
    missing = [program for program in ("pulseaudio", "pactl", "paplay") if shutil.which(program) is None]
    if sys.platform != "linux" or missing:
        pytest.skip(f"no virtual microphone: {_PACKAGES}")
    # Short names: a unix socket's path has room for 107 characters.
    runtime, home = folder / "run", folder / "home"
    runtime.mkdir(mode=0o700)
    home.mkdir()
    (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "ALSA_"))}
    environment = {**kept, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    options = ("-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes")
    daemon = subprocess.Popen(
        ["pulseaudio", *options, "--load=module-native-protocol-unix"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        microphone = VirtualMicrophone(environment)
        if not wait_for(lambda: _is_up(microphone), 20):
            pytest.skip("no virtual microphone: PulseAudio does not start here")
        microphone.plug_in()
        if not _is_seen(environment):
            pytest.skip(f"no virtual microphone: {_PACKAGES}")
        yield microphone
    finally:
        daemon.terminate()
        daemon.wait(20)


def _is_up(microphone: VirtualMicrophone) -> bool:
    try:
        microphone._pactl("info")
    except subprocess.SubprocessError:
        return False
    return True


def _is_seen(environment: dict[str, str]) -> bool:
    """Whether PortAudio knows it: not without libasound2-plugins."""
    done = subprocess.run(
        [sys.executable, "-m", "earshot", "devices", "--json"], env=environment, capture_output=True, timeout=60
    )
    return done.returncode == 0 and any(device["num_inputs"] for device in json.loads(done.stdout))


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Whether it came true in time; asked twenty times a second."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
