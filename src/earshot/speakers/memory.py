"""The voices that a user has made known: names and vectors in one SQLite file on this machine.

    memory = SpeakerMemory()
    memory.enrol("Anna", [enrolment])
    match = memory.identify(vector, encoder.name)      # None: a stranger

Every question opens the file anew, so whoever is forgotten is forgotten for a session that runs, too.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sqlite3
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np

from earshot.core.errors import SpeakerError
from earshot.core.paths import data_home
from earshot.speakers.memory_schema import check_version, create_tables, is_empty
from earshot.speakers.types import Diarization, Vector
from earshot.text.clean import clean_text

MAX_NAME = 80

_PATIENCE = 10.0
"""Seconds that one process waits for another to finish a change."""

_MAX_DIM = 65_536


@dataclass(frozen=True, slots=True)
class VoiceSpace:
    """What vectors are of. name: the encoder's. threshold: cosine above which two clips are one voice."""

    name: str
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """One recording of a voice, described. seconds: of speech. clip: FLAC, None where sound is not kept."""

    source: str
    seconds: float
    vectors: Mapping[VoiceSpace, Vector]
    clip: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Speaker:
    """Somebody known. seconds: of speech in all recordings. vectors: the mean voice for each encoder's name."""

    name: str
    created: str
    num_recordings: int = 0
    seconds: float = 0.0
    num_clips: int = 0
    vectors: Mapping[str, Vector] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Match:
    """Whose voice it is. similarity: cosine with the mean voice; threshold: what it had to reach."""

    name: str
    similarity: float
    threshold: float


