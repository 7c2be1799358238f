"""VCTK: English accents, newspaper sentences.

Provenance: J. Yamagishi, C. Veaux, K. MacDonald, "CSTR VCTK Corpus", version 0.92, University of Edinburgh,
2019, doi 10.7488/ds/2645; each speaker read about 400 sentences in a hemi-anechoic chamber, into two
microphones.
Size: 44 h (of one microphone); flac at 48 kHz, 11 GB.
Speakers: 110; of p280 and p315 one microphone or the texts are missing.
Licence: CC BY 4.0 (earlier versions ODC-By).

Layout: ``wav48_silence_trimmed/SPEAKER/SPEAKER_NNN_mic1.flac`` (older: ``wav48/SPEAKER/SPEAKER_NNN.wav``) and
``txt/SPEAKER/SPEAKER_NNN.txt``. Of the two microphones the second is taken, or the first where it lacks.
"""

from __future__ import annotations

from pathlib import Path

from earshot.corpora.formats.folder import text_of
from earshot.corpora.manifest import Collector
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    texts = [path for path in found_below(folder, "*.txt") if path.parent.parent.name == "txt"]
    needs(bool(texts), folder, "VCTK texts (txt/SPEAKER/*.txt)")
    for path in texts:
        audio = _audio(path.parent.parent.parent, path.parent.name, path.stem)
        text = text_of(path, collector)
        if audio is None or text is None:
            continue  # the corpus lacks a few recordings
        collector.add(
            path, 1, str(audio), text=text, speaker=path.parent.name, language=options.language or "en"
        )


def _audio(root: Path, speaker: str, name: str) -> Path | None:
    candidates = [
        *(root / "wav48_silence_trimmed" / speaker / f"{name}_mic{number}.flac" for number in (2, 1)),
        *(root / kind / speaker / f"{name}.wav" for kind in ("wav48", "wav")),
    ]
    return next((path for path in candidates if path.is_file()), None)


RECIPE = Recipe(
    name="vctk",
    title="English accents",
    languages=("en",),
    licence="CC BY 4.0",
    prepare=_prepare,
    hours=44,
    speakers=110,
    parts={
        "all": Part(
            (
                RemoteFile(
                    "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
                    size=11_747_302_977,
                    sha256="f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
                ),
            )
        )
    },
    default=("all",),
)
