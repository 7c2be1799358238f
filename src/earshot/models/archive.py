"""Unpack an archive that may have been made to do harm: zip, and tar with gzip, bzip2, xz or zstandard.

Refused are paths that lead out of the folder, links, devices, two members for one file (also when only case or
Unicode form differ), encrypted and damaged archives, and bombs: more members, bytes, or bytes for each packed
byte than ``Limits`` allow. Modes and owners are ignored, so no file becomes executable or setuid.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, BinaryIO, cast

from earshot.core.errors import ModelError
from earshot.models.names import safe_parts, same_on_disk

_BLOCK = 256 * 1024
_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst"}
_JUNK = {"__MACOSX", ".DS_Store"}
"""What macOS adds to the archives it packs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to. The largest model we know (whisper-large-v3) has 3.1 GB in 5 files.

    max_ratio: unpacked to packed bytes, once more than ``ratio_counts_from`` bytes are unpacked. Vosk's word
    graphs pack about 3:1 and word lists 5:1; a deflate bomb reaches 1032:1.
    """

    max_size: int = 32 * 2**30
    max_members: int = 20_000
    max_ratio: float = 100.0
    ratio_counts_from: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class _Member:
    """name: as the archive has it; size: as the archive declares it; open: its bytes, None for a folder."""

    name: str
    size: int
    open: Callable[[], IO[bytes]] | None


class _RefusedError(Exception):
    """Why an archive is not unpacked. Not a ValueError, which tarfile would swallow."""

    def __init__(self, why: str, *, fix: str = "get it from its maker") -> None:
        super().__init__(why)
        self.fix = fix


def is_archive(path: Path) -> bool:
    """Whether a file starts like an archive that ``extract`` knows."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return _packing(file.read(512)) is not None
    return False


def extract(archive: Path, target: Path, *, limits: Limits | None = None) -> Path:
    """Unpack into ``target``, an empty folder, and return where the content begins.

    That is the archive's single top folder where it has one, else ``target``. Raises ModelError; then whatever
    was unpacked is for the caller to remove with ``target``.
    """
    limits = limits or Limits()
    try:
        with archive.open("rb") as file:
            _unpack(file, archive, target, limits)
    except _RefusedError as error:
        raise ModelError(f"{archive.name} is not unpacked: {error}", fix=error.fix) from None
    except ModelError as error:  # a path that is not safe
        why = f"{archive.name} is not unpacked: {error.message}"
        raise ModelError(why, fix="get it from its maker") from None
    except OSError as error:
        raise _os_error(archive, target, error) from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError,
            RuntimeError, ValueError, KeyError, OverflowError) as error:  # fmt: skip
        raise ModelError(f"{archive.name} is damaged: {error}", fix="download it again") from error
    content = [path for path in target.iterdir() if path.name not in _JUNK]
    return content[0] if len(content) == 1 and content[0].is_dir() else target


def _os_error(archive: Path, target: Path, error: OSError) -> ModelError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError(
            f"the disk is full while unpacking {archive.name} into {target.parent}",
            fix="free some space and run the same command again",
        )
    if error.errno is None:  # bz2 and gzip say so when the data is no such stream
        return ModelError(f"{archive.name} is damaged: {error}", fix="download it again")
    return ModelError(f"{archive.name} cannot be unpacked: {error.strerror or error}")


def _packing(head: bytes) -> str | None:
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    return "tar" if head[257:262] == b"ustar" else None


def _unpack(file: BinaryIO, archive: Path, target: Path, limits: Limits) -> None:
    packed_size = archive.stat().st_size
    packing = _packing(file.read(512))
    file.seek(0)
    if packing is None:
        raise _RefusedError("it is neither zip nor tar")
    members = _zip_members(file, target) if packing == "zip" else _tar_members(file, packing)
    seen: dict[str, bool] = {}  # path as the disk sees it → is it a folder
    budget = _Budget(limits, packed_size)
    with contextlib.closing(members):
        for count, member in enumerate(members, 1):
            if count > limits.max_members:
                raise _RefusedError(f"it has more than {limits.max_members} members")
            parts = safe_parts(member.name)
            if not parts or parts[0] in _JUNK or parts[-1] in _JUNK:
                continue
            _remember(parts, member.open is None, seen)
            path = target.joinpath(*parts)
            if member.open is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            budget.declared(member.size)
            with member.open() as source, path.open("xb") as copy:
                _copy(source, copy, member, budget)


def _remember(parts: tuple[str, ...], is_folder: bool, seen: dict[str, bool]) -> None:
    for depth in range(1, len(parts) + 1):
        key, whole = same_on_disk("/".join(parts[:depth])), depth == len(parts)
        is_file = whole and not is_folder
        if key in seen and (is_file or not seen[key]):
            raise _RefusedError(f"it has {'/'.join(parts)[:80]!r} twice")
        seen[key] = not is_file


