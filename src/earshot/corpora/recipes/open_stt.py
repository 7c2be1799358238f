"""Open STT: Russian speech from radio, phone calls, audiobooks, lectures and videos.

Provenance: A. Slizhikova, A. Veysov, D. Nurtdinova, D. Voronin, github.com/snakers4/open_stt, 2019-2020;
texts mostly made by other recognizers or by alignment, so not free of mistakes; the three ``…_val`` parts
were written down by people.
Size: 20,000 h in all, opus at 16 kHz; asr_calls_2_val 8 h, buriy_audiobooks_2_val 5 h, public_youtube700_val
5 h.
Speakers: not told.
Licence: CC BY-NC 4.0.

Layout: ``PART/a/bc/def….opus`` with the text in ``.txt`` beside it, and beside the archive a manifest
``PART.csv`` without a header: number, path of the wav, path of the text, duration. The paths say ``.wav`` and
begin where their makers kept them, the files are ``.opus``; lines without a file, without a text, or written
twice are left out.
No checksums are pinned here: what arrives first is pinned.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from earshot.corpora.formats.folder import text_of
from earshot.corpora.manifest import Collector, numbered_lines
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile

_HOST: Final = "https://azureopendatastorage.blob.core.windows.net/openstt/ru_open_stt_opus"
_PARTS: Final = (
    "asr_calls_2_val",
    "buriy_audiobooks_2_val",
    "public_youtube700_val",
    "asr_public_phone_calls_1",
    "asr_public_phone_calls_2",
    "public_youtube1120",
    "public_youtube1120_hq",
    "radio_2",
)
_SUFFIXES: Final = (".opus", ".wav", ".mp3")


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    clips = {path.with_suffix(""): path for suffix in _SUFFIXES for path in found_below(folder, f"*{suffix}")}
    needs(bool(clips), folder, "recordings of Open STT (a/bc/def….opus)")
    by_tail = {_tail(PurePosixPath(stem.as_posix())): stem for stem in clips}
    taken: set[Path] = set()
    has_manifest = False
    for path, number, audio, duration in _rows(folder, collector):
        has_manifest = True
        stem = by_tail.get(_tail(PurePosixPath(audio).with_suffix("")))
        if stem is not None and stem not in taken:
            taken.add(stem)
            _add(path, number, clips[stem], duration, collector, options)
    if not has_manifest:
        for audio_path in clips.values():
            _add(audio_path, 1, audio_path, None, collector, options)


def _rows(folder: Path, collector: Collector) -> Iterator[tuple[Path, int, str, str | None]]:
    """Of each manifest: file, line, recording, duration. Columns are told by what they hold."""
    for path in found_below(folder, "*.csv"):
        for number, line in numbered_lines(path, collector):
            cells = next(csv.reader([line]), [])
            audio = next((cell for cell in cells if cell.endswith(_SUFFIXES)), None)
            if audio is None:
                continue  # a header, in some
            durations = [cell for cell in cells[1:] if cell.replace(".", "", 1).isdigit() and "." in cell]
            yield path, number, audio, durations[-1] if durations else None


def _tail(path: PurePosixPath) -> tuple[str, ...]:
    """The hashed folders and the name, which are the same wherever the corpus lies."""
    return path.parts[-3:]


def _add(
    path: Path, number: int, audio: Path, duration: str | None, collector: Collector, options: PrepareOptions
) -> None:
    text = text_of(audio.with_suffix(".txt"), collector)
    if text:
        collector.add(path, number, str(audio), text=text, duration=duration, language=options.language or "ru")


RECIPE = Recipe(
    name="open-stt",
    title="Russian radio, calls, books, lectures",
    languages=("ru",),
    licence="CC BY-NC 4.0",
    prepare=_prepare,
    hours=20_000,
    parts={
        name: Part(
            (
                RemoteFile(f"{_HOST}/archives/{name}.tar.gz"),
                RemoteFile(f"{_HOST}/manifests/{name}.csv", path=f"{name}.csv"),
            )
        )
        for name in _PARTS
    },
    default=("asr_calls_2_val",),
)
