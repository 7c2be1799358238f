"""After a start: journals of sessions that a crash cut off come into the library, whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

from earshot.audio.journal import repair_audio
from earshot.core.errors import EarshotError
from earshot.live.stored import StoredSession, list_sessions, recover
from earshot.server.library_types import LibrarySession
from earshot.server.page_live import store_journal
from earshot.server.page_state import PageState
from earshot.server.page_titles import untitled
from earshot.server.uploads import PooledRecognizer
from earshot.transcription import Transcriber, TranscriptionOptions

_log = logging.getLogger("earshot.server")


def adopt_journals(state: PageState) -> list[StoredSession]:
    """Enter what is not in the library yet, or was being recorded when the server died. Blocking.

    Returns those in which sound is left that nobody has recognized.
    """
    known = state.library.ids()
    open_ones = state.library.ids(("recording",))
    stored, _ = list_sessions(state.sessions_folder)
    unfinished = []
    for session in stored:
        if (session.id in known and session.id not in open_ones) or session.is_running:
            continue
        with contextlib.suppress(EarshotError):  # one that is damaged shall not keep the others out
            _adopt(state, session, is_new=session.id not in known)
            if session.is_unfinished:
                unfinished.append(session)
    for session_id in open_ones - {session.id for session in stored}:
        state.library.set_state(session_id, "failed", "its sound is not on the disk any more")
    return unfinished


def _adopt(state: PageState, session: StoredSession, *, is_new: bool) -> None:
    if is_new:
        state.library.add(
            LibrarySession(
                *(session.id, untitled(), _utc(session.meta.created), "live", "recording"),
                engine=session.meta.engine,
                language=session.meta.language,
                audio_path=f"{state.sessions_folder.name}/{session.id}/audio.wav",
                diarize=session.meta.diarize,
            )
        )
    repair_audio(session.audio_path)
    store_journal(state, session.id, recovered=not session.meta.is_complete)


async def finish_journals(state: PageState, unfinished: list[StoredSession]) -> None:
    """Recognize what is behind the last final of each."""
    for session in unfinished:
        try:
            await asyncio.to_thread(_finish, state, session)
        except EarshotError as error:
            with contextlib.suppress(EarshotError):
                state.library.set_state(session.id, "recovered", str(error))
        state.tell_session(session.id)


def _finish(state: PageState, session: StoredSession) -> None:
    served = state.pool.default
    options = TranscriptionOptions(engine=served.engine, language=session.meta.language or served.language)
    pool = state.pool
    recognizer = PooledRecognizer(pool, served)
    recover(
        session,
        Transcriber(options, recognizer=recognizer, aligners=pool.aligners, punctuators=pool.punctuators),
        names=pool.remembered_names,
        on_warning=lambda text: _log.warning("session %s: %s", session.id, text),
    )
    store_journal(state, session.id, recovered=True)


def _utc(created: str) -> str:
    """The journal's local time as the library writes it; now, where it is no time."""
    try:
        moment = datetime.fromisoformat(created).astimezone(UTC)
    except ValueError:
        moment = datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
