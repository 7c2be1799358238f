"""Voices as vectors: what an encoder is, and which one there is.

Three kinds give vectors: ``ge2e`` (the weights that the Resemblyzer wheel carries), ``earshot`` (the net that
ships with Earshot) and ``sherpa:FILE`` (speaker models in sherpa-onnx's form). Vectors of two encoders are
never compared: keep ``name`` beside what you keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from earshot.core.errors import SpeakerError, UnknownModelError, nearest
from earshot.core.runtime import num_cores
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.types import Vectors

SHORTEST = SAMPLE_RATE // 10
"""Samples of the shortest clip that is embedded at all."""


class SpeakerEncoder(Protocol):
    """Turns sound into vectors that lie close where the voice is the same. Safe to use from several threads.

    name: of these weights; it changes with them. dim: length of a vector. min_seconds: clips below give
    vectors that say little. threshold: cosine above which two clips of 3 s are taken for one voice, where both
    errors are as frequent (measured on voices that no encoder here learned from).
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def dim(self) -> int: ...  # noqa: D102

    @property
    def min_seconds(self) -> float: ...  # noqa: D102

    @property
    def threshold(self) -> float: ...  # noqa: D102

    def embed(self, clips: Sequence[Samples]) -> Vectors:
        """A vector a clip: float32 (n, dim), unit rows.

        clips: float32 (samples,) at 16 kHz, speech of one voice at any level, at least 0.1 s each.
        Raises SpeakerError for a shorter one, AudioError for NaN or infinity.
        """
        ...

    def embed_windows(self, samples: Samples, starts: Sequence[int], length: int) -> Vectors:
        """A vector for each window ``samples[start : start + length]``: float32 (n, dim), unit rows.

        The fast path for many windows that overlap: what they share is computed once. A window may reach over
        the end, where at least 0.1 s of it must remain. Raises as ``embed`` does.
        """
        ...


def find_encoder(name: str | None = None, *, num_threads: int | None = None) -> SpeakerEncoder:
    """The encoder of that name, loaded.

    name: "ge2e", "earshot", "sherpa:FOLDER-or-FILE", or the name that a loaded encoder bears; None takes ge2e
    where its weights are at hand, else earshot. num_threads: None for one a core.
    Raises MissingExtraError when its weights are not installed, UnknownModelError for another name, ModelError
    for files that are damaged or of another kind.
    """
    from earshot.speakers import ge2e

    threads = num_threads or num_cores()
    if name is None:
        name = "ge2e" if ge2e.is_available() else "earshot"
    kind, _, place = name.partition(":")
    if kind == "ge2e" and not place:
        return ge2e.Ge2eEncoder(num_threads=threads)
    if name.startswith("earshot"):
        from earshot.speakers.embedded import EmbeddedEncoder

        encoder = EmbeddedEncoder(num_threads=threads)
        if name in ("earshot", encoder.name):
            return encoder
    if kind == "sherpa" and place:
        from earshot.speakers.sherpa_voices import SherpaEncoder

        return SherpaEncoder(place, num_threads=threads)
    raise UnknownModelError(
        f"there is no voice encoder {name[:80]!r}", fix=nearest(name, ("ge2e", "earshot", "sherpa:FILE"))
    )


def unit_rows(vectors: Vectors) -> Vectors:
    """The rows at unit length: float32 (n, dim). A row of zeros becomes one of equal values."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = np.full_like(vectors, 1 / np.sqrt(max(1, vectors.shape[1])))
    return np.where(norms > 1e-12, vectors / np.maximum(norms, 1e-12), flat).astype(np.float32)


def check_length(num_samples: int) -> None:
    """Raise SpeakerError for a clip too short for any encoder."""
    if num_samples < SHORTEST:
        raise SpeakerError(
            f"{num_samples / SAMPLE_RATE:.2f} s is too short to know a voice by",
            fix="give three seconds or more",
        )
