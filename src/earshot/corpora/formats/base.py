"""What a format of manifests is, and what its readers and writers share."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.core.files import atomic_text
from earshot.corpora.manifest import Collector
from earshot.corpora.utterance import Utterance

Reader = Callable[[Path, Collector], None]
Writer = Callable[[Sequence[Utterance], Path], None]


@dataclass(frozen=True, slots=True)
class CorpusFormat:
    """A line of the table of formats. is_folder: whether it is several files in one folder."""

    name: str
    summary: str
    read: Reader
    write: Writer
    is_folder: bool = False


def relative(audio: Path, folder: Path) -> str:
    """The path of a recording as a manifest in ``folder`` has it: relative inside it, else whole."""
    whole, base = os.path.abspath(audio), os.path.abspath(folder)  # noqa: PTH100 - links stay as they are
    inside = base.rstrip(os.sep) + os.sep
    return Path(whole[len(inside) :]).as_posix() if whole.startswith(inside) else whole


def seconds(value: float) -> float:
    """Rounded to the microsecond, so that 0.1 + 0.2 is written 0.3."""
    return round(value, 6) if math.isfinite(value) else 0.0


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines, the whole file or none."""
    with atomic_text(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def unique_names(utterances: Sequence[Utterance]) -> list[str]:
    """A name for each utterance, none twice, without white space; two of one name get numbers."""
    return numbered("_".join(utterance.name.split()) or "utterance" for utterance in utterances)


def numbered(names: Iterable[str]) -> list[str]:
    """The names, none twice: a second ``a`` is ``a_2``."""
    taken: dict[str, None] = {}
    for base in names:
        name, count = base, 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        taken[name] = None
    return list(taken)
