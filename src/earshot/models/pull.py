"""What a pull does between the catalogue and the store: fetch each file and hold it to its checksum."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from earshot.core.errors import ModelError
from earshot.core.files import atomic_text
from earshot.core.progress import ProgressCallback
from earshot.models.archive import extract
from earshot.models.card import FileRecord, Verified, is_sha256
from earshot.models.catalogue import CatalogueEntry, RemoteFile
from earshot.models.download import RetryPolicy, download
from earshot.models.partial import Expected

_APPROXIMATE = 1.5
"""A download whose size is only known as "1.8G" may be this many times larger."""


def read_pins(path: Path) -> dict[str, FileRecord]:
    """What was seen on first use, by address. Raises ModelError for a broken file: better than to forget."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        pins = {url: FileRecord(int(pin["size"]), str(pin["sha256"])) for url, pin in data.items()}
        if not all(is_sha256(pin.sha256) for pin in pins.values()):
            raise ValueError("a checksum is no SHA-256")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", fix="delete it to trust anew") from error
    return pins


def write_pins(path: Path, pins: Mapping[str, FileRecord]) -> None:
    """The counterpart."""
    with atomic_text(path) as file:
        data = {url: {"size": pins[url].size, "sha256": pins[url].sha256} for url in sorted(pins)}
        json.dump(data, file, indent=2)
        file.write("\n")


def fetch(
    entry: CatalogueEntry,
    folder: Path,
    pins: Mapping[str, FileRecord],
    *,
    mirror: str | None,
    accept_unverified: bool,
    progress: ProgressCallback | None,
    retry: RetryPolicy | None,
) -> tuple[Verified, dict[str, FileRecord]]:
    """Download all files of an entry into ``folder``; returns how they were verified and what was seen.

    Raises ModelError when a file has neither a checksum nor a pin and ``accept_unverified`` is False.
    """
    wanted = [_pinned(file, pins) for file in entry.files]
    if not accept_unverified and not all(file.sha256 or file.md5 for file in wanted):
        raise ModelError(
            f"no checksum of {entry.name} is known, so nothing could tell if the right thing arrives",
            fix=f"earshot models pull --accept-unverified {entry.name} trusts it this once and pins what came",
        )
    done, seen = 0, {}
    for file in wanted:
        target = local_path(folder, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        seen[file.url] = download(
            entry.url_of(file, mirror),
            target,
            expected=_expected(entry, file),
            progress=_shifted(progress, done, entry),
            retry=retry,
        )
        done += seen[file.url].size
    return entry.checksum or "first-use", seen


def assemble(entry: CatalogueEntry, downloads: Path, folder: Path) -> Path:
    """Make the model's folder below ``folder`` (empty) from what was downloaded; returns it."""
    content = folder / "content"
    content.mkdir()
    if entry.is_archive:
        return extract(local_path(downloads, entry.files[0]), content)
    for file in entry.files:
        target = local_path(content, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not moved: if the installation fails, the next pull finds the downloads where they were.
            os.link(local_path(downloads, file), target)
        except OSError:
            local_path(downloads, file).rename(target)
    return content


def local_path(folder: Path, file: RemoteFile) -> Path:
    """Where a file of an entry lies below ``folder``."""
    return folder / (file.path or urlsplit(file.url).path.rsplit("/", 1)[-1] or "archive")


def _pinned(file: RemoteFile, pins: Mapping[str, FileRecord]) -> RemoteFile:
    pin = pins.get(file.url)
    return replace(file, sha256=pin.sha256, size=pin.size) if pin and not file.sha256 else file


def _expected(entry: CatalogueEntry, file: RemoteFile) -> Expected:
    limit = file.size if file.size is not None else int(entry.size * _APPROXIMATE) + 2**20
    return Expected(file.size, file.sha256, file.md5, max_size=limit)


def _shifted(progress: ProgressCallback | None, done: int, entry: CatalogueEntry) -> ProgressCallback | None:
    """Progress of one file as progress of the whole entry."""
    if progress is None:
        return None
    total = None if entry.size_is_approximate and len(entry.files) > 1 else entry.size

    def shifted(num_bytes: float, of_file: float | None) -> None:
        progress(done + num_bytes, of_file if len(entry.files) == 1 and of_file is not None else total)

    return shifted
