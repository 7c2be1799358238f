"""LJSpeech: one woman reads non-fiction.

Provenance: K. Ito and L. Johnson, "The LJ Speech Dataset", 2017, keithito.com/LJ-Speech-Dataset; passages of
seven books of 1884-1964, recorded for LibriVox in 2016-2017 by Linda Johnson.
Size: 13,100 clips, 24 h; wav at 22.05 kHz, 2.7 GB.
Speakers: 1.
Licence: public domain.

Layout: ``metadata.csv`` with ``name|text|text with numbers in words``, and ``wavs/name.wav``.
"""

from __future__ import annotations

from pathlib import Path

from earshot.corpora.manifest import Collector, numbered_lines
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    tables = [path for path in found_below(folder, "metadata.csv") if (path.parent / "wavs").is_dir()]
    needs(bool(tables), folder, "metadata.csv beside wavs")
    for path in tables:
        for number, line in numbered_lines(path, collector):
            cells = line.split("|")
            if len(cells) < 2 or "/" in cells[0]:
                collector.bad(path, number, "not: name|text|text in words")
                continue
            # What is spoken, and not "1803"; two of the relatives of this corpus have two columns only.
            text = cells[2] if len(cells) > 2 and cells[2].strip() else cells[1]
            collector.add(
                path,
                number,
                str(path.parent / "wavs" / f"{cells[0]}.wav"),
                text=" ".join(text.split()),
                speaker="linda" if cells[0].startswith("LJ") else None,
                language=options.language or "en",
            )


RECIPE = Recipe(
    name="ljspeech",
    title="one woman reads non-fiction",
    languages=("en",),
    licence="public domain",
    prepare=_prepare,
    hours=24,
    speakers=1,
    parts={
        "all": Part(
            (
                RemoteFile(
                    "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
                    size=2_748_572_632,
                    sha256="be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
                ),
            )
        )
    },
    default=("all",),
)
