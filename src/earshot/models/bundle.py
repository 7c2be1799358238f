"""A bundle: one tar of several installed models, for a computer without a network. Reproducible byte by byte.

earshot-bundle.json     {"format": 1, "models": ["vosk-model-small-ru-0.22", …]}
NAME/card.json          with the checksum of every file
NAME/…
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from earshot.core.errors import ModelError
from earshot.core.files import atomic_binary
from earshot.core.progress import ProgressCallback
from earshot.models.card import CARD, ModelCard, read_card
from earshot.models.names import check_model_name

MANIFEST = "earshot-bundle.json"


def write(output: Path, models: Mapping[Path, ModelCard], progress: ProgressCallback | None = None) -> None:
    """Write the models in these folders with these cards (names and checksums filled in) as one tar.

    progress: bytes. Raises ModelError when a file is not as its card says, OutputError when ``output`` cannot
    be written; then ``output`` is as it was.
    """
    ordered = sorted(models.items(), key=lambda item: item[1].name)
    total = float(sum(card.size for _, card in ordered))
    done = 0
    with atomic_binary(output) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add_json(tar, MANIFEST, {"format": 1, "models": [card.name for _, card in ordered]})
        for folder, card in ordered:
            _add_json(tar, f"{card.name}/{CARD}", card.to_json())
            for path in sorted(card.files):
                _add_file(tar, folder, card, path)
                done += card.files[path].size
                if progress:
                    progress(done, total)


def contents(folder: Path) -> tuple[Path, ...]:
    """The model folders of an unpacked bundle, empty when it is none. Raises ModelError when it is broken."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return ()
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        names = [check_model_name(str(name)) for name in data["models"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{MANIFEST} of the bundle is broken: {error}", fix="get the bundle again") from None
    for name in names:
        if not (folder / name).is_dir() or not read_card(folder / name).files:
            raise ModelError(f"the bundle lacks {name}, or its checksums", fix="get the bundle again")
    return tuple(folder / name for name in names)


def _add_json(tar: tarfile.TarFile, name: str, data: object) -> None:
    text = json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n"
    tar.addfile(_member(name, len(text)), io.BytesIO(text))


def _add_file(tar: tarfile.TarFile, folder: Path, card: ModelCard, path: str) -> None:
    record = card.files[path]
    try:
        with (folder / path).open("rb") as file:
            checked = _Checked(file)
            tar.addfile(_member(f"{card.name}/{path}", record.size), cast("IO[bytes]", checked))
            is_same = not file.read(1) and checked.digest.hexdigest() == record.sha256
    except OSError as error:
        if error.errno is not None and error.filename is None:  # the writing failed, not the reading
            raise
        is_same = False
    if not is_same:
        raise ModelError(
            f"{path} of {card.name} is not what its card says",
            fix=f"earshot models verify {card.name}, then pull it again with --replace",
        )


def _member(name: str, size: int) -> tarfile.TarInfo:
    """The same for everybody: no owner, no time."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


class _Checked:
    """A file that digests what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
