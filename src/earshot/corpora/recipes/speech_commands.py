"""Speech Commands: one word a clip, for spotting commands.

Provenance: P. Warden (Google), "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition",
arXiv:1804.03209, version 0.02 of 2018; recorded by volunteers in their browsers.
Size: 105,829 clips of one second, 35 words, 29 h; 2.4 GB; and six minutes of background noise.
Speakers: 2,618.
Licence: CC BY 4.0.

Layout: ``WORD/HASH_nohash_N.wav``, where the hash is the speaker; ``_background_noise_``;
``validation_list.txt`` and ``testing_list.txt``. Where these lists lack, the split is the documented one:
SHA-1 of the speaker's hash.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from earshot.corpora.manifest import Collector
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile

_MAX_PER_CLASS: Final = 2**27 - 1
"""As the paper's code has it."""


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    lists = {"dev": "validation_list.txt", "test": "testing_list.txt"}
    official: dict[str, str] = {}
    for part, name in lists.items():
        for path in found_below(folder, name):
            official |= dict.fromkeys(path.read_text(encoding="utf-8").split(), part)
    clips = [path for path in found_below(folder, "*.wav") if "_nohash_" in path.name]
    needs(bool(clips), folder, "Speech Commands (WORD/HASH_nohash_N.wav)")
    for path in clips:
        name = f"{path.parent.name}/{path.name}"
        part = official.get(name, "train") if official else split_of(path.name)
        if options.parts and part not in options.parts:
            continue
        collector.add(
            path,
            1,
            str(path),
            text=path.parent.name,
            label=path.parent.name,
            speaker=path.name.split("_nohash_")[0],
            language="en",
            extra={"split": part},
        )


def split_of(file_name: str, *, dev: float = 10.0, test: float = 10.0) -> str:
    """The official split of a clip by its speaker's hash, in percent: "train", "dev" or "test"."""
    speaker = re.sub(r"_nohash_.*$", "", file_name)
    digest = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    percentage = digest % (_MAX_PER_CLASS + 1) * (100.0 / _MAX_PER_CLASS)
    if percentage < dev:
        return "dev"
    return "test" if percentage < dev + test else "train"


RECIPE = Recipe(
    name="speech-commands",
    title="35 English words",
    languages=("en",),
    licence="CC BY 4.0",
    prepare=_prepare,
    hours=29,
    speakers=2618,
    parts={
        "all": Part(
            (
                RemoteFile(
                    "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                    size=2_428_923_189,
                    sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                ),
            )
        )
    },
    default=("all",),
)
