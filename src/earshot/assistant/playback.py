"""Short sounds to the loudspeaker, which can be stopped at any moment."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from earshot.core.types import Samples

_PROGRAMS = {
    "paplay": ("--raw", "--format=s16le", "--channels=1", "--rate={rate}", "--latency-msec=60"),
    "pw-cat": ("-p", "--format=s16", "--channels=1", "--rate={rate}", "-"),
    "aplay": ("-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}", "-"),
}
"""Players that take PCM on standard input. A program of its own can be ended at once and harms nobody."""

_GRACE = 5.0
"""Seconds that a player may take longer than what it plays."""


class Player:
    """Plays one sound at a time. Safe to use from several threads.

    environment: the variables that players get. Where neither a player nor a sound card is found, it is silent,
    and ``is_silent`` tells so after the first sound.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.is_silent = False
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        path = self._environment.get("PATH")
        self._programs = [name for name in _PROGRAMS if shutil.which(name, path=path)]

    def play(self, samples: Samples, sample_rate: int, is_stopped: threading.Event | None = None) -> bool:
        """To its end, or until the event is set and ``stop`` called. Returns whether anything was to be heard.

        samples: float32 (n,). is_stopped: may be set before it begins; then it does not.
        """
        is_stopped = is_stopped or threading.Event()
        pcm = (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
        with self._lock:
            for program in list(self._programs):
                if self._run(program, pcm, sample_rate, len(samples) / sample_rate, is_stopped):
                    return True
                if is_stopped.is_set():
                    return True
                self._programs.remove(program)  # its sound server does not answer
            heard = _play_directly(samples, sample_rate, is_stopped)
            self.is_silent = not heard
            return heard

    def stop(self) -> None:
        """Be quiet now, if its event is set."""
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def _run(
        self, program: str, pcm: bytes, sample_rate: int, duration: float, is_stopped: threading.Event
    ) -> bool:
        options = [option.format(rate=sample_rate) for option in _PROGRAMS[program]]
        try:
            process = subprocess.Popen(
                [program, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        except OSError:
            return False
        self._process = process
        if is_stopped.is_set():  # who set it may have looked before there was a process
            process.kill()
        try:
            process.communicate(pcm, timeout=duration + _GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return False
        finally:
            self._process = None
        return process.returncode == 0


def _play_directly(samples: Samples, sample_rate: int, is_stopped: threading.Event) -> bool:
    """Through PortAudio, where it is installed and finds a loudspeaker."""
    try:
        from earshot.audio.devices import load_sounddevice

        sounddevice: Any = load_sounddevice()
        with sounddevice.OutputStream(samplerate=sample_rate, channels=1, dtype="float32") as stream:
            piece = max(1, sample_rate // 20)
            for start in range(0, len(samples), piece):
                if is_stopped.is_set():
                    stream.abort()
                    return True
                stream.write(np.ascontiguousarray(samples[start : start + piece], np.float32))
            time.sleep(float(stream.latency))
    except (ImportError, OSError, ValueError, RuntimeError):
        return False
    except Exception as error:  # PortAudioError, of a library that may be absent
        if type(error).__name__ != "PortAudioError":
            raise
        return False
    return True
