"""Spoken digits: the Free Spoken Digit Dataset.

Provenance: Z. Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset, since 2016; recorded by friends.
Size: 3,000 clips of one digit, half an hour; wav at 8 kHz, 16 MB.
Speakers: 6.
Licence: CC BY-SA 4.0.

Layout: ``recordings/DIGIT_SPEAKER_INDEX.wav``. The makers test with the indices 0 to 4, which is told as
``split``; that tests known voices only. No checksum is published: what arrives first is pinned.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from earshot.corpora.manifest import Collector
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile

_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:  # noqa: ARG001
    clips = [
        (path, match)
        for path in found_below(folder, "*.wav")
        if (match := re.fullmatch(r"(\d)_([^_]+)_(\d+)", path.stem, re.ASCII))
    ]
    needs(bool(clips), folder, "recordings of digits (DIGIT_SPEAKER_INDEX.wav)")
    for path, match in clips:
        word = _WORDS[int(match[1])]
        split = "test" if int(match[3]) < 5 else "train"
        collector.add(
            path, 1, str(path), text=word, label=word, speaker=match[2], language="en", extra={"split": split}
        )


RECIPE = Recipe(
    name="spoken-digits",
    title="English digits",
    languages=("en",),
    licence="CC BY-SA 4.0",
    prepare=_prepare,
    hours=0.4,
    speakers=6,
    parts={
        "all": Part(
            (
                RemoteFile(
                    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
                    path="free-spoken-digit-dataset-1.0.9.tar.gz",
                ),
            )
        )
    },
    default=("all",),
)
