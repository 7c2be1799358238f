"""The library: sessions, their words, corrections beside them, and a search over all. One SQLite file.

Write-ahead logging lets readers and one writer work at once, and what was committed survives a crash. The sound
lies beside the database in files whose paths are kept relative to the data folder, so the folder may be moved.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earshot.core.errors import OutputError, SessionError
from earshot.core.files import output_error
from earshot.core.types import Segment, Transcript, Word
from earshot.server.library_schema import check_version, migrate
from earshot.server.library_types import (
    UNDER_WAY,
    Hit,
    LibrarySession,
    NoSessionError,
    SessionState,
    clean_name,
)

_BUSY_MS = 10_000
"""How long a writer waits for another one."""

_FIELDS = (
    "id, title, created, kind, state, problem, engine, language, duration, audio_path, num_words, version"
    ", diarize"
)
_EXCERPT = """(SELECT substr(text, 1, 160) FROM segments WHERE session_id = sessions.id AND text != ''
              ORDER BY position LIMIT 1)"""
_MARKS = "char(2), char(3)"


class Library:
    """Opens or makes ``data_folder/library.sqlite3``. Its methods may be called from any thread.

    Raises SessionError for a database of a newer version or of somebody else, OutputError where the folder
    cannot be written.
    """

    def __init__(self, data_folder: Path) -> None:
        self.data_folder = data_folder
        self.path = data_folder / "library.sqlite3"
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._is_closed = False
        try:
            data_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(data_folder, error) from error
        try:
            self._check_unchanged()
            with self.connection() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, self.path)
        except sqlite3.Error as error:
            self.close()
            raise _translated(error, self.path) from error
        except SessionError:
            self.close()
            raise

    def _check_unchanged(self) -> None:
        """Look at what is there without so much as making a journal beside it."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(connection):
            check_version(connection, self.path)

    def close(self) -> None:
        """Close all connections; calling it twice is harmless."""
        self._is_closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with; several may read at once."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            yield connection
        finally:
            if self._is_closed:
                connection.close()
            else:
                self._idle.put(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block is written, or nothing. Raises OutputError for a full disk."""
        try:
            with self.connection() as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # what was answered with "saved" survives a power cut
        return connection

    # --- sessions ------------------------------------------------------------------------------------------

    def add(self, session: LibrarySession) -> None:
        """Put a new session in. Raises SessionError when its id is taken."""
        names = _FIELDS.split(", ")
        values = [getattr(session, name) for name in names]
        values[names.index("title")] = clean_name(session.title)
        marks = ", ".join("?" * len(names))
        try:
            with self.writing() as connection:
                connection.execute(f"INSERT INTO sessions ({_FIELDS}) VALUES ({marks})", values)  # noqa: S608 - constants
        except SessionError as error:
            raise SessionError(f"the session {session.id} is there already") from error

    def get(self, session_id: str) -> LibrarySession:
        """Raises NoSessionError."""
        query = f"SELECT {_FIELDS}, {_EXCERPT} AS excerpt FROM sessions WHERE id = ?"  # noqa: S608 - constants
        with self.connection() as connection:
            row = connection.execute(query, (session_id,)).fetchone()
        if row is None:
            raise NoSessionError(f"there is no session {session_id[:80]!r}")
        return _session(row)

    def sessions(self, *, limit: int = 200, before: str | None = None) -> list[LibrarySession]:
        """The newest first. before: the id of the last one that is known already."""
        query = f"""SELECT {_FIELDS}, {_EXCERPT} AS excerpt FROM sessions
            WHERE ?1 IS NULL OR (created, id) < (SELECT created, id FROM sessions WHERE id = ?1)
            ORDER BY created DESC, id DESC LIMIT ?2"""  # noqa: S608 - constants
        with self.connection() as connection:
            return [_session(row) for row in connection.execute(query, (before, limit))]

    def ids(self, states: Sequence[SessionState] | None = None) -> set[str]:
        """Of all sessions, or of those in some states."""
        with self.connection() as connection:
            rows = connection.execute("SELECT id, state FROM sessions").fetchall()
        return {row["id"] for row in rows if states is None or row["state"] in states}

    def rename(self, session_id: str, title: str) -> LibrarySession:
        """Raises NoSessionError."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE sessions SET title = ?, version = version + 1 WHERE id = ?",
                (clean_name(title), session_id),
            )
        return self.get(session_id)

    def set_state(self, session_id: str, state: SessionState, problem: str | None = None) -> None:
        """What becomes of it. problem: one line."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE sessions SET state = ?, problem = ?, version = version + 1 WHERE id = ?",
                (state, problem, session_id),
            )

    def set_engine(self, session_id: str, engine: str, language: str | None, *, diarize: bool = False) -> None:
        """With what it shall be recognized next, and whether speakers are told apart."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE sessions SET engine = ?, language = ?, diarize = ? WHERE id = ?",
                (engine, language, diarize, session_id),
            )

    def set_duration(self, session_id: str, duration: float | None) -> None:
        """Seconds of its sound."""
        with self.writing() as connection:
            connection.execute("UPDATE sessions SET duration = ? WHERE id = ?", (duration, session_id))

    def delete(self, session_id: str) -> LibrarySession:
        """Forget it, words and corrections included; its files are the caller's. Raises NoSessionError."""
        session = self.get(session_id)
        if session.state in UNDER_WAY:
            raise SessionError("the session is still under way", fix="stop it first")
        with self.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
        return session

    # --- what was said -------------------------------------------------------------------------------------

    def put_transcript(
        self, session_id: str, transcript: Transcript, state: SessionState = "ready", problem: str | None = None
    ) -> None:
        """Store what was recognized in place of what was there. Raises NoSessionError."""
        self.get(session_id)
        num_words = 0
        with self.writing() as connection:
            connection.execute("DELETE FROM segments WHERE session_id = ?", (session_id,))
            for position, segment in enumerate(transcript.segments):
                num_words += _insert(connection, session_id, position, segment)
            connection.execute(
                """UPDATE sessions SET state = ?, problem = ?, num_words = ?, version = version + 1,
                   engine = coalesce(?, engine), language = coalesce(?, language),
                   duration = coalesce(?, duration) WHERE id = ?""",
                (
                    *(state, problem, num_words),
                    *(transcript.engine, transcript.language or _language(transcript), transcript.duration),
                    session_id,
                ),
            )

    # --- search --------------------------------------------------------------------------------------------

    def search(self, text: str, *, limit: int = 100) -> list[Hit]:
        """Places where all words of ``text`` stand, the last one maybe unfinished; the best first."""
        query = _match(text)
        if query is None:
            return []
        statement = f"""SELECT {", ".join("sessions." + name for name in _FIELDS.split(", "))}, '' AS excerpt,
                snippet(found, 0, {_MARKS}, '…', 24) AS snippet, segments.position AS segment,
                segments.start AS start
            FROM found JOIN sessions ON sessions.id = found.session_id
            LEFT JOIN segments ON segments.id = found.rowid
            WHERE found MATCH ? ORDER BY rank, sessions.created DESC LIMIT ?"""  # noqa: S608 - constants
        with self.connection() as connection:
            rows = connection.execute(statement, (query, limit)).fetchall()
        return [Hit(_session(row), row["snippet"], row["segment"], row["start"]) for row in rows]


