"""NVIDIA NeMo: JSON lines of ``audio_filepath``, ``duration``, ``text``, ``offset``, ``speaker``, ``lang``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from earshot.corpora.formats.base import CorpusFormat, relative, seconds, write_lines
from earshot.corpora.manifest import Collector, json_lines
from earshot.corpora.utterance import Utterance

_NAMES: Final = {
    "offset": "start",
    "duration": "duration",
    "text": "text",
    "speaker": "speaker",
    "lang": "language",
    "command": "label",
}
"""NeMo's names and ours; its speech commands carry their class as ``command``."""


def read(path: Path, collector: Collector) -> None:
    """See ``CorpusFormat``."""
    for number, row in json_lines(path, collector):
        if "audio_filepath" not in row:
            collector.bad(path, number, "the field 'audio_filepath' is missing")
            continue
        fields = {ours: row[theirs] for theirs, ours in _NAMES.items() if row.get(theirs) is not None}
        extra = {name: row[name] for name in row if name not in _NAMES and name != "audio_filepath"}
        channel = extra.pop("channel", None)
        collector.add(path, number, row["audio_filepath"], **fields, channel=channel, extra=extra)


def write(utterances: Sequence[Utterance], path: Path) -> None:
    """See ``CorpusFormat``."""
    write_lines(path, (_row(utterance, path.parent) for utterance in utterances))


def _row(utterance: Utterance, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"audio_filepath": relative(utterance.audio, folder)}
    for theirs, ours in _NAMES.items():
        value = getattr(utterance, ours)
        if value is None or (theirs == "offset" and not value):
            continue
        row[theirs] = seconds(value) if isinstance(value, float) else value
    if utterance.channel:
        row["channel"] = utterance.channel
    return {**row, **{name: value for name, value in utterance.extra.items() if name not in row}}


FORMAT = CorpusFormat("nemo", "NeMo's JSON lines", read, write)
