"""The tables of the speaker memory, and what is a memory at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from earshot.core.errors import SpeakerError

APPLICATION_ID = 0x45617256
"""``EarV``; in the header of the file, so that a database of somebody else is told from ours."""

VERSION = 1

_TABLES = f"""
CREATE TABLE speakers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,           -- the name without regard to case
    created TEXT NOT NULL                  -- UTC, ISO 8601
) STRICT;

CREATE TABLE encoders (
    name TEXT PRIMARY KEY,
    dim INTEGER NOT NULL,
    threshold REAL NOT NULL                -- cosine above which two clips are one voice
) STRICT, WITHOUT ROWID;

CREATE TABLE recordings (
    id INTEGER PRIMARY KEY,
    speaker_id INTEGER NOT NULL REFERENCES speakers (id) ON DELETE CASCADE,
    source TEXT NOT NULL,                  -- the name of the file, without its folder
    seconds REAL NOT NULL,                 -- of speech
    created TEXT NOT NULL,
    clip BLOB                              -- FLAC, where the user asked to keep the sound
) STRICT;
CREATE INDEX recordings_by_speaker ON recordings (speaker_id);

CREATE TABLE vectors (
    recording_id INTEGER NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
    encoder TEXT NOT NULL REFERENCES encoders (name),
    vector BLOB NOT NULL,                  -- float32, little-endian, unit length
    PRIMARY KEY (recording_id, encoder)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """In an empty file; harmless where another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if is_empty(connection):
            for statement in _TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the file has no tables yet."""
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises SpeakerError for another version, or a database that is not ours; changes nothing."""
    identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if identity != APPLICATION_ID:
        raise SpeakerError(f"{path} is no memory of voices", fix="move it away, or name another file")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version != VERSION:
        raise SpeakerError(
            f"{path} is of version {version}, this Earshot reads version {VERSION}",
            fix="use the Earshot that wrote it, or a newer one",
        )
