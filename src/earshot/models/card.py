"""The card of a model: ``card.json`` beside the weights says what they are and the checksum of every file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from earshot.core.errors import ModelError
from earshot.core.files import atomic_text
from earshot.models.names import check_model_name, safe_parts

CARD = "card.json"
_FORMAT = 1
_MAX_CARD = 16 * 2**20  # bytes; a card with the checksums of 20 000 files takes 3 MB

Verified: TypeAlias = Literal["sha256", "md5", "first-use", "import"]
"""How we know that the files are the maker's: by a pinned SHA-256; by the maker's MD5; not at all, but they
have been the same since the first pull; not at all, the user brought them."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """size: bytes; sha256: 64 hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is.

    languages: ISO 639-1 codes, empty where unknown. sample_rate: Hz. licence: an SPDX name or the maker's
    words. source: the address it came from. metrics: figures with the data they were measured on. files:
    every file but the card, by its path with ``/``. extra: what else the card says (alphabet, features,
    training data); kept as it is.
    """

    name: str
    engine: str
    languages: tuple[str, ...] = ()
    sample_rate: int | None = None
    licence: str | None = None
    description: str | None = None
    source: str | None = None
    verified: Verified | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(record.size for record in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """What ``card.json`` holds; unknown fields are left out, and the same card gives the same bytes."""
        known: dict[str, Any] = {
            "format": _FORMAT,
            "name": self.name,
            "engine": self.engine,
            "languages": [*self.languages] or None,
            "sample_rate": self.sample_rate,
            "licence": self.licence,
            "description": self.description,
            "source": self.source,
            "verified": self.verified,
            "metrics": dict(self.metrics) or None,
            **self.extra,
            "size": self.size,
            "files": {
                path: {"size": self.files[path].size, "sha256": self.files[path].sha256}
                for path in sorted(self.files)
            },
        }
        return {key: value for key, value in known.items() if value is not None}


def write_card(folder: Path, card: ModelCard) -> None:
    """Write ``card.json`` into ``folder``, whole or not at all."""
    with atomic_text(folder / CARD) as file:
        json.dump(card.to_json(), file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_card(folder: Path) -> ModelCard:
    """The card in ``folder``. Raises ModelError when it is absent, or broken anywhere."""
    path = folder / CARD
    try:
        if path.stat().st_size > _MAX_CARD:
            raise ModelError(f"{path} is no model card: it has more than {_MAX_CARD // 2**20} MB")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no {CARD}") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} cannot be read: {error}") from error
    try:
        return _parse(data, default_name=folder.name)
    except ModelError as error:
        raise ModelError(f"{path} is broken: {error.message}") from None


def _parse(data: object, *, default_name: str) -> ModelCard:
    if not isinstance(data, dict):
        raise ModelError("it is no JSON object")
    rest = dict(data)
    if rest.pop("format", _FORMAT) != _FORMAT:
        raise ModelError(f"its format is {data['format']!r}, and this Earshot reads {_FORMAT}")
    rest.pop("size", None)
    languages = rest.pop("languages", None) or []
    if not isinstance(languages, list) or not all(isinstance(code, str) for code in languages):
        raise ModelError("'languages' is no list of codes")
    verified = rest.pop("verified", None)
    if verified not in (None, "sha256", "md5", "first-use", "import"):
        raise ModelError(f"'verified' is {verified!r}")
    engine = _text(rest, "engine")
    if not engine or not re.fullmatch(r"[\w.-]{1,60}", engine):
        raise ModelError("it names no engine")
    rate = rest.pop("sample_rate", None)
    if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or rate <= 0):
        raise ModelError(f"'sample_rate' is {rate!r}")
    metrics = rest.pop("metrics", None) or {}
    if not isinstance(metrics, dict):
        raise ModelError("'metrics' is no object")
    return ModelCard(
        name=check_model_name(_text(rest, "name") or default_name),
        engine=engine,
        languages=tuple(languages),
        sample_rate=rate,
        licence=_text(rest, "licence"),
        description=_text(rest, "description"),
        source=_text(rest, "source"),
        verified=verified,
        metrics=metrics,
        files=_files(rest.pop("files", None)),
        extra=rest,
    )


def _text(data: dict[str, Any], key: str) -> str | None:
    value = data.pop(key, None)
    if value is not None and not isinstance(value, str):
        raise ModelError(f"{key!r} is no text")
    return value


def _files(data: object) -> dict[str, FileRecord]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ModelError("'files' is no object")
    files: dict[str, FileRecord] = {}
    for path, record in data.items():
        match record:
            case {"size": int(size), "sha256": str(digest)} if size >= 0 and is_sha256(digest):
                files["/".join(safe_parts(path))] = FileRecord(size, digest.lower())
            case _:
                raise ModelError(f"the entry of {path!r} has no size and SHA-256")
    return files


def is_sha256(text: str) -> bool:
    """Whether ``text`` is 64 hexadecimal digits."""
    return len(text) == 64 and all(char in "0123456789abcdefABCDEF" for char in text)


def digest_file(path: Path) -> FileRecord:
    """Size and SHA-256 of a file, read once."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(file.tell(), digest)


def model_files(folder: Path) -> dict[str, Path]:
    """The regular files below ``folder`` but the card, by their path with ``/``; nothing that is hidden.

    Raises ModelError for a link or a device, which a model never holds.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or relative.as_posix() == CARD:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ModelError(f"{path} is no regular file", fix="replace it by the file itself")
        if path.is_file():
            files[relative.as_posix()] = path
    return files


def with_checksums(card: ModelCard, folder: Path) -> ModelCard:
    """The card with the size and SHA-256 of every file that is in ``folder`` now."""
    return replace(card, files={name: digest_file(path) for name, path in model_files(folder).items()})


def problems(card: ModelCard, folder: Path) -> tuple[str, ...]:
    """What differs between the card and the files, one line each; empty when all is well."""
    found: list[str] = []
    present = model_files(folder)
    for name, record in sorted(card.files.items()):
        path = present.pop(name, None)
        if path is None:
            found.append(f"{name} is missing")
        elif (size := path.stat().st_size) != record.size:
            found.append(f"{name} has {size} bytes instead of {record.size}")
        elif digest_file(path).sha256 != record.sha256:
            found.append(f"{name} has changed (its SHA-256 differs)")
    found += [f"{name} is not on the card" for name in sorted(present)]
    return tuple(found)
