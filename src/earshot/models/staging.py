"""Put a model into the store whole or not at all: it is made ready beside its place and then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from earshot.core.errors import ModelError
from earshot.models.card import CARD, ModelCard, model_files, with_checksums, write_card
from earshot.models.kinds import Kind, without_pickles
from earshot.models.lock import is_held, locked
from earshot.models.names import safe_parts

_PREFIX = ".staging-"
_LOCKS = ".locks"


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A new empty folder in the store's folder ``root``, gone when the block ends.

    What a killed process left of its own is removed first: its lock went with it.
    """
    locks = root / _LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{_PREFIX}*"):
        lock = locks / left.name
        if not is_held(lock):
            shutil.rmtree(left, ignore_errors=True)
            lock.unlink(missing_ok=True)
    name = _PREFIX + secrets.token_hex(4)
    try:
        with locked(locks / name):  # before the folder exists, so that nobody takes it for a leftover
            folder = root / name
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        (locks / name).unlink(missing_ok=True)


@contextlib.contextmanager
def model_locked(root: Path, name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Be the only process that changes the model ``name``."""
    locks = root / _LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    with locked(locks / f"{name.lower()}.lock", waiting=waiting):
        yield


def copy_model(source: Path, target: Path) -> None:
    """Copy a model's folder that the user brought: regular files, nothing hidden.

    A link is followed only inside the folder, and into ``blobs`` of the Hugging Face cache, which is made of
    links. Raises ModelError for any other link, and for devices.
    """
    inside = source.resolve()
    allowed = [inside]
    if inside.parent.name == "snapshots":
        allowed.append(inside.parent.parent / "blobs")
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if any(part.startswith((".", "__")) for part in relative.parts) or path.is_dir():
            continue
        real = path.resolve()
        if not real.is_file() or not any(real.is_relative_to(folder) for folder in allowed):
            raise ModelError(
                f"{path} is a link out of the folder, or no regular file", fix="replace it by the file itself"
            )
        copy = target.joinpath(*safe_parts(relative.as_posix()))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real, copy)


def tidy(folder: Path, kind: Kind | None, name: str) -> None:
    """Delete what does not belong in a model: hidden files, and pickles where there are better weights."""
    for path in sorted(folder.rglob(".*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    without_pickles(folder, kind, name)


def install(content: Path, root: Path, card: ModelCard, *, replace: bool) -> ModelCard:
    """Give ``content`` (in a staging folder) its card with checksums, and its place in the store.

    The caller holds the model's lock. Raises ModelError when the place is taken and ``replace`` is False.
    """
    card = with_checksums(card, content)
    write_card(content, card)
    _sync(content)
    place = root / card.name
    taken = next((path for path in root.iterdir() if path.name.lower() == card.name.lower()), None)
    if taken is None:
        content.rename(place)
    elif not replace:
        raise ModelError(
            f"the model {taken.name} is installed already",
            fix="replace it with --replace, or give another name with --name",
        )
    else:
        _exchange(content, taken, place)
    _sync_folder(root)
    return card


def _exchange(content: Path, taken: Path, place: Path) -> None:
    aside = content.parent / f".replaced-{taken.name}"
    taken.rename(aside)
    try:
        content.rename(place)
    except OSError:
        aside.rename(taken)
        raise


def _sync(folder: Path) -> None:
    for path in [*model_files(folder).values(), folder / CARD]:
        with path.open("rb") as file, contextlib.suppress(OSError):
            os.fsync(file.fileno())
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        _sync_folder(path)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
