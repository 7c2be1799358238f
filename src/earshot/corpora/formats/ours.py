"""Our own manifest: JSON lines with ``audio`` relative to the manifest's folder.

    {"audio": "clips/0001.wav", "duration": 3.12, "text": "добрый день", "speaker": "anna", "language": "ru"}

``start``, ``label`` and ``channel`` stand where they say something; other fields are kept as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from earshot.corpora.formats.base import CorpusFormat, relative, seconds, write_lines
from earshot.corpora.manifest import Collector, json_lines
from earshot.corpora.utterance import Utterance

_FIELDS: Final = ("start", "duration", "text", "speaker", "language", "label", "channel")


def read(path: Path, collector: Collector) -> None:
    """See ``CorpusFormat``."""
    for number, row in json_lines(path, collector):
        if "audio" not in row:
            collector.bad(path, number, "the field 'audio' is missing")
            continue
        extra = {name: value for name, value in row.items() if name != "audio" and name not in _FIELDS}
        fields = {name: row[name] for name in _FIELDS if row.get(name) is not None}
        collector.add(path, number, row["audio"], **fields, extra=extra)


def write(utterances: Sequence[Utterance], path: Path) -> None:
    """See ``CorpusFormat``."""
    write_lines(path, (as_row(utterance, path.parent) for utterance in utterances))


def as_row(utterance: Utterance, folder: Path) -> dict[str, Any]:
    """The line of an utterance in a manifest in ``folder``."""
    row: dict[str, Any] = {"audio": relative(utterance.audio, folder)}
    if utterance.start:
        row["start"] = seconds(utterance.start)
    if utterance.duration is not None:
        row["duration"] = seconds(utterance.duration)
    for name in _FIELDS[2:]:
        if (value := getattr(utterance, name)) is not None:
            row[name] = value
    return {**row, **{name: value for name, value in utterance.extra.items() if name not in row}}


FORMAT = CorpusFormat("earshot", "our own JSON lines", read, write)
