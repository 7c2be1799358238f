"""Sessions that lie on disk: list, read, recover after a crash, export, remove."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from earshot.audio.journal import count_samples, open_journal_audio, repair_audio
from earshot.core.errors import EarshotError, SessionError
from earshot.core.files import output_error
from earshot.core.progress import ProgressCallback
from earshot.core.types import SAMPLE_RATE, Segment, Transcript
from earshot.live.journal import (
    AUDIO,
    EVENTS,
    FORMAT,
    LOCK,
    META,
    VERSION,
    SessionMeta,
    append_to,
    segment_fields,
    sessions_home,
    write_meta,
)
from earshot.live.relabelling import Names, spoken_by, turns_of
from earshot.live.spool import read_segment, read_words
from earshot.models.lock import is_held, locked
from earshot.speakers.types import Turn
from earshot.text.numbers import NumberForm
from earshot.transcription import SpeakerOptions, Transcriber
from earshot.transcription.speakers import remembered_names
from earshot.transcription.transcriber import WarningCallback

_LONGEST_LINE = 10_000_000
"""Bytes; a longer line of events is damage, not an utterance."""


_MOST_SPEAKERS = 1_000


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One session's folder. meta: as it was when the folder was opened."""

    folder: Path
    meta: SessionMeta

    @property
    def id(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def is_running(self) -> bool:
        """Whether a process records into it right now."""
        return is_held(self.folder / LOCK)

    @property
    def is_unfinished(self) -> bool:
        """Whether it was cut off: there is sound that nobody has recognized."""
        return not self.meta.is_complete and not self.is_running

    @property
    def audio_path(self) -> Path:
        """The sound: a WAV file."""
        return self.folder / AUDIO

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return count_samples(self.audio_path) / SAMPLE_RATE

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*") if path.is_file())

    def transcript(self) -> Transcript:
        """All finals. Lines of events that are damaged are left out."""
        finals = _Finals()
        for event in _events(self.folder / EVENTS):
            finals.take(event)
        meta = self.meta
        return Transcript(tuple(finals.segments()), meta.language, self.duration, meta.engine)


def list_sessions(home: Path | None = None) -> tuple[list[StoredSession], list[SessionError]]:
    """All sessions, the oldest first, and what is wrong with the folders that are none."""
    home = home or sessions_home()
    found, errors = [], []
    try:
        folders = sorted(path for path in home.iterdir() if path.is_dir())
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise SessionError(f"the sessions in {home} cannot be read: {error.strerror}") from error
    for folder in folders:
        try:
            found.append(open_session(folder))
        except SessionError as error:
            errors.append(error)
    return found, errors


def unfinished_sessions(home: Path | None = None) -> list[StoredSession]:
    """Those that were cut off; empty as well where the folder cannot be read."""
    with suppress(SessionError):
        return [session for session in list_sessions(home)[0] if session.is_unfinished]
    return []


def find_session(name: str, home: Path | None = None) -> StoredSession:
    """The session of that id, the only one that begins so, or the newest for ``last``.

    Raises SessionError, naming the nearest, where there is none.
    """
    home = home or sessions_home()
    if not name.strip() or Path(name).name != name:
        raise SessionError(f"{name!r} is no name of a session", fix="see 'earshot sessions list'")
    sessions, errors = list_sessions(home)
    if name == "last" and sessions:
        return sessions[-1]
    if (home / name).is_dir():
        return open_session(home / name)
    suits = [session for session in sessions if session.id.startswith(name)]
    if len(suits) == 1:
        return suits[0]
    if suits:
        raise SessionError(
            f"several sessions begin with {name!r}", fix=f"say which: {', '.join(s.id for s in suits[:5])}"
        )
    near = difflib.get_close_matches(name, [session.id for session in sessions], n=1, cutoff=0.3)
    fix = f"did you mean {near[0]!r}?" if near else "there is none yet" if not errors else str(errors[-1])
    raise SessionError(f"there is no session {name!r}", fix=fix)


def open_session(folder: Path) -> StoredSession:
    """Raises SessionError for a folder of another version, or that is no session."""
    return StoredSession(folder, _read_meta(folder))


def _read_meta(folder: Path) -> SessionMeta:
    """Where the file is absent or damaged, as after a loss of power, the sound still counts."""
    guess = SessionMeta(folder.name, "unknown")
    try:
        data = json.loads((folder / META).read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        if (folder / AUDIO).is_file():
            return guess
        raise SessionError(f"{folder} holds no session", fix="remove the folder") from error
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        raise SessionError(
            f"{folder / META} is of version {data.get('version')!r}, this Earshot reads version {VERSION}",
            fix="use the Earshot that wrote it, or a newer one",
        )
    return _meta(data, guess)


def _meta(data: Mapping[str, Any], guess: SessionMeta) -> SessionMeta:
    """Each field where it is of the right kind; the guess's where not."""
    kinds: dict[str, tuple[type, ...]] = {
        "created": (str,),
        "source": (str,),
        "engine": (str,),
        "model": (str,),
        "language": (str,),
        "punctuation": (bool,),
        "diarize": (bool,),
        "num_speakers": (int,),
        "is_complete": (bool,),
        "duration": (int, float),
    }
    fields = {name: data[name] for name, kind in kinds.items() if isinstance(data.get(name), kind)}
    if data.get("numbers") in get_args(NumberForm):
        fields["numbers"] = data["numbers"]
    if not 1 <= fields.get("num_speakers", 1) <= _MOST_SPEAKERS:
        del fields["num_speakers"]
    return replace(guess, **fields)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """The events that can be read. What a crash cut, or a disk spoiled, is left out."""
    try:
        with path.open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                with suppress(ValueError, RecursionError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        yield event
    except OSError:
        return


class _Finals:
    """The segments that a list of events amounts to."""

    def __init__(self) -> None:
        self._segments: dict[int, Segment] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            match event.get("type"):
                case "restarted":
                    self._segments.clear()
                case "final":
                    self._segments[int(event["index"])] = read_segment(event)
                case "words":
                    index = int(event["index"])
                    if index in self._segments:
                        words = read_words(event["words"])
                        self._segments[index] = replace(self._segments[index], words=words)
                case "speaker":
                    index = int(event["index"])
                    if index in self._segments and isinstance(event["speaker"], str):
                        self._segments[index] = replace(self._segments[index], speaker=event["speaker"])

    def segments(self) -> list[Segment]:
        return [self._segments[index] for index in sorted(self._segments)]

    @property
    def next_index(self) -> int:
        return max(self._segments, default=-1) + 1

    @property
    def end(self) -> float:
        return max((segment.end for segment in self._segments.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class _Who:
    """How it is found out who speaks."""

    options: SpeakerOptions
    names: Names
    on_warning: WarningCallback | None


def recover(
    session: StoredSession,
    transcriber: Transcriber | None,
    *,
    is_all: bool = False,
    speakers: SpeakerOptions | None = None,
    names: Names = remembered_names,
    progress: ProgressCallback | None = None,
    on_warning: WarningCallback | None = None,
) -> list[Segment]:
    """Repair the sound, recognize what is behind the last final, and mark the session complete.

    transcriber: None to leave the text as it is. is_all: recognize everything again. speakers: tell them apart
    in a session that did not; one that did goes on with the labels that it showed. names: of those who are
    known. on_warning: told where speakers cannot be told apart; without it, that is an error.
    May be interrupted and called again. Returns the new segments.
    Raises SessionError while the session is still recorded.
    """
    if session.is_running:
        raise SessionError(f"the session {session.id} is being recorded right now", fix="end it first")
    with locked(session.folder / LOCK):
        repair_audio(session.audio_path)
        meta = dataclasses.replace(session.meta, is_complete=True, duration=session.duration)
        if speakers is not None:
            meta = dataclasses.replace(meta, diarize=True, num_speakers=speakers.num_speakers)
        wish = speakers or (SpeakerOptions(meta.num_speakers) if meta.diarize else None)
        who = None if wish is None else _Who(wish, names, on_warning)
        new = list(_recognized(session, transcriber, is_all, who, progress)) if transcriber is not None else []
        if transcriber is not None and meta.engine is None:
            options = transcriber.options
            meta = dataclasses.replace(
                meta, engine=options.engine, model=options.model, language=options.language
            )
        write_meta(session.folder, meta)
    return new


def _recognized(
    session: StoredSession,
    transcriber: Transcriber,
    is_all: bool,
    who: _Who | None,
    progress: ProgressCallback | None,
) -> Iterator[Segment]:
    events = session.folder / EVENTS
    finals = _Finals()
    if is_all:
        append_to(events, [{"type": "restarted"}])
    else:
        for event in _events(events):
            finals.take(event)
    begin = round(finals.end * SAMPLE_RATE)
    turns = None if who is None else _turns(session, finals, who)
    numbers = itertools.count(finals.next_index)
    with open_journal_audio(session.audio_path, begin) as reader:
        for segment in transcriber.segments(reader, progress=progress):
            placed = shifted(segment, begin / SAMPLE_RATE)
            parts = (placed,) if turns is None else spoken_by(placed, turns)
            for part in parts:
                append_to(events, [{"type": "final", "index": next(numbers), **segment_fields(part)}])
                yield part


def _turns(session: StoredSession, finals: _Finals, who: _Who) -> tuple[Turn, ...] | None:
    try:
        with open_journal_audio(session.audio_path) as whole:
            return turns_of(whole, who.options, finals.segments(), who.names)
    except EarshotError as error:
        if who.on_warning is None:
            raise
        who.on_warning(f"speakers are not told apart: {error}")
        return None


def shifted(segment: Segment, seconds: float) -> Segment:
    """The same, that much later."""
    words = tuple(
        word
        if word.start is None or word.end is None
        else replace(word, start=word.start + seconds, end=word.end + seconds)
        for word in segment.words
    )
    return replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)


def remove_session(session: StoredSession) -> None:
    """Delete its folder. Raises SessionError while it is recorded, OutputError where it cannot be deleted."""
    if session.is_running:
        raise SessionError(f"the session {session.id} is being recorded right now", fix="end it first")
    try:
        shutil.rmtree(session.folder)
    except OSError as error:
        raise output_error(session.folder, error) from error
