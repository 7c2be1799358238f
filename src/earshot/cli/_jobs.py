"""What to transcribe and under which name: files, folders and standard input, no two results alike.

Also the record of what is done, which lets ``--resume`` tell a finished result from one that came from
another recording, other options, or a recording that has changed since.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from earshot.audio.decode import find_recordings, open_audio
from earshot.core.errors import AudioError, EarshotError

STDIN = "-"
LEDGER = ".earshot-done.jsonl"


@dataclass(frozen=True, slots=True)
class Job:
    """One recording. source: None for standard input. name: of its results, relative and without a suffix.

    label: the input as the user knows it. size: bytes, 0 when unknown.
    """

    source: Path | None
    name: PurePath
    label: str
    size: int = 0


def plan_jobs(inputs: Sequence[str]) -> tuple[list[Job], list[EarshotError]]:
    """The recordings that ``inputs`` name, each once, and what is wrong with the other inputs.

    A folder stands for all recordings below it; its sub-folders return in the names of the results.
    """
    jobs: list[Job] = []
    errors: list[EarshotError] = []
    seen: set[Path | None] = set()
    names = _Names()
    for given in inputs:
        try:
            found = _recordings(given)
        except EarshotError as error:
            errors.append(error)
            continue
        for source, place in found:
            key = source.resolve() if source else None
            if key not in seen:
                seen.add(key)
                jobs.append(Job(source, names.take(place), str(source or "standard input"), _size(source)))
    return jobs, errors


def _recordings(given: str) -> list[tuple[Path | None, PurePath]]:
    """Each recording of one input and its place below the output folder, with its suffix."""
    if given == STDIN:
        return [(None, PurePath("stdin"))]
    path = Path(given)
    if _is_folder(path):
        found = find_recordings(path)
        if not found:
            raise AudioError(f"the folder {path} holds no recordings", fix="name a folder with audio or video")
        return [(source, source.relative_to(path)) for source in found]
    return [(path, PurePath(path.name))]


def _is_folder(path: Path) -> bool:
    """Raises AudioError, before any model is loaded, where there is nothing at all."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        open_audio(path).close()  # it knows best what to say
        raise AudioError(f"{path} cannot be opened: {error}", fix="check the path") from error


def _size(source: Path | None) -> int:
    try:
        return source.stat().st_size if source else 0
    except OSError:
        return 0  # opening it will tell what is wrong


class _Names:
    """Gives each recording a name of its own: ``talk``, then ``talk.mp3``, then ``talk-2`` and so on."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, place: PurePath) -> PurePath:
        short = place.with_suffix("") if place.stem else place
        candidates = [short, place]
        number = 2
        for name in candidates:
            if (key := str(name).casefold()) not in self._taken:  # two of one name where case does not count
                self._taken.add(key)
                return name
            candidates.append(short.with_name(f"{short.name}-{number}"))
            number += 1
        raise AssertionError("there is always a next number")


class Ledger:
    """The file LEDGER in the output folder: a line of JSON for each finished result.

    A line that is damaged counts as absent: its recording is done again. Lines of two processes do not mix,
    as each is one short append.
    """

    def __init__(self, folder: Path, settings: object) -> None:
        self._path = folder / LEDGER
        self._settings = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        self._entries = _read_ledger(self._path)

    def is_done(self, job: Job, outputs: Sequence[Path]) -> bool:
        """Whether all these results exist and came from this very recording with these settings."""
        made_from = self.fingerprint(job)
        return made_from is not None and all(
            path.is_file() and self._entries.get(self._key(path)) == made_from for path in outputs
        )

    def record(self, outputs: Sequence[Path], made_from: dict[str, Any] | None) -> None:
        """Note that these results are whole. Failing to is no error: the recording would be done again.

        made_from: the fingerprint taken before the recording was read, as it may change meanwhile.
        """
        if made_from is None:
            return
        lines = [json.dumps({"output": self._key(path), **made_from}) + "\n" for path in outputs]
        with contextlib.suppress(OSError), self._path.open("ab") as file:
            file.write("".join(lines).encode())

    def _key(self, path: Path) -> str:
        return path.relative_to(self._path.parent).as_posix()

    def fingerprint(self, job: Job) -> dict[str, Any] | None:
        """What a result depends on; None for standard input, which nobody can have again."""
        if job.source is None:
            return None
        try:
            status = job.source.stat()
        except OSError:
            return None
        return {
            "source": os.fspath(job.source.resolve()),
            "bytes": status.st_size,
            "modified_ns": status.st_mtime_ns,
            "settings": self._settings,
        }


def _read_ledger(path: Path) -> dict[str, dict[str, Any]]:
    """What each result was made from; of several lines the last one tells what the file holds."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    entries = {}
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            entry = json.loads(line)
            entries[str(entry.pop("output"))] = entry
    return entries
