"""The voices that a user has made known: names and vectors in one SQLite file on this machine.

    memory = SpeakerMemory()
    memory.enrol("Anna", [enrolment])
    match = memory.identify(vector, encoder.name)      # None: a stranger

Every question opens the file anew, so whoever is forgotten is forgotten for a session that runs, too.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from earshot.core.errors import SpeakerError
from earshot.core.paths import data_home
from earshot.speakers.memory_rows import (
    MAX_NAME,
    Enrolment,
    Speaker,
    VoiceSpace,
    already_known,
    check_name,
    fold,
    insert_recording,
    insert_speaker,
    mean_voice,
    not_known,
    read_spaces,
    read_speakers,
    speaker_number,
)
from earshot.speakers.memory_schema import check_version, create_tables, is_empty
from earshot.speakers.types import Diarization, Vector

__all__ = [
    "MAX_NAME",
    "Enrolment",
    "Match",
    "Speaker",
    "SpeakerMemory",
    "VoiceSpace",
    "check_name",
    "fold",
    "mean_voice",
]

_PATIENCE = 10.0
"""Seconds that one process waits for another to finish a change."""


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
            return sorted(read_speakers(connection), key=lambda speaker: fold(speaker.name))

    def find(self, name: str) -> Speaker:
        """By name, whatever the case. Raises SpeakerError, naming the nearest, where there is none."""
        known = self.list()
        for speaker in known:
            if fold(speaker.name) == fold(name):
                return speaker
        raise not_known(name, known)

    def check_is_new(self, name: str) -> None:
        """Raises SpeakerError where somebody of that name is known already."""
        for speaker in self.list():
            if fold(speaker.name) == fold(name):
                raise already_known(speaker.name)

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
                raise already_known(name)
            if row is None and adds:
                raise not_known(name, read_speakers(connection))
            number = row[0] if row else insert_speaker(connection, name)
            for enrolment in enrolments:
                insert_recording(connection, number, enrolment)
        return self.find(name)

    def rename(self, name: str, new_name: str) -> Speaker:
        """Raises SpeakerError where there is no such speaker, or another has the new name."""
        new_name = check_name(new_name)
        with self._changing() as connection:
            number = speaker_number(connection, name)
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
            source, target = speaker_number(connection, name), speaker_number(connection, into)
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
            connection.execute("DELETE FROM speakers WHERE id = ?", [speaker_number(connection, name)])

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
            known = read_speakers(connection)
            spaces = read_spaces(connection)
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
