"""Spoken replies by espeak-ng, or by Piper where a voice is given: on a thread of their own, interruptible."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import threading
import time
import wave
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from earshot.assistant.playback import Player
from earshot.audio.journal import from_pcm
from earshot.core.errors import ActionError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.text.clean import clean_text

MAX_LETTERS = 400
"""More is shown, and only so much of it said."""

TAIL = 0.35
"""Seconds after speech: the room, and the buffers of the sound system."""

_TIME_LIMIT = 20.0
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")


class Voice(Protocol):
    """Makes speech of a text."""

    def speech(self, text: str) -> tuple[Samples, int]:
        """float32 (n,) and its rate. Raises ActionError where the program is missing or fails."""
        ...


class EspeakVoice:
    """espeak-ng. language: such as ``en``. The text goes in by a pipe, so it can never be an option."""

    def __init__(self, language: str, environment: Mapping[str, str] = os.environ) -> None:
        if not _LANGUAGE.fullmatch(language):
            raise ActionError(f"{language!r} is no language code", fix="write one such as en or pt-BR")
        self._language = language
        self._environment = dict(environment)

    def speech(self, text: str) -> tuple[Samples, int]:
        """See ``Voice``."""
        program = _find("espeak-ng", self._environment, "apt install espeak-ng")
        command = [program, "-b", "1", "-v", self._language, "--stdin", "--stdout"]
        return _read_wave(_run(command, text, self._environment))


class PiperVoice:
    """Piper. model: the voice's .onnx file, its .onnx.json beside it; raises ActionError without them."""

    def __init__(self, model: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._model = model
        self._environment = dict(environment)
        try:
            described = json.loads(Path(f"{model}.json").read_text(encoding="utf-8"))
            self._sample_rate = int(described["audio"]["sample_rate"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ActionError(
                f"{model} is no Piper voice", fix="give its .onnx file, with the .onnx.json beside it"
            ) from error

    def speech(self, text: str) -> tuple[Samples, int]:
        """See ``Voice``."""
        program = _find("piper", self._environment, "pip install piper-tts")
        data = _run([program, "--model", str(self._model.resolve()), "--output-raw"], text, self._environment)
        return from_pcm(data), self._sample_rate


def find_voice(
    language: str, *, piper: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Voice:
    """Piper where a voice is given, else espeak-ng. Raises ActionError where the program is not installed."""
    if piper is not None:
        _find("piper", environment, "pip install piper-tts")
        return PiperVoice(piper, environment)
    _find("espeak-ng", environment, "apt install espeak-ng")
    return EspeakVoice(language, environment)


class Mouth:
    """Says texts and plays tones, one after the other, on a thread of its own.

    voice: None: texts are only shown. warn: told once when a voice fails. clock: monotonic seconds.
    tail: seconds after speech in which a microphone still hears it; tones are no words and leave none.
    """

    def __init__(
        self,
        player: Player | None,
        voice: Voice | None,
        *,
        warn: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        tail: float = TAIL,
    ) -> None:
        self._player = player
        self._voice = voice
        self._warn = warn
        self._clock = clock
        self._tail = tail
        self._waiting: deque[str | Samples] = deque()
        self._condition = threading.Condition()
        self._is_busy = False
        self._is_closed = False
        self._is_interrupted = threading.Event()
        self._echo_until = float("-inf")
        self._last_speech = float("-inf")
        self._said: deque[str] = deque(maxlen=8)
        self._thread = threading.Thread(target=self._run, name="earshot-mouth", daemon=True)
        self._thread.start()

    @property
    def can_speak(self) -> bool:
        """Whether there is a voice, and a loudspeaker to try."""
        return self._voice is not None and self._player is not None

    @property
    def is_busy(self) -> bool:
        """Whether something is being said, or waits to be."""
        with self._condition:
            return self._is_busy or bool(self._waiting)

    @property
    def echo_until(self) -> float:
        """By its clock: what a microphone hears before may be this mouth. Nothing is after an interruption."""
        with self._condition:
            is_heard = self._is_busy and not self._is_interrupted.is_set()
            return self._clock() + self._tail if is_heard else self._echo_until

    @property
    def last_speech(self) -> float:
        """When it last said words, by its clock."""
        with self._condition:
            return self._last_speech

    @property
    def said(self) -> tuple[str, ...]:
        """The last texts, newest last."""
        with self._condition:
            return tuple(self._said)

    def say(self, text: str) -> None:
        """Say it after what waits already. Returns at once."""
        text = clean_text(text)[:MAX_LETTERS]
        if text and self._player is not None and self._voice is not None:
            self._add(text)

    def play(self, samples: Samples) -> None:
        """A sound, float32 (n,) at 16 kHz. Returns at once."""
        if self._player is not None:
            self._add(samples)

    def stop(self) -> None:
        """Be quiet now, and forget what waits."""
        with self._condition:
            self._waiting.clear()
            self._is_interrupted.set()
            self._echo_until = float("-inf")
        if self._player is not None:
            self._player.stop()

    def close(self) -> None:
        """Stop, for good."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        self.stop()
        self._thread.join()

    def finish(self) -> None:
        """Wait until all is said."""
        with self._condition:
            self._condition.wait_for(lambda: self._is_closed or not (self._is_busy or self._waiting))

    def _add(self, item: str | Samples) -> None:
        with self._condition:
            self._waiting.append(item)
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._is_busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                item = self._waiting.popleft()
                self._is_busy = True
                self._is_interrupted = threading.Event()
                is_interrupted = self._is_interrupted
            self._give(item, is_interrupted)

    def _give(self, item: str | Samples, is_interrupted: threading.Event) -> None:
        assert self._player is not None
        rate = SAMPLE_RATE
        if isinstance(item, str):
            if self._voice is None:  # it has just failed
                return
            try:
                samples, rate = self._voice.speech(item)
            except ActionError as error:
                self._voice = None
                self._warn(f"replies are shown, not spoken: {error}")
                return
            with self._condition:
                if is_interrupted.is_set():
                    return
                self._said.append(item)
        else:
            samples = item
        is_heard = self._player.play(samples, rate, is_interrupted)
        with self._condition:
            now = self._clock()
            is_speech = isinstance(item, str)
            if is_heard and is_speech:
                self._last_speech = now
            if is_heard and not is_interrupted.is_set():
                self._echo_until = now + (self._tail if is_speech else 0.0)


def _find(program: str, environment: Mapping[str, str], fix: str) -> str:
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        raise ActionError(f"{program} is not installed", fix=fix)
    return found


def _run(command: list[str], text: str, environment: Mapping[str, str]) -> bytes:
    try:
        done = subprocess.run(
            command,
            input=f"{text}\n".encode(),
            capture_output=True,
            env=dict(environment),
            timeout=_TIME_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionError(f"{Path(command[0]).name} does not speak: {error}") from error
    if done.returncode != 0 or not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no sound came"]
        raise ActionError(f"{Path(command[0]).name} does not speak: {clean_text(lines[-1])}")
    return done.stdout


def _read_wave(data: bytes) -> tuple[Samples, int]:
    """A mono 16-bit WAV from a pipe, whose header cannot know its length."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate = file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ActionError("espeak-ng gives no sound") from error
    return from_pcm(data[data.find(b"data") + 8 :]), rate
