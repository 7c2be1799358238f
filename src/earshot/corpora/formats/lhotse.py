"""lhotse: a folder with the JSON lines ``recordings.jsonl`` and ``supervisions.jsonl``, each maybe ``.gz``.

A recording may have several channels, which lhotse counts from 0 and we from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from earshot.audio.decode import open_audio
from earshot.core.errors import AudioError, ManifestError
from earshot.corpora.formats.base import CorpusFormat, numbered, relative, seconds, unique_names, write_lines
from earshot.corpora.manifest import Collector, json_lines
from earshot.corpora.utterance import Utterance

_KNOWN: Final = ("id", "recording_id", "start", "duration", "channel", "text", "language", "speaker", "custom")


def files(folder: Path, kind: str) -> list[Path]:
    """The manifests of a kind, ``recordings`` or ``supervisions``: recipes of lhotse put names around that."""
    return sorted(path for path in folder.glob(f"*{kind}*.jsonl*") if path.suffix in (".jsonl", ".gz"))


def read(folder: Path, collector: Collector) -> None:
    """See ``CorpusFormat``."""
    recordings: dict[str, str] = {}
    for path in files(folder, "recordings"):
        for number, row in json_lines(path, collector):
            source = _source(row)
            if source is None:
                collector.bad(path, number, "no recording with an id and a file as its source")
            else:
                recordings[str(row["id"])] = source
    paths = files(folder, "supervisions")
    if not paths:
        raise ManifestError(f"{folder} has no supervisions.jsonl", fix="name a folder that lhotse has written")
    for path in paths:
        for number, row in json_lines(path, collector):
            audio = recordings.get(str(row.get("recording_id")))
            if audio is None:
                collector.bad(path, number, f"there is no recording {str(row.get('recording_id'))[:80]!r}")
                continue
            collector.add(path, number, audio, **_fields(row))


def _source(row: dict[str, Any]) -> str | None:
    sources = row.get("sources")
    if (
        "id" not in row
        or not isinstance(sources, list)
        or len(sources) != 1
        or not isinstance(sources[0], dict)
    ):
        return None
    source = sources[0]
    return str(source.get("source")) if source.get("type") == "file" and source.get("source") else None


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    channel = row.get("channel")
    if isinstance(channel, list) and len(channel) == 1:
        channel = channel[0]
    custom = row["custom"] if isinstance(row.get("custom"), dict) else {}
    extra = {name: value for name, value in row.items() if name not in _KNOWN}
    fields = {name: row.get(name) for name in ("duration", "text", "speaker", "language")}
    return {
        "start": row.get("start", 0.0),
        # Of a recording of one channel lhotse says 0, which is all there is.
        "channel": channel + 1 if isinstance(channel, int) and channel > 0 else None,
        "label": custom.get("label"),
        "extra": {"id": str(row["id"]), **extra, **{n: v for n, v in custom.items() if n != "label"}}
        if "id" in row
        else extra,
        **fields,
    }


def write(utterances: Sequence[Utterance], folder: Path) -> None:
    """See ``CorpusFormat``. Opens each recording, for lhotse wants its rate and length.

    Raises AudioError where one cannot be read.
    """
    audios = dict.fromkeys(utterance.audio for utterance in utterances)
    recordings = dict(zip(audios, numbered(audio.stem for audio in audios), strict=True))
    rows = {audio: _recording(audio, name, folder) for audio, name in recordings.items()}
    write_lines(folder / "recordings.jsonl", rows.values())
    names = unique_names(utterances)
    write_lines(
        folder / "supervisions.jsonl",
        (
            _supervision(utterance, name, recordings[utterance.audio], rows[utterance.audio]["duration"])
            for utterance, name in zip(utterances, names, strict=True)
        ),
    )


def _recording(audio: Path, name: str, folder: Path) -> dict[str, Any]:
    with open_audio(audio) as reader:
        info = reader.info
        num_samples = (
            sum(map(len, reader)) if info.duration is None else round(info.duration * info.sample_rate)
        )
    if not num_samples:
        raise AudioError(f"{audio} is empty", fix="leave it out: earshot corpus check")
    channels = list(range(info.num_channels))
    return {
        "id": name,
        "sources": [{"type": "file", "channels": channels, "source": relative(audio, folder)}],
        "sampling_rate": info.sample_rate,
        "num_samples": num_samples,
        "duration": num_samples / info.sample_rate,
        "channel_ids": channels,
    }


def _supervision(utterance: Utterance, name: str, recording: str, whole: float) -> dict[str, Any]:
    duration = utterance.duration if utterance.duration is not None else whole - utterance.start
    row: dict[str, Any] = {
        "id": name,
        "recording_id": recording,
        "start": seconds(utterance.start),
        "duration": seconds(duration),
        "channel": (utterance.channel or 1) - 1,
    }
    for field in ("text", "language", "speaker"):
        if (value := getattr(utterance, field)) is not None:
            row[field] = value
    custom = {key: value for key, value in utterance.extra.items() if key != "id"}
    if utterance.label is not None:
        custom["label"] = utterance.label
    return {**row, "custom": custom} if custom else row


FORMAT = CorpusFormat("lhotse", "recordings and supervisions of lhotse", read, write, is_folder=True)
