"""A session's folder on disk, as it is written: sound, events and what the session is.

    sessions/20261120-201907-312/
        meta.json      what and how (see ``SessionMeta``); written whole or not at all
        audio.wav      16 kHz, 16 bits, mono; opens at any moment (see ``earshot.audio.journal``)
        events.jsonl   a JSON object a line, in order
        lock           held by the process that records; the system frees it when that process dies

Events have a ``type``: ``final`` (``index`` from 0, ``text``, ``start``, ``end``, ``language``, ``speaker``,
``words``, and ``raw``, the engine's own text, where post-processing changed it), ``words`` (``index`` and the
words of that final with their times, which are found a moment later), ``speaker`` (``index`` and who said that
final, where that was known only a moment later), ``speech_started`` and ``speech_ended`` (``time``), ``notice``
(``kind``, ``text``), ``translation`` and ``summary`` (``text``, ``language``, ``start``, ``end``) and
``restarted`` (finals before it do not count: all was recognized again). An utterance in which several people
speak is a final for each, the ``raw`` text of all of it with the first. A reader leaves out types it does not
know and lines it cannot read.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from earshot.audio.capture import Notice
from earshot.audio.journal import MEMORY_LIMIT, AppendedFile, AudioJournal, JournalWriter
from earshot.core.files import atomic_text, output_error
from earshot.core.paths import data_home
from earshot.core.types import SAMPLE_RATE, Event, Final, Samples, Segment, SpeechEnded, SpeechStarted, Word
from earshot.models.lock import locked
from earshot.text.numbers import NumberForm

FORMAT = "earshot-session"
VERSION = 1

AUDIO, EVENTS, META, LOCK = "audio.wav", "events.jsonl", "meta.json", "lock"

_EVENTS_LIMIT = 16 * 1024 * 1024
"""Bytes of events kept in memory while the disk is full: days of talk."""


@dataclass(frozen=True, slots=True)
class SessionMeta:
    """What a session is. created: local time, ISO 8601. engine, model, language: None where only sound is kept.

    source: the microphone's or the file's name. punctuation, numbers: as in ``TranscriptionOptions``.
    diarize: speakers are told apart. num_speakers: how many there are, None where that was not said.
    is_complete: it ended as it should and all is recognized.
    duration: seconds of sound, None until it is complete.
    """

    created: str
    source: str
    engine: str | None = None
    model: str | None = None
    language: str | None = None
    punctuation: bool = True
    numbers: NumberForm | None = None
    diarize: bool = False
    num_speakers: int | None = None
    is_complete: bool = False
    duration: float | None = None


def sessions_home() -> Path:
    """The folder of all sessions."""
    return data_home() / "sessions"


class SessionJournal:
    """Writes a session's folder. Appending never waits for the disk.

    home: the folder of all sessions, None for the user's own. on_failure: see ``JournalWriter``.
    Raises OutputError when the folder cannot be made.
    """

    def __init__(
        self,
        meta: SessionMeta,
        *,
        home: Path | None = None,
        on_failure: Callable[[OSError | None], None] = lambda _: None,
    ) -> None:
        self.meta = meta
        self.folder = _new_folder(home or sessions_home())
        self._resources = ExitStack()
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder / LOCK))
            self.audio = AudioJournal(self.folder / AUDIO)
            stack.callback(self.audio.close)
            self._events = AppendedFile(self.folder / EVENTS, limit=_EVENTS_LIMIT)
            stack.callback(self._events.close)
            write_meta(self.folder, meta)
            self._resources = stack.pop_all()
        self._writer = JournalWriter([self.audio, self._events], on_failure)

    @property
    def id(self) -> str:
        """The session's name for ``earshot sessions``."""
        return self.folder.name

    def append_audio(self, samples: Samples) -> None:
        """Add 16 kHz mono float32 (n,)."""
        self.audio.append(samples)

    def append_event(self, event: dict[str, Any]) -> None:
        """Add one event; see above."""
        self._events.append(event_line(event))

    def read_audio(self, start: int, count: int) -> Samples:
        """``count`` samples from ``start`` on, fewer at the end."""
        return self.audio.read(start, count)

    def close(self, *, is_complete: bool) -> float:
        """Write the rest and free the lock. Returns the seconds of sound that a full disk has cost.

        is_complete: whether nothing is left for ``earshot sessions recover``.
        """
        try:
            is_whole = self._writer.close()
            lost = self.audio.lost + self.audio.waiting
            if is_complete and is_whole:
                duration = self.audio.num_samples / SAMPLE_RATE
                with suppress(OSError):  # then it counts as unfinished, which costs nothing
                    write_meta(self.folder, dataclasses.replace(self.meta, is_complete=True, duration=duration))
            return lost
        finally:
            self._resources.close()


def _new_folder(home: Path) -> Path:
    """Named by the moment, to the millisecond, so that names sort as sessions began."""
    while True:
        moment = datetime.now()
        folder = home / f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError as error:
            if not folder.exists():
                raise output_error(folder, error) from error
            time.sleep(0.001)
        except OSError as error:
            raise output_error(folder, error) from error


def write_meta(folder: Path, meta: SessionMeta) -> None:
    """Raises OutputError."""
    with atomic_text(folder / META) as file:
        json.dump({"format": FORMAT, "version": VERSION, **dataclasses.asdict(meta)}, file, indent=2)
        file.write("\n")


def event_line(event: dict[str, Any]) -> bytes:
    """The event as a line of JSON."""
    return (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def event_fields(event: Event) -> dict[str, Any] | None:
    """What the journal and ``--json`` say of an event; None for partials, which change too soon to be kept."""
    match event:
        case Final(segment):
            return {"type": "final", **segment_fields(segment)}
        case SpeechStarted(time):
            return {"type": "speech_started", "time": time}
        case SpeechEnded(time):
            return {"type": "speech_ended", "time": time}
        case _:
            return None


def segment_fields(segment: Segment) -> dict[str, Any]:
    """All fields, words as objects."""
    fields = {
        "text": segment.text,
        "start": segment.start,
        "end": segment.end,
        "language": segment.language,
        "speaker": segment.speaker,
    }
    return {**fields, "words": words_fields(segment.words)}


def words_fields(words: tuple[Word, ...]) -> list[dict[str, Any]]:
    """The words as objects."""
    return [dataclasses.asdict(word) for word in words]


def disk_notice(error: OSError | None) -> Notice:
    """What to tell when the journal cannot be written, and when it can be again (None)."""
    if error is None:
        return Notice("disk", "the disk takes data again; nothing is missing so far")
    reason = error.strerror or str(error)
    kept = f"the sound is kept in memory, at most {MEMORY_LIMIT / 60:.0f} minutes of it"
    return Notice("disk", f"the session cannot be written ({reason}): {kept}")


def now() -> str:
    """Local time with its offset, as in ``2026-11-20T20:19:07+01:00``."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def append_to(path: Path, events: list[dict[str, Any]]) -> None:
    """Add events to a session that nobody records any more. Raises OutputError."""
    try:
        with path.open("a+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # the crash cut the last line; ours shall not be glued to it
            file.writelines(event_line(event) for event in events)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise output_error(path, error) from error
