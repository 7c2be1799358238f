"""What was spotted last, so that the user can say afterwards that it was right, or what it really was."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.commands.spotter import Spotted
from earshot.commands.store import CommandStore
from earshot.core.errors import CommandError
from earshot.core.files import atomic_binary, output_error
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.models.lock import locked

MAX_HEARD = 50
"""Events that are kept; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of the past. number: counts from 1 in a store; moment: seconds since 1970, when it was heard."""

    number: int
    label: str
    confidence: float
    moment: float


class HeardLog:
    """The last events of a store: a sound and a line each, in ``heard`` beside the commands; private."""

    def __init__(self, store: CommandStore) -> None:
        self._root = store.root / "heard"

    def add(self, event: Spotted) -> Heard:
        """Keep an event. Raises OutputError where nothing can be written."""
        import soundfile

        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise output_error(self._root, error) from error
        with locked(self._root / ".lock"):
            numbers = sorted(self._numbers())
            heard = Heard((numbers or [0])[-1] + 1, event.label, event.confidence, time.time())
            with atomic_binary(self._sound(heard.number)) as file:
                sound = np.clip(event.sound, -1, 1)
                soundfile.write(file, sound, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            row = {"label": heard.label, "confidence": round(heard.confidence, 4), "moment": heard.moment}
            with atomic_binary(self._line(heard.number)) as file:
                file.write(json.dumps(row, ensure_ascii=False).encode())
            for number in numbers[: max(0, len(numbers) + 1 - MAX_HEARD)]:
                self._remove(number)
        return heard

    def events(self) -> list[Heard]:
        """The oldest first; what is damaged is left out."""
        return [heard for number in sorted(self._numbers()) if (heard := self._read(number)) is not None]

    def find(self, number: int) -> tuple[Heard, Samples]:
        """An event and its sound, float32 at 16 kHz. Raises CommandError when it is not kept (any more)."""
        from earshot.audio.decode import read_audio

        heard = self._read(number)
        if heard is None or not self._sound(number).is_file():
            raise CommandError(
                f"event {number} is not kept", fix=f"earshot teach --heard lists the last {MAX_HEARD}"
            )
        return heard, read_audio(self._sound(number)).samples

    def forget(self, label: str) -> None:
        """Remove the events of a command."""
        for heard in self.events():
            if heard.label.casefold() == label.casefold():
                self._remove(heard.number)

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self._root.glob("*.json") if path.stem.isdecimal()]

    def _read(self, number: int) -> Heard | None:
        try:
            row = json.loads(self._line(number).read_bytes())
            return Heard(number, str(row["label"]), float(row["confidence"]), float(row["moment"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _remove(self, number: int) -> None:
        for path in (self._line(number), self._sound(number)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _sound(self, number: int) -> Path:
        return self._root / f"{number}.flac"

    def _line(self, number: int) -> Path:
        return self._root / f"{number}.json"
