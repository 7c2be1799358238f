"""Recordings that are dropped onto the page: to the disk as they come, then recognized one after another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from earshot.audio.decode import RECORDING_SUFFIXES
from earshot.core.errors import AudioError, EarshotError
from earshot.core.files import output_error
from earshot.core.types import Segment
from earshot.live.journal import segment_fields
from earshot.server.errors import TooLongError, TooManyError
from earshot.server.library_types import LibrarySession, clean_name
from earshot.server.page_media import prepare
from earshot.server.page_state import PageState
from earshot.transcription import SpeakerOptions, TranscriptionOptions

_PARTIAL = ".partial"
_ORIGINAL = "recording"
_TITLE = "title.txt"

_INTERVAL = 0.2
"""Seconds between two messages about progress."""


class Uploads:
    """The queue of recordings. Made on the event loop; ``run`` works it off."""

    def __init__(self, state: PageState) -> None:
        self._state = state
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._report: _Report | None = None

    async def receive(
        self,
        body: AsyncIterator[bytes],
        name: str,
        engine: str | None,
        language: str | None,
        *,
        diarize: bool = False,
    ) -> LibrarySession:
        """Take a recording to the disk and put it into the queue. name: of the file, used as a title alone.
        diarize: tell speakers apart.

        Raises TooManyError, TooLongError, AudioError for nothing at all, OutputError, and as
        ``RecognizerPool.find`` does.
        """
        served = self._state.pool.find(engine)
        served.check_language(language)
        if len(self._waiting) >= self._state.options.max_uploads:
            raise TooManyError(
                f"{len(self._waiting)} recordings wait already", fix="try again when some are finished"
            )
        session_id = _new_id()
        self._waiting.add(session_id)
        try:
            path = await self._store(session_id, body, name)
            await asyncio.to_thread(
                self._add, session_id, path, title_of(name), served.name, language, diarize=diarize
            )
            self.put(session_id)
        except BaseException:
            self._waiting.discard(session_id)
            raise
        return await asyncio.to_thread(self._state.library.get, session_id)

    async def _store(self, session_id: str, body: AsyncIterator[bytes], name: str) -> Path:
        folder = self._state.recordings_folder / session_id
        path = folder / (_ORIGINAL + suffix_of(name))
        partial = path.with_name(path.name + _PARTIAL)
        limit = self._state.options.max_upload_bytes
        num_bytes = 0
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
            with partial.open("xb") as file:
                async for piece in body:
                    num_bytes += len(piece)
                    if num_bytes > limit:
                        raise TooLongError(f"the recording is larger than {limit} bytes", fix="cut it")
                    await asyncio.to_thread(file.write, piece)
                if not num_bytes:
                    raise AudioError("the recording is empty", fix="choose another file")
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            (folder / _TITLE).write_text(title_of(name), encoding="utf-8")
            partial.replace(path)
        except BaseException as error:
            for left in (partial, folder / _TITLE):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()
            if isinstance(error, OSError) and not isinstance(error, EarshotError):
                raise output_error(path, error) from error
            raise
        return path

    def _add(
        self,
        session_id: str,
        path: Path,
        title: str,
        engine: str | None,
        language: str | None,
        *,
        diarize: bool = False,
    ) -> None:
        state = self._state
        relative = path.relative_to(state.options.data_folder).as_posix()
        state.library.add(
            LibrarySession(
                *(session_id, title, state.now(), "upload", "waiting"),
                engine=engine,
                language=language,
                audio_path=relative,
                diarize=diarize,
            )
        )
        state.tell_session(session_id)

    def put(self, session_id: str) -> None:
        """Recognize that session's recording when it is its turn."""
        self._waiting.add(session_id)
        self._queue.put_nowait(session_id)

    def recover(self) -> None:
        """After a start: go on with what was waiting or in work, and clear away what came in half."""
        state = self._state
        known = state.library.ids()
        for session_id in sorted(state.library.ids(("waiting", "working"))):
            self.put(session_id)
        with contextlib.suppress(OSError):
            for folder in sorted(state.recordings_folder.iterdir()):
                if folder.name not in known and folder.is_dir():
                    self._adopt(folder)

    def _adopt(self, folder: Path) -> None:
        """A recording that is whole but was not entered is kept; half of one is not."""
        for path in folder.iterdir():
            if path.name.startswith(_ORIGINAL) and not path.name.endswith(_PARTIAL):
                title = folder.name
                with contextlib.suppress(OSError, ValueError):
                    title = (folder / _TITLE).read_text(encoding="utf-8")
                self._add(folder.name, path, title, None, None)
                self.put(folder.name)
                return
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def so_far(self, session_id: str) -> list[dict[str, Any]]:
        """The segments of the recording that is in work, for a page that opens it meanwhile."""
        report = self._report
        return list(report.segments) if report is not None and report.session_id == session_id else []

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            session_id = await self._queue.get()
            try:
                await self._transcribe(session_id)
            except EarshotError as error:
                await asyncio.to_thread(self._fail, session_id, error)
            except Exception as error:  # the next recording has a right to be heard
                failure = AudioError(f"it cannot be transcribed: {type(error).__name__}: {error}")
                await asyncio.to_thread(self._fail, session_id, failure)
            finally:
                self._waiting.discard(session_id)

    def _fail(self, session_id: str, error: EarshotError) -> None:
        with contextlib.suppress(EarshotError):
            self._state.library.set_state(session_id, "failed", str(error))
        self._state.tell_session(session_id)

    async def _transcribe(self, session_id: str) -> None:
        state = self._state
        session, path, engine = await asyncio.to_thread(self._begin, session_id)
        report = self._report = _Report(state, session_id)
        speakers = SpeakerOptions() if session.diarize else None
        options = TranscriptionOptions(language=session.language, speakers=speakers)
        transcript = await state.pool.transcribe_file(
            path, options, report.progress, model=engine, on_segment=report.segment
        )
        await asyncio.to_thread(prepare, state, session)
        await asyncio.to_thread(state.library.put_transcript, session_id, transcript)
        state.tell_session(session_id)

    def _begin(self, session_id: str) -> tuple[LibrarySession, Path, str | None]:
        state = self._state
        session = state.library.get(session_id)
        path = state.audio_path(session)
        if path is None:
            raise AudioError("its recording is not there any more", fix="add it again")
        state.library.set_state(session_id, "working")
        state.tell_session(session_id)
        is_served = any(session.engine == served.name for served in state.pool.served)
        return session, path, session.engine if is_served else None


