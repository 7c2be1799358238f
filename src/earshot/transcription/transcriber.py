"""The offline pipeline. Signatures first; the body follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from earshot.core.progress import ProgressCallback
from earshot.core.types import Audio, Grammar, Segment, Transcript


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What to transcribe with. See ``earshot.engines.EngineOptions`` for the first five."""

    engine: str = "moonshine"
    model: str | None = None
    language: str | None = None
    num_threads: int | None = None
    device: str = "cpu"
    word_times: bool = True
    grammar: Grammar | None = None
    hot_words: tuple[str, ...] = ()


class Transcriber:
    """Holds a loaded recognizer (and word aligner) for many recordings. A context manager."""

    def __init__(self, options: TranscriptionOptions | None = None) -> None:
        raise NotImplementedError

    def transcribe(
        self,
        source: Path | str | BinaryIO | Audio,
        *,
        channel: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> Transcript:
        """The whole recording. source: a file, a readable binary stream of a file, or Audio of any rate."""
        raise NotImplementedError

    def segments(
        self,
        source: Path | str | BinaryIO | Audio,
        *,
        channel: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[Segment]:
        """The same, segment by segment, in order, as they are recognized."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the weights."""

    def __enter__(self) -> Transcriber:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def transcribe(
    source: Path | str | BinaryIO | Audio, *, options: TranscriptionOptions | None = None
) -> Transcript:
    """One recording to text with an engine loaded for it alone."""
    raise NotImplementedError
