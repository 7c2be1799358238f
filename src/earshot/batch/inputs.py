"""What is to be transcribed: a folder, a glob, a manifest, a table, one recording, here or at an address.

Recordings come one by one: a million of them take no more memory than one folder's names.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from earshot.audio.decode import RECORDING_SUFFIXES
from earshot.batch.storage import address_error, is_remote, open_filesystem
from earshot.core.errors import AudioError
from earshot.core.optional import require

MANIFESTS = (".txt", ".lst", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_COLUMNS = ("audio", "path", "file", "filename", "file_name", "audio_filepath", "url", "uri", "address")
_LONGEST_NAME = 200  # bytes of one part of a path; the suffix of a format and 55 more may follow

_LINEAR = (".wav", ".wave", ".aif", ".aiff", ".aifc", ".caf", ".w64", ".au", ".snd", ".flac")
_LINEAR_RATE, _CODED_RATE = 32_000.0, 3_000.0


@dataclass(frozen=True, slots=True)
class InputFile:
    """One recording. address: a path or URL. name: of its results, relative, with its suffix, unique by
    address.

    size: bytes, None when unknown. stamp: what changes when the recording does, for equality alone: no clock is
    read from it.
    """

    address: str
    name: str
    size: int | None = None
    stamp: str = ""

    @property
    def estimate(self) -> float:
        """About how many seconds it lasts, by its size; rather too many than too few."""
        rate = _LINEAR_RATE if self.address.lower().endswith(_LINEAR) else _CODED_RATE
        return (self.size or 30 * rate) / rate


def list_inputs(given: str) -> Iterator[InputFile]:
    """The recordings that ``given`` stands for.

    Raises AudioError when it is not there or cannot be read, FormatError-like AudioErrors for a bad manifest.
    """
    if is_remote(given):
        yield from _remote(given)
        return
    path = Path(given.removeprefix("file://")).absolute()
    if path.is_dir():
        yield from _walk(path)
    elif path.suffix.lower() in MANIFESTS and path.is_file():
        yield from _named(_manifest(path.suffix.lower(), path), str(path.parent))
    elif path.exists():
        yield _local(path, path.name)
    elif glob.has_magic(str(path)):
        yield from _globbed(path)
    else:
        raise AudioError(
            f"there is no {given}", fix="give a folder, a glob in quotes, a manifest, a table or an address"
        )


def input_stamp(address: str) -> tuple[int | None, str]:
    """Size and stamp of a recording as it is now. Raises OSError, or what fsspec's library raises."""
    if is_remote(address):
        files, path = open_filesystem(address)
        files.invalidate_cache()
        return _remote_stamp(files.info(path))
    status = os.stat(address)  # noqa: PTH116 - an address may hold bytes that are no UTF-8
    return status.st_size, f"{status.st_mtime_ns}:{status.st_ino}"


def input_root(given: str) -> str | None:
    """The local folder or file that all machines must see, None for addresses and globs."""
    if is_remote(given):
        return None
    path = Path(given.removeprefix("file://")).absolute()
    return str(path) if path.exists() else None


def _local(path: Path | str, name: str) -> InputFile:
    address = os.fspath(path)
    try:
        size, stamp = input_stamp(address)
    except OSError:
        size, stamp = None, ""  # opening it will tell what is wrong
    return InputFile(address, safe_name(name), size, stamp)


def _walk(root: Path) -> Iterator[InputFile]:
    """Depth first; names within a folder in order, links to folders not followed, hidden ones left out."""
    try:
        with os.scandir(root):
            pass
    except OSError as error:
        raise AudioError(
            f"cannot look into the folder {root}: {error.strerror}", fix="check the path"
        ) from error
    base = os.fspath(root)
    for folder, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in RECORDING_SUFFIXES:  # noqa: PTH122
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of a million costs seconds
                yield _local(path, os.path.relpath(path, base))


def _globbed(pattern: Path) -> Iterator[InputFile]:
    text = str(pattern)
    fixed = re.split(r"[*?\[]", text, maxsplit=1)[0]
    base = fixed.rsplit("/", 1)[0] or "/"
    for found in glob.iglob(text, recursive=True):  # noqa: PTH207 - takes patterns that begin with a folder
        if Path(found).is_file() and not found.lower().endswith(MANIFESTS):
            yield _local(found, os.path.relpath(found, base))


def _remote(given: str) -> Iterator[InputFile]:
    files, path = open_filesystem(given)
    scheme = given.split("://", 1)[0]

    def found(entry: dict[str, Any], base: str) -> InputFile:
        name = entry["name"]
        address = name if "://" in name else f"{scheme}://{name}"
        relative = name.removeprefix(base).lstrip("/") or name.rsplit("/", 1)[-1]
        return InputFile(address, safe_name(relative), *_remote_stamp(entry))

    try:
        suffix = PurePath(path).suffix.lower()
        if suffix in MANIFESTS:
            with files.open(path, "rb") as stream:
                yield from _named(_manifest_entries(suffix, stream, given), given.rsplit("/", 1)[0])
        elif glob.has_magic(path):
            base = re.split(r"[*?\[]", path, maxsplit=1)[0].rsplit("/", 1)[0]
            for entry in files.glob(path, detail=True).values():
                if entry["type"] == "file":
                    yield found(entry, base)
        elif suffix in RECORDING_SUFFIXES or scheme in ("http", "https"):
            yield InputFile(given, safe_name(path.rsplit("/", 1)[-1]), *_remote_stamp(files.info(path)))
        else:
            if not files.exists(path):
                raise AudioError(f"there is no {given}", fix="check the address")
            for _, _, entries in files.walk(path, detail=True):
                for name, entry in sorted(entries.items()):
                    if PurePath(name).suffix.lower() in RECORDING_SUFFIXES and not name.startswith("."):
                        yield found(entry, path)
    except AudioError:
        raise
    except Exception as error:
        reason = address_error(f"read {given}", error)
        raise AudioError(reason.message, fix=reason.fix) from error