def _copy(source: IO[bytes], copy: BinaryIO, member: _Member, budget: _Budget) -> None:
    num_bytes = 0
    while block := source.read(_BLOCK):
        num_bytes += len(block)
        budget.spend(len(block))
        copy.write(block)
    if num_bytes != member.size:
        raise _RefusedError(f"{member.name[:80]!r} has {num_bytes} bytes instead of {member.size}")


class _Budget:
    """Counts what is unpacked; what an archive declares is believed only when it is too much."""

    def __init__(self, limits: Limits, packed_size: int) -> None:
        self._limits = limits
        self._spent = 0
        self._allowed = min(limits.max_size, max(limits.ratio_counts_from, int(limits.max_ratio * packed_size)))

    def declared(self, num_bytes: int) -> None:
        if self._spent + num_bytes > self._allowed:
            raise _RefusedError(
                f"it unpacks to more than {self._allowed / 1e6:.0f} MB, which looks like a bomb"
            )

    def spend(self, num_bytes: int) -> None:
        self.declared(num_bytes)
        self._spent += num_bytes


def _zip_members(file: BinaryIO, target: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        needed, free = sum(info.file_size for info in infos), shutil.disk_usage(target).free
        if needed > free:
            raise _RefusedError(
                f"it needs {needed / 1e6:.0f} MB and {target.parent} has {free / 1e6:.0f} MB free",
                fix="free some space and run the same command again",
            )
        for info in infos:
            # zipfile cuts the name at a NUL; what the archive really says is in orig_filename.
            name = info.orig_filename
            mode = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 0x1:
                raise _RefusedError("it is encrypted")
            if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise _RefusedError(f"{name[:80]!r} is {_what(mode)}")
            if info.is_dir() or stat.S_ISDIR(mode):
                yield _Member(name, 0, None)
            else:
                yield _Member(name, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]


def _what(mode: int) -> str:
    return "a link" if stat.S_ISLNK(mode) else "no regular file"


def _tar_members(file: BinaryIO, packing: str) -> Generator[_Member, None, None]:
    with contextlib.ExitStack() as stack:
        stream = _Forward(stack.enter_context(_decompressor(file, packing)))
        archive = stack.enter_context(tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:"))
        count = 0
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # else a tar of a million names fills the memory
            count += 1
            if info.issparse():
                raise _RefusedError(f"{info.name[:80]!r} is a sparse file")
            if info.isdir():
                yield _Member(info.name, 0, None)
            elif info.isreg():
                yield _Member(info.name, info.size, lambda info=info: _opened(archive, info))  # type: ignore[misc]
            else:
                kind = "a link" if info.issym() or info.islnk() else "no regular file"
                raise _RefusedError(f"{info.name[:80]!r} is {kind}")
        if count and not stream.last_read:
            raise _RefusedError("it ends in the middle")  # a whole tar ends in blocks of zeros


def _opened(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None, "only regular files get here"
    return file


def _decompressor(file: BinaryIO, packing: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    match packing:
        case "gz":
            return cast("IO[bytes]", gzip.open(file))
        case "bz2":
            return cast("IO[bytes]", bz2.open(file))
        case "xz":
            return cast("IO[bytes]", lzma.open(file))
        case "zst":
            try:
                zstd = import_module("compression.zstd")  # in the standard library from Python 3.14
            except ImportError:
                raise _RefusedError("it is packed with zstandard, which needs Python 3.14") from None
            return cast("IO[bytes]", zstd.open(file))
        case _:
            return contextlib.nullcontext(file)


class _Forward:
    """A stream that tarfile may read as if it could seek, but that only goes forward.

    tarfile seeks back by one byte before each header, for which gzip would unpack everything again from the
    start; and it reads extended headers whole, however large they claim to be, so one read is limited.
    """

    _MAX_READ = 2**20

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._tail = b""
        self._end = self._position = 0
        self.last_read = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0:
            raise _RefusedError("it is damaged")
        if position < self._end - len(self._tail):
            raise _RefusedError("it points back into itself")
        while position > self._end:
            if not self._advance(min(position - self._end, _BLOCK)):
                break
        self._position = min(position, self._end)
        return self._position

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self._MAX_READ:
            raise _RefusedError("it has a header that is too large")
        behind = self._end - self._position
        data = self._tail[len(self._tail) - behind :][:size] if behind else b""
        if len(data) < size:
            data += self._advance(size - len(data))
        self._position += len(data)
        self.last_read = data
        return data

    def _advance(self, size: int) -> bytes:
        blocks = []
        while size and (block := self._stream.read(size)):
            blocks.append(block)
            size -= len(block)
        data = b"".join(blocks)
        self._end += len(data)
        self._tail = (self._tail + data)[-1024:]
        return data
