"""A session's words in the library: reading them, correcting them, naming who speaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from earshot.core.types import Segment, Transcript, Word
from earshot.server.library import Library, timestamp
from earshot.server.library_types import ConflictError, NoSessionError, clean_name, clean_word
from earshot.server.library_words import corrected_segment, corrected_text

_CORRECTION = """(SELECT text FROM corrections WHERE segment_id = words.segment_id
    AND position = words.position ORDER BY id DESC LIMIT 1)"""


@dataclass(frozen=True, slots=True)
class StoredWord:
    """A word as recognized, and beside it the correction that counts (None: none). version: of both."""

    word: Word
    version: int
    correction: str | None


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment as recognized. position: from 0."""

    position: int
    segment: Segment
    version: int
    words: tuple[StoredWord, ...]

    @property
    def corrected(self) -> Segment:
        """With its corrections."""
        return corrected_segment(
            self.segment,
            {index: word.correction for index, word in enumerate(self.words) if word.correction is not None},
        )


def segments(
    library: Library, session_id: str, *, first: int = 0, count: int | None = None
) -> list[StoredSegment]:
    """Segments from position ``first`` on. Raises NoSessionError."""
    with library.connection() as connection:
        _require(connection, session_id)
        rows = connection.execute(
            """SELECT * FROM segments WHERE session_id = ? AND position >= ? ORDER BY position LIMIT ?""",
            (session_id, first, -1 if count is None else count),
        ).fetchall()
        if not rows:
            return []
        words = _words(connection, session_id, rows[0]["position"], rows[-1]["position"])
        return [_stored_segment(row, words.get(row["id"], [])) for row in rows]


def documents(library: Library, session_id: str, *, first: int = 0, count: int = -1) -> list[dict[str, Any]]:
    """The same as plain values, for the page: 30,000 words in a third of the time.

    Words are lists: text, start, end, confidence, version, correction. Raises NoSessionError.
    """
    with library.connection() as connection:
        _require(connection, session_id)
        found = {
            row["id"]: {**{name: row[name] for name in _DOCUMENT}, "words": []}
            for row in connection.execute(
                "SELECT * FROM segments WHERE session_id = ? AND position >= ? ORDER BY position LIMIT ?",
                (session_id, first, count),
            )
        }
        last = max((entry["position"] for entry in found.values()), default=-1)
        corrections = _corrections(connection, session_id)
        cursor = connection.cursor()
        cursor.row_factory = None
        for number, position, *word in cursor.execute(_ROUNDED_WORDS, (session_id, first, last)):
            found[number]["words"].append([*word, corrections.get((number, position))])
        return list(found.values())


_DOCUMENT = ("position", "start", "end", "text", "speaker")

_ROUNDED_WORDS = """
    SELECT words.segment_id, words.position, words.text, round(words.start, 3), round(words."end", 3),
           round(words.confidence, 3), words.version
    FROM segments JOIN words ON words.segment_id = segments.id
    WHERE segments.session_id = ? AND segments.position BETWEEN ? AND ?
    ORDER BY segments.position, words.position"""


def _corrections(connection: sqlite3.Connection, session_id: str) -> dict[tuple[int, int], str | None]:
    """The last one of each word that has any, by segment and position."""
    return {
        (row["segment_id"], row["position"]): row["text"]
        for row in connection.execute(
            """SELECT corrections.segment_id, corrections.position, corrections.text FROM corrections
               JOIN segments ON segments.id = corrections.segment_id
               WHERE segments.session_id = ? ORDER BY corrections.id""",
            (session_id,),
        )
    }


def _words(
    connection: sqlite3.Connection, session_id: str, first: int, last: int
) -> dict[int, list[StoredWord]]:
    # One pass over all words, and another over the few corrections: a subquery a word took three times as long.
    corrections = _corrections(connection, session_id)
    found: dict[int, list[StoredWord]] = {}
    for row in connection.execute(
        """SELECT words.segment_id, words.position, words.text, words.start, words."end", words.confidence,
                  words.time_source, words.version
           FROM segments JOIN words ON words.segment_id = segments.id
           WHERE segments.session_id = ? AND segments.position BETWEEN ? AND ?
           ORDER BY segments.position, words.position""",
        (session_id, first, last),
    ):
        number, position, *fields, version = tuple(row)
        correction = corrections.get((number, position))
        found.setdefault(number, []).append(StoredWord(Word(*fields), version, correction))
    return found


def _stored_segment(row: sqlite3.Row, words: list[StoredWord]) -> StoredSegment:
    segment = Segment(
        row["text"],
        row["start"],
        row["end"],
        tuple(word.word for word in words),
        row["speaker"],
        row["language"],
    )
    return StoredSegment(row["position"], segment, row["version"], tuple(words))


def transcript(library: Library, session_id: str, *, is_corrected: bool = True) -> Transcript:
    """All of a session, speakers by their names. Raises NoSessionError."""
    session = library.get(session_id)
    names = speakers(library, session_id)
    return Transcript(
        tuple(_named_segments(segments(library, session_id), names, is_corrected)),
        session.language,
        session.duration,
        session.engine,
    )


def _named_segments(
    stored: list[StoredSegment], names: dict[str, str], is_corrected: bool
) -> Iterator[Segment]:
    for entry in stored:
        segment = entry.corrected if is_corrected else entry.segment
        speaker = names.get(segment.speaker or "", segment.speaker)
        if segment.text:
            yield Segment(segment.text, segment.start, segment.end, segment.words, speaker, segment.language)


