"""Versions of a manifest: which it is, which it was made of, and what was changed.

Beside ``train.jsonl`` lies ``train.version.json``. The id is a checksum of what the manifest
says, so one that was changed by hand is noticed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earshot.core.errors import ManifestError
from earshot.core.files import atomic_text
from earshot.corpora.formats import write_manifest
from earshot.corpora.formats.ours import as_row
from earshot.corpora.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Parent:
    """A version that another was made of. path: where it lay then."""

    id: str
    path: str


@dataclass(frozen=True, slots=True)
class Version:
    """id: 16 hexadecimal digits. change: what was done to the parents, one line. seconds: of all utterances.

    created: date and time, ISO 8601.
    """

    id: str
    change: str
    parents: tuple[Parent, ...] = ()
    num_utterances: int = 0
    seconds: float = 0.0
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def manifest_id(manifest: Manifest, path: Path) -> str:
    """The id of what a manifest at ``path`` says."""
    folder = path if path.is_dir() else path.parent
    digest = hashlib.sha256()
    for utterance in manifest:
        digest.update(json.dumps(as_row(utterance, folder), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def version_path(path: Path) -> Path:
    """Where the version of a manifest is told."""
    return path / "version.json" if path.is_dir() else path.with_name(f"{path.stem}.version.json")


def write_version(
    manifest: Manifest,
    path: Path,
    *,
    change: str,
    parents: Sequence[tuple[Manifest, Path]] = (),
    format_name: str | None = None,
) -> Version:
    """Write a manifest and what it was made of. parents: as they were read, and where they lie.

    Raises OutputError, ManifestError as ``write_manifest`` does.
    """
    ancestors = tuple(Parent(manifest_id(one, place), str(place)) for one, place in parents)
    write_manifest(manifest, path, format_name=format_name)
    seconds = math.fsum(one.duration or 0.0 for one in manifest)
    version = Version(manifest_id(manifest, path), change, ancestors, len(manifest), round(seconds, 3))
    with atomic_text(version_path(path)) as file:
        json.dump(asdict(version), file, ensure_ascii=False, indent=2)
        file.write("\n")
    return version


def read_version(path: Path) -> Version | None:
    """The version of a manifest as it was written, None where nothing tells. Raises ManifestError."""
    place = version_path(path)
    try:
        row: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        parents = tuple(Parent(str(one["id"]), str(one["path"])) for one in row["parents"])
        return Version(
            str(row["id"]), str(row["change"]), parents,
            int(row["num_utterances"]), float(row["seconds"]), str(row["created"]),
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ManifestError(
            f"{place} cannot be read: {error}", fix="delete it; only history is lost"
        ) from error


def is_as_written(manifest: Manifest, path: Path, version: Version) -> bool:
    """Whether the manifest still is what its version says."""
    return manifest_id(manifest, path) == version.id


def history(path: Path) -> list[tuple[str, Version]]:
    """The version at ``path`` and the ones it was made of, as far as they are told, newest first."""
    found: list[tuple[str, Version]] = []
    waiting, seen = [str(path)], set[str]()
    while waiting:
        place = waiting.pop(0)
        if place in seen or (version := read_version(Path(place))) is None:
            continue
        seen.add(place)
        found.append((place, version))
        waiting += [parent.path for parent in version.parents]
    return found


__all__ = [
    "Parent", "Version", "history", "is_as_written", "manifest_id", "read_version",
    "version_path", "write_version",
]  # fmt: skip
