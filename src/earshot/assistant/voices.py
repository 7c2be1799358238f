"""Whose order it was, and the sound of it kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from earshot.assistant.homes import audit_file
from earshot.core.errors import SpeakerError
from earshot.core.files import atomic_binary, output_error
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.encoder import find_encoder
from earshot.speakers.memory import SpeakerMemory


def identifier(names: Sequence[str], memory: SpeakerMemory | None = None) -> Callable[[Samples], str | None]:
    """Tells the name of an enrolled voice, None for a stranger's.

    names: of those who are to be obeyed.
    Raises SpeakerError where one of them is not enrolled, MissingExtraError without an encoder.
    """
    known = memory or SpeakerMemory()
    wanted = {known.find(name).name for name in names}
    encoder = find_encoder(num_threads=1)
    unknown = wanted - set(known.known_vectors(encoder.name))
    if unknown:
        raise SpeakerError(
            f"the voice of {', '.join(sorted(unknown))} was enrolled for another encoder",
            fix="enrol it again: earshot speakers enrol NAME RECORDING --more",
        )

    def identify(samples: Samples) -> str | None:
        try:
            vector = encoder.embed([samples])[0]
        except SpeakerError:  # too short to know anybody by
            return None
        match = known.identify(vector, encoder.name)
        return match.name if match is not None else None

    return identify


def keeper(folder: Path | None = None) -> Callable[[Samples], str]:
    """Writes utterances as FLAC into a folder beside the log; returns the path. Raises OutputError."""
    place = folder or audit_file().parent / "audio"

    def keep(samples: Samples) -> str:
        import soundfile

        path = place / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{secrets.token_hex(3)}.flac"
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)  # voices are private
        except OSError as error:
            raise output_error(place, error) from error
        with atomic_binary(path) as file:
            soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        path.chmod(0o600)
        return str(path)

    return keep
