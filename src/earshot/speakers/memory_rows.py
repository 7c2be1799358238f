"""Rows of the speaker memory, read and written; every function runs in the transaction of its caller."""

from __future__ import annotations

import difflib
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np

from earshot.core.errors import SpeakerError
from earshot.speakers.types import Vector
from earshot.text.clean import clean_text

MAX_NAME = 80

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


def already_known(name: str) -> SpeakerError:
    """What there is to say when a name is taken."""
    return SpeakerError(
        f"there is a speaker {name!r} already",
        fix="--more adds recordings; or choose another name, or forget the old one first",
    )


def not_known(name: str, known: Sequence[Speaker]) -> SpeakerError:
    """What there is to say when a name is not known, with the nearest one."""
    names = {fold(speaker.name): speaker.name for speaker in known}
    close = difflib.get_close_matches(fold(name), list(names), n=1)
    hint = f"did you mean {names[close[0]]!r}?" if close else "see 'earshot speakers list'"
    if not known:
        hint = "nobody is enrolled yet"
    return SpeakerError(f"there is no speaker {clean_text(name)!r}", fix=hint)


def speaker_number(connection: sqlite3.Connection, name: str) -> int:
    """The row of a speaker. Raises SpeakerError where there is none."""
    row = connection.execute("SELECT id FROM speakers WHERE folded = ?", [fold(name)]).fetchone()
    if row is None:
        raise not_known(name, read_speakers(connection))
    return int(row[0])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def insert_speaker(connection: sqlite3.Connection, name: str) -> int:
    """A new row; returns its number."""
    cursor = connection.execute(
        "INSERT INTO speakers (name, folded, created) VALUES (?, ?, ?)", [name, fold(name), _now()]
    )
    return int(cursor.lastrowid or 0)


def insert_recording(connection: sqlite3.Connection, speaker: int, enrolment: Enrolment) -> None:
    """A recording and its vectors. Raises SpeakerError for vectors that are none, or of another length."""
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


def read_spaces(connection: sqlite3.Connection) -> dict[str, float]:
    """The threshold of each encoder."""
    return dict(connection.execute("SELECT name, threshold FROM encoders").fetchall())


def read_speakers(connection: sqlite3.Connection) -> list[Speaker]:
    """Everybody, with the mean voice for each encoder. Raises ValueError where the file is damaged."""
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