def _remote_stamp(entry: dict[str, Any]) -> tuple[int | None, str]:
    """What object stores and servers tell of a version: the entity tag, else the time of the last change."""
    for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated"):
        if entry.get(key):
            return entry.get("size"), f"{key}:{entry[key]}"
    return entry.get("size"), ""


# --- manifests and tables ----------------------------------------------------------------------------------


def _named(entries: Iterator[str], base: str) -> Iterator[InputFile]:
    """The recordings that a manifest in the folder ``base`` names."""
    for entry in entries:
        if is_remote(entry):
            yield InputFile(entry, safe_name(_shown(entry, base)))
        elif is_remote(base):
            address = f"{base}/{entry.lstrip('/')}"
            yield InputFile(address, safe_name(entry))
        else:
            path = os.path.normpath(os.path.join(base, entry))  # noqa: PTH118 - resolves no links
            yield _local(path, _shown(path, base))


def _shown(path: str, base: str) -> str:
    """Relative to the manifest where it lies below it, else as a whole."""
    return path[len(base) + 1 :] if path.startswith(base + "/") else path.replace("://", "/")


def _manifest(suffix: str, path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            yield from _manifest_entries(suffix, stream, str(path))
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}", fix="check the path") from error


def _manifest_entries(suffix: str, stream: Any, name: str) -> Iterator[str]:
    if suffix == ".parquet":
        yield from _table_entries(stream, name)
    elif suffix in (".jsonl", ".ndjson"):
        yield from _json_entries(stream, name)
    elif suffix in (".csv", ".tsv"):
        yield from _csv_entries(stream, name, "," if suffix == ".csv" else "\t")
    else:
        for line in stream:
            entry = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            if entry.strip() and not entry.startswith("#"):
                yield entry


def _json_entries(stream: Any, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise AudioError(f"{name}, line {number}: no JSON", fix="write one JSON object a line") from error
        if isinstance(row, str):
            row = {"audio": row}
        value = next((row[key] for key in _COLUMNS if row.get(key)), None) if isinstance(row, dict) else None
        if not isinstance(value, str):
            raise AudioError(
                f"{name}, line {number}: names no recording",
                fix=f"give it one of the keys {', '.join(_COLUMNS)}",
            )
        yield value


def _csv_entries(stream: Any, name: str, delimiter: str) -> Iterator[str]:
    import csv
    import io

    text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
    try:
        rows = csv.DictReader(text, delimiter=delimiter)
        column = _column(rows.fieldnames or (), name)
        for row in rows:
            if row[column]:
                yield row[column]
    except csv.Error as error:
        raise AudioError(f"{name} is no table: {error}", fix="write it again") from error
    finally:
        text.detach()  # the stream is its owner's to close


def _table_entries(stream: Any, name: str) -> Iterator[str]:
    parquet = require("pyarrow.parquet", extra="batch", purpose="reading a Parquet table")
    arrow = require("pyarrow", extra="batch", purpose="reading a Parquet table")
    try:
        table = parquet.ParquetFile(stream)
        column = _column(table.schema_arrow.names, name)
        for batch in table.iter_batches(columns=[column]):
            yield from (value for value in batch.column(0).to_pylist() if value)
    except arrow.ArrowException as error:
        raise AudioError(f"{name} is no Parquet table: {error}", fix="write it again") from error


def _column(names: Any, table: str) -> str:
    found = next((name for key in _COLUMNS for name in names if name.lower() == key), None)
    if found is None:
        raise AudioError(
            f"{table} has no column of recordings", fix=f"name the column one of {', '.join(_COLUMNS)}"
        )
    return str(found)


# --- names -------------------------------------------------------------------------------------------------


def safe_name(name: str) -> str:
    """A relative name that stays below its folder: no ``..``, no absolute path, no part that is too long."""
    parts = [part for part in name.replace("\0", "").split("/") if part not in ("", ".", "..")]
    return "/".join(_short(f"_{part}" if part.startswith(".") else part) for part in parts) or "recording"


def _short(part: str) -> str:
    data = part.encode("utf-8", "surrogateescape")
    if len(data) <= _LONGEST_NAME:
        return part
    digest = hashlib.sha256(data).hexdigest()[:12]
    return data[: _LONGEST_NAME - 13].decode("utf-8", "ignore") + "-" + digest


def shown_name(name: str) -> str:
    r"""A name for people and tables: one line of UTF-8, other bytes and controls written as ``\xe9``,
    ``\n``.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
