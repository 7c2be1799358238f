"""What another recognizer has written, from a file: a manifest, or lines of a name and a text.

    1089-134686-0000 he hoped there would be stew for dinner

Manifests of any format in one file do; of NeMo's the field ``pred_text`` is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from earshot.core.errors import CorpusError, ManifestError
from earshot.corpora.findings import Findings
from earshot.corpora.formats import read_manifest
from earshot.corpora.formats.tables import columns_of
from earshot.corpora.manifest import Collector, Manifest, numbered_lines
from earshot.corpora.mining import finding_of
from earshot.corpora.utterance import Utterance
from earshot.corpora.versions import manifest_id

_TABLES: Final = MappingProxyType({"tsv": "\t", "csv": ","})
"""Formats of tables, and what parts their columns."""


def read_hypotheses(manifest: Manifest, path: Path, hypotheses: Path) -> Findings:
    """The findings of ``manifest``, at ``path``, that a file of hypotheses makes.

    An utterance that the file leaves out is one that failed. Raises ManifestError where the file is none, has
    an utterance twice, or names others; CorpusError where several utterances have the name it goes by.
    """
    heard: dict[int, str] = {}
    places = _Places(manifest)
    for where, index, text in _written(hypotheses, places):
        if index is None:
            raise ManifestError(
                f"{where}: {path} has no such utterance", fix="give the hypotheses of this manifest"
            )
        if index in heard:
            raise ManifestError(
                f"{where}: {manifest.utterances[index].name} stands there twice", fix="leave one out"
            )
        heard[index] = text
    missing = f"{hypotheses} has no text of it"
    findings = (
        finding_of(index, one, heard.get(index, ""), failure=None if index in heard else missing)
        for index, one in enumerate(manifest)
        if one.text is not None
    )
    return Findings(
        str(path),
        manifest_id(manifest, path),
        hypotheses.name,
        tuple(findings),
        {"hypotheses": str(hypotheses)},
    )


class _Places:
    """Where an utterance stands in a manifest, by its sound or by its name."""

    def __init__(self, manifest: Manifest) -> None:
        self._by_sound = {_sound(one): index for index, one in enumerate(manifest)}
        self._by_name = {one.name: index for index, one in enumerate(manifest)}
        counts = Counter(one.name for one in manifest)
        self._ambiguous = {name for name, count in counts.items() if count > 1}

    def of_utterance(self, utterance: Utterance) -> int | None:
        index = self._by_sound.get(_sound(utterance))
        return self.of_name(utterance.name) if index is None else index

    def of_name(self, name: str) -> int | None:
        if name in self._ambiguous:
            raise CorpusError(
                f"several utterances are called {name!r}",
                fix="give the hypotheses as a manifest with the same 'audio'",
            )
        return self._by_name.get(name)


def _sound(utterance: Utterance) -> tuple[str, int, int]:
    _, start, channel = utterance.place
    return str(utterance.audio.absolute()), start, channel


def _written(path: Path, places: _Places) -> Iterator[tuple[str, int | None, str]]:
    """Place in the file, utterance, text."""
    lines = numbered_lines(path, Collector(path.parent))
    first = next(iter(lines), (0, ""))[1]
    if not first:
        raise ManifestError(f"{path} holds no hypotheses", fix="name a manifest, or lines of a name and a text")
    table = next((name for name, mark in _TABLES.items() if columns_of(first.split(mark))), None)
    if table or first.startswith("{"):
        manifest = read_manifest(path, format_name=table, checks_files=False)
        for index, one in enumerate(manifest):
            said = one.extra.get("pred_text")
            yield (
                manifest.place(index),
                places.of_utterance(one),
                said if isinstance(said, str) else one.text or "",
            )
        return
    for number, line in numbered_lines(path, Collector(path.parent)):
        name, _, text = line.replace("\t", " ").strip().partition(" ")
        yield f"{path}, line {number}", places.of_name(name), text