def timestamp() -> str:
    """Now, UTC, as in ``2026-11-20T20:19:07.312Z``; sorts by time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _session(row: sqlite3.Row) -> LibrarySession:
    fields: dict[str, Any] = {name: row[name] for name in _FIELDS.split(", ")}
    fields["diarize"] = bool(fields["diarize"])
    return LibrarySession(**fields, excerpt=row["excerpt"] or "")


def _insert(connection: sqlite3.Connection, session_id: str, position: int, segment: Segment) -> int:
    """Returns the number of its words; where the engine tells none, the text is cut at spaces."""
    words = segment.words or tuple(Word(text) for text in segment.text.split())
    cursor = connection.execute(
        """INSERT INTO segments (session_id, position, start, "end", text, language, speaker)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (
            *(session_id, position, segment.start, segment.end, _storable(segment.text)),
            *(segment.language, segment.speaker),
        ),
    )
    number = cursor.lastrowid
    connection.executemany(
        """INSERT INTO words (segment_id, position, text, start, "end", confidence, time_source)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (
            (number, index, _storable(word.text), word.start, word.end, word.confidence, word.time_source)
            for index, word in enumerate(words)
        ),
    )
    connection.execute(
        "INSERT INTO found (rowid, text, session_id) VALUES (?, ?, ?)",
        (number, _storable(segment.text), session_id),
    )
    return len(words)


def _storable(text: str) -> str:
    """SQLite holds UTF-8; a lone surrogate from a broken decoder is none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _language(transcript: Transcript) -> str | None:
    return next((segment.language for segment in transcript.segments if segment.language), None)


def _match(text: str) -> str | None:
    """The words of a search as FTS5 wants its queries; each quoted, so that none is an operator."""
    words = ["".join(c for c in word if c.isprintable()).replace('"', '""') for word in text[:500].split()]
    words = [word for word in words if any(character.isalnum() for character in word)]
    return " ".join(f'"{word}"' for word in words) + "*" if words else None


def _translated(error: sqlite3.Error, path: Path) -> OutputError | SessionError:
    """What SQLite's error means to a person."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return output_error(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return OutputError(f"cannot write {path}: {error}", fix="check the disk and the folder's permissions")
    if code == sqlite3.SQLITE_BUSY:
        return OutputError(f"{path} is in use by another program", fix="try again in a moment")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return SessionError(
            f"{path} is damaged or no library: {error}", fix="move it away; sound and journals stay beside it"
        )
    return SessionError(f"the library {path} refuses this: {error}", fix="report it")
