"""Manifests in the formats of other tools: read and written by name, or found by what a path holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from earshot.core.errors import ManifestError, nearest
from earshot.corpora.formats import folder as folder_format
from earshot.corpora.formats import kaldi, lhotse, nemo, ours, tables
from earshot.corpora.formats.base import CorpusFormat
from earshot.corpora.manifest import Collector, Manifest, json_lines
from earshot.corpora.utterance import Utterance

FORMATS = {
    entry.name: entry
    for entry in (
        ours.FORMAT, nemo.FORMAT, lhotse.FORMAT, kaldi.FORMAT, tables.CSV, tables.TSV, folder_format.FORMAT,
    )
}  # fmt: skip


def find_format(name: str) -> CorpusFormat:
    """A format by its name. Raises ManifestError with the nearest one."""
    if name not in FORMATS:
        raise ManifestError(f"there is no format {name!r} of manifests", fix=nearest(name, FORMATS))
    return FORMATS[name]


def detect_format(path: Path) -> CorpusFormat:
    """The format of what is at ``path``. Raises ManifestError when nothing is."""
    if path.is_dir():
        if (path / "wav.scp").is_file():
            return kaldi.FORMAT
        if lhotse.files(path, "supervisions"):
            return lhotse.FORMAT
        return folder_format.FORMAT
    if not path.is_file():
        raise ManifestError(f"there is no manifest {path}", fix="check the path")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".tsv" in suffixes:
        return tables.TSV
    if ".csv" in suffixes:
        return tables.CSV
    _, first = next(json_lines(path, Collector(path.parent, skips_bad=True)), (0, {}))
    return nemo.FORMAT if "audio_filepath" in first else ours.FORMAT


def read_manifest(
    path: Path | str, *, format_name: str | None = None, skips_bad: bool = False, checks_files: bool = True
) -> Manifest:
    """Read a manifest, or a folder, in any of the ``FORMATS``.

    format_name: of ``FORMATS``, None to find out. skips_bad: leave bad lines out, into
    ``Manifest.bad_lines``, instead of raising. checks_files: whether a line whose recording is missing is bad.
    Raises ManifestError with file and line.
    """
    path = Path(path)
    entry = find_format(format_name) if format_name else detect_format(path)
    folder = path if entry.is_folder else path.parent
    if entry.is_folder != path.is_dir():
        kind = "a folder" if entry.is_folder else "a file"
        raise ManifestError(f"{path} is no {entry.name} manifest, which is {kind}", fix="check path and format")
    collector = Collector(folder, skips_bad=skips_bad, checks_files=checks_files)
    entry.read(path, collector)
    return collector.manifest()


def write_manifest(
    utterances: Iterable[Utterance], path: Path | str, *, format_name: str | None = None
) -> None:
    """Write a manifest whole or not at all; a folder of several files, file by file.

    format_name: None goes by the suffix: ``.csv``, ``.tsv``, else our own.
    Raises OutputError when it cannot be written, ManifestError for what the format has no place for.
    """
    path = Path(path)
    by_suffix = {".csv": "csv", ".tsv": "tsv"}.get(path.suffix.lower(), "earshot")
    find_format(format_name or by_suffix).write(tuple(utterances), path)
