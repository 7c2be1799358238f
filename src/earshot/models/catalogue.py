"""The catalogue: the models that can be pulled, ours in ``catalogue.toml`` and the user's merged over it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from earshot.core.errors import ModelError, UnknownModelError, nearest
from earshot.core.paths import data_home
from earshot.models.card import is_sha256
from earshot.models.names import check_model_name, safe_parts

_ENTRY_KEYS = {
    "name", "aliases", "engine", "languages", "licence", "size", "size_is_approximate", "description", "page",
    "url", "sha256", "md5", "base", "files",
}  # fmt: skip
_FILE_KEYS = {"path", "size", "sha256", "md5"}


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to download. path: where it goes in the model, None for an archive to unpack.

    size: exact bytes where known. sha256, md5: hexadecimal, where known.
    """

    url: str
    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model that can be pulled. size: bytes to download, exact unless ``size_is_approximate``."""

    name: str
    engine: str
    size: int
    files: tuple[RemoteFile, ...]
    languages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    licence: str | None = None
    description: str | None = None
    page: str | None = None
    size_is_approximate: bool = False

    @property
    def is_archive(self) -> bool:
        """Whether it is one archive, not several files."""
        return self.files[0].path is None

    @property
    def checksum(self) -> Literal["sha256", "md5"] | None:
        """The weakest check over all files: "sha256", "md5", or None when some file has neither."""
        if all(file.sha256 for file in self.files):
            return "sha256"
        return "md5" if all(file.sha256 or file.md5 for file in self.files) else None

    def url_of(self, file: RemoteFile, mirror: str | None) -> str:
        """Where to get a file: its own address, or ``MIRROR/archive`` and ``MIRROR/NAME/path``."""
        if mirror is None:
            return file.url
        if file.path is None:
            return f"{mirror.rstrip('/')}/{urlsplit(file.url).path.rsplit('/', 1)[-1]}"
        return f"{mirror.rstrip('/')}/{self.name}/{quote(file.path)}"


class Catalogue:
    """Entries by name. Raises ModelError on broken entries, naming the file and the entry."""

    def __init__(self, entries: Iterable[CatalogueEntry]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._aliases = {
            alias.lower(): name for name, entry in self._entries.items() for alias in (*entry.aliases, name)
        }

    @classmethod
    def load(cls, user_file: Path | None = None) -> Catalogue:
        """The built-in catalogue, with ``user_file`` (else ``$EARSHOT_HOME/catalogue.toml``) over it."""
        built_in = package_files("earshot.models").joinpath("catalogue.toml").read_text(encoding="utf-8")
        entries = _parse(built_in, "the built-in catalogue")
        user_file = user_file or data_home() / "catalogue.toml"
        try:
            text = user_file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return cls(entries)
        except (OSError, UnicodeError) as error:
            raise ModelError(f"{user_file} cannot be read: {error}") from error
        return cls([*entries, *_parse(text, str(user_file))])

    @property
    def entries(self) -> tuple[CatalogueEntry, ...]:
        """All of them, by engine and name."""
        return tuple(sorted(self._entries.values(), key=lambda entry: (entry.engine, entry.name)))

    def match(self, name: str) -> CatalogueEntry | None:
        """The entry of that name or alias, upper and lower case alike; None when there is none."""
        return self._entries.get(name) or self._entries.get(self._aliases.get(name.lower(), ""))

    def find(self, name: str, *, also: Iterable[str] = ()) -> CatalogueEntry:
        """The same, but raises UnknownModelError with the nearest name (of these and of ``also``)."""
        if entry := self.match(name):
            return entry
        hint = nearest(name, [*self._entries, *self._aliases, *also])
        if not hint.startswith("did you mean"):
            hint = "see them all with: earshot models list"
        raise UnknownModelError(f"there is no model {name[:80]!r}", fix=hint)


def _parse(text: str, where: str) -> list[CatalogueEntry]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{where} is no valid TOML: {error}", fix="correct that line") from error
    _refuse_unknown(data, {"format", "model", "language_sets"}, where)
    if data.get("format", 1) != 1:
        raise ModelError(f"{where} has the format {data['format']!r}, and this Earshot reads 1")
    sets, models = data.get("language_sets", {}), data.get("model", [])
    if not isinstance(models, list) or not all(isinstance(item, dict) for item in models):
        raise ModelError(f"{where}: models are written as [[model]] tables")
    if not isinstance(sets, dict):
        raise ModelError(f"{where}: [language_sets] is no table")
    return [_entry(item, sets, f"{where}, model {item.get('name', '?')!r}") for item in models]


def _entry(data: dict[str, Any], sets: dict[str, Any], where: str) -> CatalogueEntry:
    _refuse_unknown(data, _ENTRY_KEYS, where)
    languages = data.get("languages", [])
    if isinstance(languages, str):
        if languages not in sets:
            raise ModelError(f"{where}: there is no language set {languages!r}", fix=nearest(languages, sets))
        languages = sets[languages]
    remote = _files(data, where)
    size = data.get("size")
    if size is None and all(file.size is not None for file in remote):
        size = sum(file.size or 0 for file in remote)
    if not isinstance(size, int) or size < 0:
        raise ModelError(f"{where} has no size in bytes")
    return CatalogueEntry(
        name=check_model_name(_string(data, "name", where, required=True) or ""),
        engine=_string(data, "engine", where, required=True) or "",
        size=size,
        files=remote,
        languages=_strings(languages, "languages", where),
        aliases=_strings(data.get("aliases", []), "aliases", where),
        licence=_string(data, "licence", where),
        description=_string(data, "description", where),
        page=_string(data, "page", where),
        size_is_approximate=bool(data.get("size_is_approximate", False)),
    )


def _files(data: dict[str, Any], where: str) -> tuple[RemoteFile, ...]:
    if ("url" in data) == ("files" in data):
        raise ModelError(f"{where} has either a url of an archive, or base and files")
    if "url" in data:
        exact = None if data.get("size_is_approximate") else data.get("size")
        url = _string(data, "url", where, required=True) or ""
        return (RemoteFile(url, None, exact, *_checksums(data, where)),)
    base = (_string(data, "base", where, required=True) or "").rstrip("/")
    items = data["files"]
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise ModelError(f"{where}: files is no list of tables")
    return tuple(_remote_file(item, base, where) for item in items)


def _remote_file(item: dict[str, Any], base: str, where: str) -> RemoteFile:
    _refuse_unknown(item, _FILE_KEYS, where)
    path = "/".join(safe_parts(_string(item, "path", where, required=True) or ""))
    size = item.get("size")
    if size is not None and (not isinstance(size, int) or size < 0):
        raise ModelError(f"{where}: the size of {path} is {size!r}")
    return RemoteFile(f"{base}/{quote(path)}", path, size, *_checksums(item, where))


def _checksums(data: dict[str, Any], where: str) -> tuple[str | None, str | None]:
    sha256, md5 = _string(data, "sha256", where), _string(data, "md5", where)
    if sha256 is not None and not is_sha256(sha256):
        raise ModelError(f"{where}: {sha256[:80]!r} is no SHA-256")
    if md5 is not None and not (len(md5) == 32 and all(char in "0123456789abcdef" for char in md5.lower())):
        raise ModelError(f"{where}: {md5[:80]!r} is no MD5")
    return sha256.lower() if sha256 else None, md5.lower() if md5 else None


def _refuse_unknown(data: dict[str, Any], known: set[str], where: str) -> None:
    for key in data.keys() - known:
        raise ModelError(f"{where}: there is no key {key!r}", fix=nearest(key, known))


def _string(data: dict[str, Any], key: str, where: str, *, required: bool = False) -> str | None:
    value = data.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value:
        raise ModelError(f"{where}: {key} is missing or no text")
    return value


def _strings(value: object, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ModelError(f"{where}: {key} is no list of texts")
    return tuple(value)
