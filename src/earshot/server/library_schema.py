"""The tables of the library, and how an older library becomes today's.

``PRAGMA user_version`` counts the migrations that a file has been through. Each runs in a transaction of its
own, so an interruption leaves the version before. A file from a newer Earshot is refused and left as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from earshot.core.errors import SessionError

APPLICATION_ID = 0x45617273
"""``Ears``; in the header of the file, so that a database of somebody else is told from ours."""

_FIRST = """
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    created TEXT NOT NULL,                 -- UTC, ISO 8601
    kind TEXT NOT NULL,                    -- 'live' or 'upload'
    state TEXT NOT NULL,                   -- see SessionState
    problem TEXT,
    engine TEXT,
    language TEXT,
    duration REAL,                         -- seconds
    audio_path TEXT,                       -- relative to the data folder
    num_words INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX sessions_by_time ON sessions (created DESC, id DESC);

CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    start REAL NOT NULL,
    "end" REAL NOT NULL,
    text TEXT NOT NULL,                    -- as recognized
    language TEXT,
    speaker TEXT,                          -- a label of this session, see speakers
    version INTEGER NOT NULL DEFAULT 1,
    UNIQUE (session_id, position)
) STRICT;

CREATE TABLE words (
    segment_id INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,                    -- as recognized
    start REAL,
    "end" REAL,
    confidence REAL,
    time_source TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (segment_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE corrections (                 -- all that were ever made; the last one of a word counts
    id INTEGER PRIMARY KEY,
    segment_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    text TEXT,                             -- '' removes the word, NULL restores what was recognized
    created TEXT NOT NULL,
    FOREIGN KEY (segment_id, position) REFERENCES words (segment_id, position) ON DELETE CASCADE
) STRICT;
CREATE INDEX corrections_by_word ON corrections (segment_id, position, id);

CREATE TABLE speakers (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (session_id, label)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE found USING fts5 (    -- a row a segment (its id) and a title (minus its session's number)
    text, session_id UNINDEXED, tokenize = "unicode61 remove_diacritics 2"
);
CREATE TRIGGER segment_gone AFTER DELETE ON segments BEGIN
    DELETE FROM found WHERE rowid = old.id;
END;
CREATE TRIGGER session_added AFTER INSERT ON sessions BEGIN
    INSERT INTO found (rowid, text, session_id) VALUES (-new.number, new.title, new.id);
END;
CREATE TRIGGER session_renamed AFTER UPDATE OF title ON sessions BEGIN
    UPDATE found SET text = new.title WHERE rowid = -new.number;
END;
CREATE TRIGGER session_gone AFTER DELETE ON sessions BEGIN
    DELETE FROM found WHERE rowid = -old.number;
END;
"""

_SPEAKERS = """
ALTER TABLE sessions ADD COLUMN diarize INTEGER NOT NULL DEFAULT 0;   -- 1: speakers are told apart
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SPEAKERS)
"""The n-th leads from version n to n + 1. What was released is never changed; new ones are appended."""


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the database up to date. Raises SessionError for a newer one, or one that is not ours."""
    version = check_version(connection, path, migrations)
    for number, script in enumerate(migrations[version:], start=version + 1):
        head = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n{head}\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            if check_version(connection, path, migrations) < number:
                raise  # else another process was faster


def check_version(connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> int:
    """How many migrations it has been through. Raises SessionError as ``migrate`` does; changes nothing."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_empty and identity != APPLICATION_ID:
        raise SessionError(f"{path} is no library of Earshot", fix="move it away, or choose another folder")
    if version > len(migrations):
        raise SessionError(
            f"{path} was written by a newer Earshot (version {version}, known is {len(migrations)})",
            fix="upgrade Earshot; nothing was changed",
        )
    return version