class SpeakerMemory:
    """The memory in the file ``path`` (None: ``EARSHOT_HOME/speakers.sqlite``).

    Nothing is created before somebody is enrolled. Several programs may use one memory at once. Methods raise
    SpeakerError where the file is damaged, of another version or locked for long.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or data_home() / "speakers.sqlite"

    def list(self) -> list[Speaker]:
        """All, by name."""
        with self._reading() as connection:
            if connection is None:
                return []
            return sorted(_speakers(connection), key=lambda speaker: fold(speaker.name))

    def find(self, name: str) -> Speaker:
        """By name, whatever the case. Raises SpeakerError, naming the nearest, where there is none."""
        known = self.list()
        for speaker in known:
            if fold(speaker.name) == fold(name):
                return speaker
        raise _unknown(name, known)

    def check_is_new(self, name: str) -> None:
        """Raises SpeakerError where somebody of that name is known already."""
        for speaker in self.list():
            if fold(speaker.name) == fold(name):
                raise _exists(speaker.name)

    def enrol(self, name: str, enrolments: Sequence[Enrolment], *, adds: bool = False) -> Speaker:
        """Make a voice known. adds: to somebody who is known already.

        Raises SpeakerError for a name that is none, that exists (without ``adds``) or does not (with it), and
        for vectors of other lengths than the encoder's before.
        """
        name = check_name(name)
        if not enrolments:
            raise ValueError("a voice is enrolled from at least one recording")
        with self._changing() as connection:
            row = connection.execute("SELECT id FROM speakers WHERE folded = ?", [fold(name)]).fetchone()
            if row is not None and not adds:
                raise _exists(name)
            if row is None and adds:
                raise _unknown(name, _speakers(connection))
            number = row[0] if row else _insert_speaker(connection, name)
            for enrolment in enrolments:
                _insert_recording(connection, number, enrolment)
        return self.find(name)

    def rename(self, name: str, new_name: str) -> Speaker:
        """Raises SpeakerError where there is no such speaker, or another has the new name."""
        new_name = check_name(new_name)
        with self._changing() as connection:
            number = _number(connection, name)
            other = connection.execute("SELECT id FROM speakers WHERE folded = ?", [fold(new_name)]).fetchone()
            if other is not None and other[0] != number:
                raise SpeakerError(
                    f"there is a speaker {new_name!r} already",
                    fix=f"'earshot speakers merge' makes one of two; or choose another name than {new_name!r}",
                )
            connection.execute(
                "UPDATE speakers SET name = ?, folded = ? WHERE id = ?", [new_name, fold(new_name), number]
            )
        return self.find(new_name)

    def merge(self, name: str, into: str) -> Speaker:
        """What is known of ``name`` belongs to ``into`` from now on, and ``name`` is no more.

        Raises SpeakerError where one of them is not known, or both are the same.
        """
        with self._changing() as connection:
            source, target = _number(connection, name), _number(connection, into)
            if source == target:
                raise SpeakerError(f"{name!r} and {into!r} are the same speaker", fix="name two speakers")
            connection.execute("UPDATE recordings SET speaker_id = ? WHERE speaker_id = ?", [target, source])
            connection.execute("DELETE FROM speakers WHERE id = ?", [source])
        return self.find(into)

    def forget(self, name: str) -> None:
        """Remove a speaker, vectors and clips; their bytes in the file are overwritten.

        Raises SpeakerError where there is none.
        """
        with self._changing() as connection:
            connection.execute("DELETE FROM speakers WHERE id = ?", [_number(connection, name)])

    def identify(self, vector: Vector, encoder: str, *, threshold: float | None = None) -> Match | None:
        """Who that is; None for a stranger.

        vector: of the encoder of that name. threshold: cosine, None for the encoder's own.
        """
        matches = self.ranking(vector, encoder, threshold=threshold)
        return matches[0] if matches and matches[0].similarity >= matches[0].threshold else None

    def ranking(self, vector: Vector, encoder: str, *, threshold: float | None = None) -> Sequence[Match]:
        """Everybody known to that encoder, the most similar first; the first may still be a stranger."""
        with self._reading() as connection:
            if connection is None:
                return []
            known = _speakers(connection)
            spaces = _spaces(connection)
        limit = threshold if threshold is not None else spaces.get(encoder, 1.0)
        matches = [
            Match(speaker.name, float(speaker.vectors[encoder] @ vector), limit)
            for speaker in known
            if encoder in speaker.vectors and speaker.vectors[encoder].shape == vector.shape
        ]
        return sorted(matches, key=lambda match: (-match.similarity, match.name))

    def known_vectors(self, encoder: str) -> dict[str, Vector]:
        """The mean voice of everybody whom that encoder knows, by name."""
        return {speaker.name: speaker.vectors[encoder] for speaker in self.list() if encoder in speaker.vectors}

    def name_speakers(self, diarization: Diarization, *, threshold: float | None = None) -> dict[str, str]:
        """The names of those labels whose voices are known; strangers are left out.

        A name goes to the label that fits best. A second label gets it as well only where both labels sound
        like one voice to each other, too: then one speaker was taken for two.
        """
        pairs = sorted(
            (
                (match, label)
                for label, vector in diarization.vectors.items()
                if (match := self.identify(vector, diarization.encoder, threshold=threshold)) is not None
            ),
            key=lambda pair: -pair[0].similarity,
        )
        named: dict[str, str] = {}
        first: dict[str, str] = {}
        for match, label in pairs:
            best = first.setdefault(match.name, label)
            likeness = float(diarization.vectors[best] @ diarization.vectors[label])
            if label == best or likeness >= match.threshold:
                named[label] = match.name
        return named

    def unknown_to(self, encoder: str) -> Sequence[str]:
        """Names of those who were enrolled with other encoders only, and so are strangers to this one."""
        return [speaker.name for speaker in self.list() if encoder not in speaker.vectors]

    # --- the file ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """None where nobody was ever enrolled."""
        if not self.path.exists() or not self.path.stat().st_size:
            yield None
            return
        with self._translated(), self._opened("ro") as connection:
            if is_empty(connection):
                yield None
                return
            check_version(connection, self.path)
            connection.execute("BEGIN")
            yield connection

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is whole or not at all."""
        self._make()
        with self._translated(), self._opened("rw") as connection:
            if is_empty(connection):
                create_tables(connection)
            check_version(connection, self.path)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _make(self) -> None:
        """The file, readable by its owner alone: voices are private."""
        from earshot.core.files import output_error

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise output_error(self.path, error) from error

    @contextlib.contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None
        )
        try:
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """What SQLite complains of, as an error of ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise SpeakerError(f"{self.path} is in use by another program", fix="try again") from error
            raise SpeakerError(f"{self.path} cannot be used: {error}", fix="check the file") from error
        except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            if isinstance(error, SpeakerError):
                raise
            raise SpeakerError(
                f"{self.path} is damaged", fix="move it away and enrol the voices again"
            ) from error


def check_name(name: str) -> str:
    """The name as it is kept. Raises SpeakerError when it is empty or too long."""
    cleaned = unicodedata.normalize("NFC", clean_text(name))
    if not cleaned:
        raise SpeakerError("a speaker needs a name", fix="name one, such as Anna")
    if len(cleaned) > MAX_NAME:
        raise SpeakerError(f"a name of {len(cleaned)} characters is too long", fix=f"use at most {MAX_NAME}")
    return cleaned


def fold(name: str) -> str:
    """What two spellings of a name have in common."""
    return unicodedata.normalize("NFC", clean_text(name)).casefold()


def mean_voice(vectors: Sequence[Vector], weights: Sequence[float]) -> Vector:
    """Of unit length: (n,) times (dim,) → (dim,)."""
    total = np.average(np.stack(vectors).astype(np.float64), axis=0, weights=weights)
    length = float(np.linalg.norm(total))
    mean: Vector = (total / length if length > 1e-9 else vectors[0]).astype(np.float32)
    return mean


def _exists(name: str) -> SpeakerError:
    return SpeakerError(
        f"there is a speaker {name!r} already",
        fix="--more adds recordings; or choose another name, or forget the old one first",
    )


def _unknown(name: str, known: Sequence[Speaker]) -> SpeakerError:
    names = {fold(speaker.name): speaker.name for speaker in known}
    close = difflib.get_close_matches(fold(name), list(names), n=1)
    hint = f"did you mean {names[close[0]]!r}?" if close else "see 'earshot speakers list'"
    if not known:
        hint = "nobody is enrolled yet"
    return SpeakerError(f"there is no speaker {clean_text(name)!r}", fix=hint)


def _number(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT id FROM speakers WHERE folded = ?", [fold(name)]).fetchone()
    if row is None:
        raise _unknown(name, _speakers(connection))
    return int(row[0])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _insert_speaker(connection: sqlite3.Connection, name: str) -> int:
    cursor = connection.execute(
        "INSERT INTO speakers (name, folded, created) VALUES (?, ?, ?)", [name, fold(name), _now()]
    )
    return int(cursor.lastrowid or 0)


def _insert_recording(connection: sqlite3.Connection, speaker: int, enrolment: Enrolment) -> None:
    cursor = connection.execute(
        "INSERT INTO recordings (speaker_id, source, seconds, created, clip) VALUES (?, ?, ?, ?, ?)",
        [speaker, clean_text(enrolment.source)[:200], enrolment.seconds, _now(), enrolment.clip],
    )
    for space, vector in enrolment.vectors.items():
        _check_space(connection, space, vector)
        connection.execute(
            "INSERT INTO vectors (recording_id, encoder, vector) VALUES (?, ?, ?)",
            [cursor.lastrowid, space.name, vector.astype("<f4").tobytes()],
        )


def _check_space(connection: sqlite3.Connection, space: VoiceSpace, vector: Vector) -> None:
    if vector.ndim != 1 or not 0 < len(vector) <= _MAX_DIM or not np.isfinite(vector).all():
        raise SpeakerError("the encoder gave no voice", fix="give other recordings")
    connection.execute(
        "INSERT INTO encoders (name, dim, threshold) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET threshold = excluded.threshold",
        [space.name, len(vector), space.threshold],
    )
    (dim,) = connection.execute("SELECT dim FROM encoders WHERE name = ?", [space.name]).fetchone()
    if dim != len(vector):
        raise SpeakerError(
            f"the encoder {space.name} gave {len(vector)} numbers where it gave {dim} before",
            fix="forget all speakers and enrol them again",
        )


def _spaces(connection: sqlite3.Connection) -> dict[str, float]:
    return dict(connection.execute("SELECT name, threshold FROM encoders").fetchall())


def _speakers(connection: sqlite3.Connection) -> list[Speaker]:
    vectors: dict[int, dict[str, list[tuple[Vector, float]]]] = {}
    rows = connection.execute(
        "SELECT speaker_id, encoder, vector, seconds, dim FROM vectors"
        " JOIN recordings ON recordings.id = recording_id JOIN encoders ON encoders.name = encoder"
    )
    for speaker, encoder, data, seconds, dim in rows:
        vector = np.frombuffer(data, "<f4").astype(np.float32)
        if len(vector) != dim or not np.isfinite(vector).all():
            raise ValueError("no vector")
        vectors.setdefault(speaker, {}).setdefault(encoder, []).append((vector, max(float(seconds), 0.1)))
    rows = connection.execute(
        "SELECT speakers.id, name, speakers.created, count(recordings.id), coalesce(sum(seconds), 0),"
        " count(clip) FROM speakers LEFT JOIN recordings ON speaker_id = speakers.id GROUP BY speakers.id"
    )
    return [
        Speaker(
            name,
            created,
            num_recordings,
            float(seconds),
            num_clips,
            MappingProxyType(
                {
                    encoder: mean_voice(*zip(*pairs, strict=True))
                    for encoder, pairs in vectors.get(number, {}).items()
                }
            ),
        )
        for number, name, created, num_recordings, seconds, num_clips in rows.fetchall()
    ]
