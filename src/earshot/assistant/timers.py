"""Timers and reminders in a file, so that they survive a restart."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from earshot.core.errors import ActionError, FormatError
from earshot.core.files import atomic_text, output_error
from earshot.core.paths import data_home
from earshot.models.lock import locked
from earshot.text.clean import clean_text

LONGEST = 366 * 24 * 3600.0
"""Seconds. Beyond a year it is a mistake of hearing."""

MAX_TIMERS = 200
MAX_LABEL = 200
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Timer:
    """due: with its time zone. label: what it is for; may be empty."""

    due: datetime
    label: str = ""

    def late(self, now: datetime) -> float:
        """Seconds by which it is overdue; negative before."""
        return (now - self.due).total_seconds()


def _now() -> datetime:
    return datetime.now(UTC)


class Timers:
    """What is to be told, and when. Several programs may use one file.

    path: of a JSON file, None keeps them in memory. clock: gives the present, with a time zone.
    Methods raise FormatError for a damaged file and OutputError where it cannot be written.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._clock = clock
        self._timers: tuple[Timer, ...] = ()
        self._seen: tuple[int, int] | None = None  # of the file: its time of change and size

    def add(self, seconds: float = 0.0, label: str = "", *, at: datetime | None = None) -> Timer:
        """A timer that is due in so many seconds, or ``at`` a moment (local time where it names no zone).

        Raises ActionError for a moment that has passed or is over a year away, or where there are too many.
        """
        now = self._clock()
        seconds = (at.astimezone(UTC) - now).total_seconds() if at is not None else seconds
        if not math.isfinite(seconds) or not 0 < seconds <= LONGEST:
            raise ActionError(
                f"a timer cannot ring in {seconds:g} seconds", fix="name a moment between now and a year ahead"
            )
        timer = Timer(now + timedelta(seconds=seconds), clean_text(label)[:MAX_LABEL])
        with self._changing() as timers:
            if len(timers) >= MAX_TIMERS:
                raise ActionError(f"there are {MAX_TIMERS} timers already", fix="cancel some")
            self._write([*timers, timer])
        return timer

    def cancel(self, label: str | None = None) -> Timer:
        """Take back the one of that label, whatever the case; None: the one that rings next.

        Raises ActionError when there is none.
        """
        with self._changing() as timers:
            wanted = None if label is None else clean_text(label).casefold()
            found = [timer for timer in timers if wanted is None or timer.label.casefold() == wanted]
            if not found:
                what = "no timer" if label is None else f"no timer {clean_text(label)[:MAX_LABEL]!r}"
                raise ActionError(f"there is {what}")
            rest = list(timers)
            rest.remove(found[0])
            self._write(rest)
        return found[0]

    def list(self) -> tuple[Timer, ...]:
        """All that have not rung, the next first."""
        self._read()
        return self._timers

    def due(self, now: datetime | None = None) -> tuple[Timer, ...]:
        """Those that ring now, late ones too; they are told once and forgotten."""
        moment = now or self._clock()
        if not any(timer.due <= moment for timer in self.list()):
            return ()
        with self._changing() as timers:  # another program may have told them meanwhile
            ringing = tuple(timer for timer in timers if timer.due <= moment)
            self._write([timer for timer in timers if timer.due > moment])
        return ringing

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Sequence[Timer]]:
        """The timers as they are in the file, while nobody else may change them."""
        if self._path is None:
            yield self._timers
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise output_error(self._path.parent, error) from error
        with locked(self._path.with_name(f".{self._path.name}.lock")):
            self._read()
            yield self._timers

    def _write(self, timers: Sequence[Timer]) -> None:
        self._timers = tuple(sorted(timers, key=lambda timer: timer.due))
        if self._path is None:
            return
        rows = [{"due": timer.due.isoformat(), "label": timer.label} for timer in self._timers]
        document = {"format": "earshot timers", "version": _VERSION, "timers": rows}
        with atomic_text(self._path) as file:
            json.dump(document, file, ensure_ascii=False, indent=1)
        self._seen = None

    def _read(self) -> None:
        """Anew where the file has changed; it is asked every second."""
        if self._path is None:
            return
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return
            self._timers = _parsed(self._path.read_text(encoding="utf-8"))
            self._seen = seen
        except FileNotFoundError:
            self._timers, self._seen = (), None
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{self._path} cannot be read: {error}", fix="check the file") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise FormatError(f"{self._path} holds no timers", fix="move it away") from error


def timers_path() -> Path:
    """Where the assistant of this user keeps its timers."""
    return data_home() / "assistant" / "timers.json"


def _parsed(text: str) -> tuple[Timer, ...]:
    rows = json.loads(text)["timers"]
    timers = [Timer(datetime.fromisoformat(row["due"]), clean_text(str(row["label"]))) for row in rows]
    if any(timer.due.tzinfo is None for timer in timers):
        raise ValueError("a moment without a time zone")
    return tuple(sorted(timers, key=lambda timer: timer.due))
