"""LibriSpeech: English audiobooks, cut into sentences.

Provenance: LibriVox recordings of public-domain books, aligned and segmented by V. Panayotov, G. Chen, D. Povey
and S. Khudanpur, "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015; openslr.org/12.
Size: 982 h, flac at 16 kHz (train-clean-100 6.3 GB, dev and test 0.3 GB each).
Speakers: 2,484; those of dev, test and train are different people.
Licence: CC BY 4.0.

Layout: ``PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`` with lines ``SPEAKER-CHAPTER-NNNN TEXT IN CAPITALS``,
the flac of that name beside it. Texts are put into lower case. Checksums are those that torchaudio pins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from earshot.corpora.manifest import Collector, numbered_lines
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile

_SHA256: Final = {
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    "train-clean-100": "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    "train-other-500": "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
}


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    transcripts = list(found_below(folder, "*.trans.txt"))
    needs(bool(transcripts), folder, "LibriSpeech chapters (*.trans.txt)")
    for path in transcripts:
        parents = [parent.name for parent in path.parents]
        part = next((name for name in parents if name in _SHA256), None)
        if options.parts and part not in options.parts:
            continue
        for number, line in numbered_lines(path, collector):
            name, _, text = line.partition(" ")
            collector.add(
                path,
                number,
                str(path.parent / f"{name}.flac") if "/" not in name else "",
                text=text.strip().lower(),
                speaker=name.split("-")[0],
                language="en",
                extra={"part": part} if part else {},
            )


RECIPE = Recipe(
    name="librispeech",
    title="English audiobooks",
    languages=("en",),
    licence="CC BY 4.0",
    prepare=_prepare,
    hours=982,
    speakers=2484,
    parts={
        name: Part((RemoteFile(f"https://www.openslr.org/resources/12/{name}.tar.gz", sha256=digest),))
        for name, digest in _SHA256.items()
    },
    default=("dev-clean",),
)