# --- corrections -------------------------------------------------------------------------------------------


def correct(
    library: Library, session_id: str, segment: int, position: int, text: str | None, version: int
) -> dict[str, Any]:
    """Correct a word; ``""`` removes it, None restores what was recognized. version: that the writer has seen.

    Returns the word as it is now. Raises NoSessionError, and ConflictError where it was changed meanwhile.
    """
    with library.writing() as connection:
        word = _find_word(connection, session_id, segment, position)
        if word["version"] != version:
            raise ConflictError("this word was changed meanwhile", _word_fields(word))
        wanted = None if text is None else clean_word(text)
        if wanted == word["text"]:
            wanted = None
        number = word["segment_id"]
        connection.execute(
            "INSERT INTO corrections (segment_id, position, text, created) VALUES (?, ?, ?, ?)",
            (number, position, wanted, timestamp()),
        )
        connection.execute(
            "UPDATE words SET version = version + 1 WHERE segment_id = ? AND position = ?", (number, position)
        )
        _index(connection, number)
        return _word_fields(_find_word(connection, session_id, segment, position))


def history(library: Library, session_id: str, segment: int, position: int) -> list[dict[str, Any]]:
    """All corrections of a word in order: ``text`` and ``created``. Raises NoSessionError."""
    with library.connection() as connection:
        word = _find_word(connection, session_id, segment, position)
        rows = connection.execute(
            "SELECT text, created FROM corrections WHERE segment_id = ? AND position = ? ORDER BY id",
            (word["segment_id"], position),
        )
        return [dict(row) for row in rows]


def _find_word(connection: sqlite3.Connection, session_id: str, segment: int, position: int) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        f"""SELECT words.*, {_CORRECTION} AS correction
            FROM words JOIN segments ON segments.id = words.segment_id
            WHERE segments.session_id = ? AND segments.position = ? AND words.position = ?""",  # noqa: S608 - constants
        (session_id, segment, position),
    ).fetchone()
    if row is None:
        raise NoSessionError("there is no such word")
    return row


def _word_fields(row: sqlite3.Row) -> dict[str, Any]:
    return {"text": row["text"], "correction": row["correction"], "version": row["version"]}


def _index(connection: sqlite3.Connection, number: int) -> None:
    """Bring the search up to date with the corrections of a segment."""
    rows = connection.execute(
        f"SELECT text, {_CORRECTION} AS correction FROM words WHERE segment_id = ? ORDER BY position",  # noqa: S608 - constants
        (number,),
    ).fetchall()
    corrections = {index: row["correction"] for index, row in enumerate(rows) if row["correction"] is not None}
    text = connection.execute("SELECT text FROM segments WHERE id = ?", (number,)).fetchone()["text"]
    new = corrected_text(text, [row["text"] for row in rows], corrections)
    connection.execute("UPDATE found SET text = ? WHERE rowid = ?", (new, number))


# --- speakers ----------------------------------------------------------------------------------------------


def speakers(library: Library, session_id: str) -> dict[str, str]:
    """The names of the session's speakers by label, in order of appearance. Raises NoSessionError."""
    with library.connection() as connection:
        _require(connection, session_id)
        rows = connection.execute(
            """SELECT segments.speaker AS label, coalesce(speakers.name, segments.speaker) AS name
               FROM segments LEFT JOIN speakers
                 ON speakers.session_id = segments.session_id AND speakers.label = segments.speaker
               WHERE segments.session_id = ? AND segments.speaker IS NOT NULL
               GROUP BY segments.speaker ORDER BY min(segments.position)""",
            (session_id,),
        )
        return {row["label"]: row["name"] for row in rows}


def rename_speaker(library: Library, session_id: str, label: str, name: str) -> dict[str, str]:
    """Call a speaker by name from now on. Returns all names. Raises NoSessionError."""
    with library.writing() as connection:
        _require(connection, session_id)
        is_known = connection.execute(
            "SELECT 1 FROM segments WHERE session_id = ? AND speaker = ? LIMIT 1", (session_id, label)
        ).fetchone()
        if is_known is None:
            raise NoSessionError("there is no such speaker")
        connection.execute(
            """INSERT INTO speakers (session_id, label, name) VALUES (?, ?, ?)
               ON CONFLICT (session_id, label) DO UPDATE SET name = excluded.name""",
            (session_id, label, clean_name(name, label)),
        )
    return speakers(library, session_id)


def set_speaker(
    library: Library, session_id: str, first: int, last: int, name: str | None
) -> tuple[dict[str, str], str | None]:
    """Say who speaks in the segments ``first`` to ``last``; None for nobody known.

    A name that the session has already is that speaker. Returns all names, and the label of this one.
    Raises NoSessionError.
    """
    wanted = clean_name(name, "") if name is not None else ""
    known = speakers(library, session_id)
    label = next((label for label, other in known.items() if other == wanted), wanted) or None
    with library.writing() as connection:
        changed = connection.execute(
            """UPDATE segments SET speaker = ?, version = version + 1
               WHERE session_id = ? AND position BETWEEN ? AND ?""",
            (label, session_id, first, last),
        )
        if not changed.rowcount:
            raise NoSessionError("there is no such passage")
    return speakers(library, session_id), label


def _require(connection: sqlite3.Connection, session_id: str) -> None:
    if connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone() is None:
        raise NoSessionError(f"there is no session {session_id[:80]!r}")
