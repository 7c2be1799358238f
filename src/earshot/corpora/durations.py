"""How long recordings are, where their manifest does not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from earshot.audio.decode import open_audio
from earshot.core.errors import AudioError
from earshot.core.progress import ProgressCallback
from earshot.corpora.manifest import Manifest


def with_durations(manifest: Manifest, *, progress: ProgressCallback | None = None) -> Manifest:
    """The same with all durations that can be found out. progress: utterances.

    A recording's header is believed; one that does not say is decoded. What cannot be read stays unknown,
    for ``check_manifest`` to tell.
    """
    lengths: dict[Path, float | None] = {}
    utterances = []
    for count, utterance in enumerate(manifest, 1):
        if utterance.duration is None:
            if utterance.audio not in lengths:
                lengths[utterance.audio] = recording_duration(utterance.audio)
            whole = lengths[utterance.audio]
            if whole is not None and whole > utterance.start:
                utterance = replace(utterance, duration=round(whole - utterance.start, 6))
        utterances.append(utterance)
        if progress:
            progress(count, len(manifest))
    return manifest.with_utterances(utterances)


def recording_duration(audio: Path) -> float | None:
    """Seconds of a recording, None where it cannot be read."""
    try:
        with open_audio(audio) as reader:
            if reader.info.duration is not None:
                return reader.info.duration
            return sum(map(len, reader)) / reader.info.sample_rate
    except AudioError:
        return None
