"""Recordings of any format as 16 kHz WAV: larger, and quicker to read in a long training."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import soundfile

from earshot.core.files import atomic_binary
from earshot.core.progress import ProgressCallback
from earshot.core.runtime import num_cores
from earshot.core.types import SAMPLE_RATE
from earshot.corpora.manifest import Manifest
from earshot.corpora.sound import read_utterance
from earshot.corpora.utterance import Utterance


def to_wav(
    manifest: Manifest,
    folder: Path,
    *,
    progress: ProgressCallback | None = None,
    num_threads: int | None = None,
) -> Manifest:
    """Cut every utterance out into a 16-bit mono WAV in ``folder``; what is there already is taken as it is.

    progress: utterances. Raises AudioError where a recording cannot be read, OutputError.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def convert(utterance: Utterance) -> Utterance:
        target = folder / _name(utterance)
        if not target.exists():
            _write(utterance, target)
        return replace(utterance, audio=target, start=0.0, channel=None)

    utterances = []
    with ThreadPoolExecutor(num_threads or num_cores()) as pool:
        for done, utterance in enumerate(pool.map(convert, manifest), 1):
            utterances.append(utterance)
            if progress:
                progress(done, len(manifest))
    return manifest.with_utterances(utterances)


def _name(utterance: Utterance) -> str:
    """No two utterances share it: the same name occurs in many folders of a corpus."""
    place = f"{utterance.audio.absolute()}\0{utterance.place[1:]}\0{utterance.duration}"
    digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{utterance.audio.stem[:80]}-{digest}.wav"


def _write(utterance: Utterance, target: Path) -> None:
    samples = read_utterance(utterance).samples
    with atomic_binary(target) as file:
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