class _Report:
    """Tells the pages how far a recording is."""

    def __init__(self, state: PageState, session_id: str) -> None:
        self._state = state
        self.session_id = session_id
        self.segments: list[dict[str, Any]] = []
        self._begun = time.monotonic()
        self._last = 0.0

    def progress(self, seconds: float, total: float | None) -> None:
        now = time.monotonic()
        if now - self._last < _INTERVAL and seconds != total:
            return
        self._last = now
        speed = seconds / max(now - self._begun, 1e-3)
        self._tell("progress", seconds=seconds, total=total, speed=round(speed, 1))

    def segment(self, segment: Segment) -> None:
        fields = segment_fields(segment)
        self._tell("segment", index=len(self.segments), segment=fields)
        self.segments.append(fields)

    def _tell(self, kind: str, **fields: Any) -> None:
        self._state.feed.tell({"type": kind, "id": self.session_id, **fields})


def title_of(name: str) -> str:
    """The file's name without folders and suffix."""
    base = PureWindowsPath(PurePosixPath(name).name).name
    stem = base.removesuffix(suffix_of(base)) if suffix_of(base) else base
    return clean_name(re.sub(r"[_]+", " ", stem), "Recording")


def suffix_of(name: str) -> str:
    """The suffix of a recording, lower case; empty for anything else: names from outside go no further."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in RECORDING_SUFFIXES else ""


def _new_id() -> str:
    moment = datetime.now(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
