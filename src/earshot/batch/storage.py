"""Where results go: a folder, or any address that fsspec can write (``s3://bucket/prefix``)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from earshot.core.errors import EarshotError, MissingExtraError, OutputError
from earshot.core.files import atomic_binary
from earshot.core.optional import require


class Storage(Protocol):
    """Files by names with ``/`` below one root. A file is there whole or not at all."""

    root: str

    def write(self, name: str, data: bytes) -> None:
        """Raises OutputError."""
        ...

    def read(self, name: str) -> bytes:
        """Raises OutputError, which is also the FileNotFoundError of what is not there."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names in a folder, not of those below it, sorted; empty where there is none."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...


def open_storage(root: str) -> Storage:
    """The storage at a path or address. Raises OutputError, MissingExtraError for a scheme without its
    library.
    """
    if is_remote(root):
        return RemoteStorage(root)
    return LocalStorage(Path(root.removeprefix("file://")))


def is_remote(address: str) -> bool:
    """Whether it is an address of another kind than a path."""
    scheme, mark, _ = address.partition("://")
    return bool(mark) and scheme.isalnum() and scheme != "file"


class LocalStorage:
    """A folder, on this machine's disks or on ones that all machines share."""

    def __init__(self, root: Path) -> None:
        self.folder = root.absolute()
        self.root = os.fspath(self.folder)

    def write(self, name: str, data: bytes) -> None:
        """See Storage."""
        try:
            with atomic_binary(self.folder / name) as file:
                file.write(data)
        except OutputError as error:
            fix = error.fix.replace("--output-dir", "--out") if error.fix else None
            mended = OutputError(error.message, fix=fix)
            raise mended from error

    def read(self, name: str) -> bytes:
        """See Storage."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise OutputError(f"cannot read {self.folder / name}: {error.strerror}") from error

    def exists(self, name: str) -> bool:
        """See Storage."""
        return (self.folder / name).is_file()

    def names(self, folder: str) -> list[str]:
        """See Storage."""
        try:
            with os.scandir(self.folder / folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_file())
        except OSError:
            return []

    def remove(self, name: str) -> None:
        """See Storage."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).unlink()


class RemoteStorage:
    """Anything fsspec can write. Each file is one upload, which object stores show whole or not at all."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._files, self._path = open_filesystem(self.root)

    def write(self, name: str, data: bytes) -> None:
        """See Storage."""
        with self._errors(f"write {self.root}/{name}"):
            self._files.pipe_file(self._place(name), data)

    def read(self, name: str) -> bytes:
        """See Storage."""
        with self._errors(f"read {self.root}/{name}"):
            return bytes(self._files.cat_file(self._place(name)))

    def exists(self, name: str) -> bool:
        """See Storage."""
        with self._errors(f"look for {self.root}/{name}"):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._place(name)))

    def names(self, folder: str) -> list[str]:
        """See Storage."""
        with self._errors(f"list {self.root}/{folder}"):
            self._files.invalidate_cache()
            try:
                found = self._files.ls(self._place(folder), detail=True)
            except FileNotFoundError:
                return []
            return sorted(entry["name"].rsplit("/", 1)[-1] for entry in found if entry["type"] == "file")

    def remove(self, name: str) -> None:
        """See Storage."""
        with self._errors(f"remove {self.root}/{name}"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._place(name))

    def _place(self, name: str) -> str:
        return f"{self._path}/{escaped(name)}".rstrip("/")

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the libraries behind fsspec have trees of their own
            raise address_error(what, error) from error


def open_filesystem(address: str) -> tuple[Any, str]:
    """Fsspec's file system for an address, and the path in it.

    Raises MissingExtraError when the library for its scheme is absent, OutputError for an unknown scheme.
    """
    fsspec = require("fsspec", extra="batch", purpose=f"reading and writing {address}")
    try:
        files, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise MissingExtraError(
            f"{address} needs a library that is not installed: {error}", fix="pip install 'earshot[batch]'"
        ) from error
    except ValueError as error:
        raise OutputError(f"{address} cannot be opened: {error}", fix="check the address") from error
    return files, str(path)


def address_error(what: str, error: Exception) -> EarshotError:
    """The one line for what a library said about an address. Raise it from ``error``."""
    if isinstance(error, EarshotError):
        return error
    name, text = type(error).__name__, " ".join(str(error).split())
    if name in (
        "NoCredentialsError",
        "PartialCredentialsError",
        "TokenRetrievalError",
        "DefaultCredentialsError",
    ):
        return OutputError(
            f"cannot {what}: there are no credentials",
            fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role",
        )
    if isinstance(error, PermissionError):
        return OutputError(
            f"cannot {what}: access is denied ({text})", fix="check the credentials and the bucket"
        )
    if isinstance(error, FileNotFoundError):
        return OutputError(f"cannot {what}: it is not there", fix="check the address")
    return OutputError(f"cannot {what}: {name}: {text[:200]}", fix="check the address and the connection")


def escaped(name: str) -> str:
    """A name that every object store takes: UTF-8, bytes that are none written as ``%E9``."""
    return "".join(f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in name)
