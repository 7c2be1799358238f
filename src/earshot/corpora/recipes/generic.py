"""Any other corpus: an archive or a folder of recordings, each with its text.

Provenance, size, speakers, licence: yours to know; write them down beside the manifest.

Layout: whatever 'earshot corpus import' reads, at the top or in the one folder that is there: a Kaldi folder,
lhotse's manifests, a manifest (``manifest.jsonl``, ``metadata.jsonl``, ``*.tsv``, ``*.csv``), or recordings
with a text of the same name beside each, maybe in one folder a speaker.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from earshot.corpora.formats import detect_format
from earshot.corpora.manifest import Collector
from earshot.corpora.recipes.base import PrepareOptions, Recipe

_TABLES: Final = ("manifest.jsonl", "metadata.jsonl", "*.jsonl", "*.tsv", "*.csv")


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    top = _top(folder)
    source = next((path for pattern in _TABLES for path in sorted(top.glob(pattern))), top)
    if detect_format(top).name in ("kaldi", "lhotse"):
        source = top
    entry = detect_format(source)
    inner = Collector(top, collector.skips_bad, collector.checks_files)
    entry.read(source, inner)
    collector.utterances += [
        replace(utterance, language=utterance.language or options.language) for utterance in inner.utterances
    ]
    collector.places += inner.places
    collector.bad_lines += inner.bad_lines


def _top(folder: Path) -> Path:
    """Where the content begins: an archive often has one folder, and all in that."""
    while True:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]


RECIPE = Recipe(
    name="generic",
    title="any archive or folder of recordings with their texts",
    languages=(),
    licence="yours to know",
    prepare=_prepare,
    by_hand="give your archive or folder with --archive",
)
