"""What an engine is: a descriptor that costs nothing, a recognizer with the weights, streams with the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from earshot.core.errors import UnsupportedError
from earshot.core.optional import is_installed
from earshot.core.types import Audio, Capabilities, Event, Grammar, Samples, Transcript


@runtime_checkable
class RecognitionStream(Protocol):
    """The state of one listener. A context manager: leaving it releases the state, finished or not."""

    def accept(self, samples: Samples) -> list[Event]:
        """Take the next block: float32 (n,), 16 kHz, any n. Returns what became known by it, in order."""
        ...

    def finish(self) -> list[Event]:
        """No more audio comes: everything open becomes final. Accepting afterwards is an EngineError."""
        ...

    def __enter__(self) -> RecognitionStream: ...

    def __exit__(self, *exception: object) -> None: ...


@runtime_checkable
class Recognizer(Protocol):
    """Holds the weights; may serve many streams. Not safe to call from two threads at once unless it says so.

    name: engine and model, as in ``moonshine/tiny-en``.
    """

    name: str
    capabilities: Capabilities

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """Recognize one recording of any length and rate.

        Raises UnsupportedError when a grammar or hot words are given and the engine has no such capability.
        """
        ...

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """Recognize stretches of speech that were cut already: 16 kHz, none over ``max_duration``.

        Returns one transcript a stretch, in order, with times from the start of that stretch; engines that
        gain from it decode them together.
        """
        ...

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> RecognitionStream:
        """A new live stream."""
        ...

    def close(self) -> None:
        """Release the weights; calling it twice is harmless."""
        ...


Task = Literal["transcribe", "translate"]
"""Write in the language that is spoken, or in English."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to load a recognizer.

    model: a name from the model store, a folder, or None for the engine's default.
    language: ISO 639-1 code, or None for the model's own (or detection, where the engine detects).
    num_threads: of one decoding call; None for all cores.
    device: "cpu", or what the engine's library calls its accelerators.
    task: most engines only transcribe.
    max_pause: of live streams, seconds of silence that end what sounds unfinished; None for the engine's own.
    language_model: the file of an n-gram model (ARPA or binary), for engines that take one.
    """

    model: str | None = None
    language: str | None = None
    num_threads: int | None = None
    device: str = "cpu"
    task: Task = "transcribe"
    max_pause: float | None = None
    language_model: str | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """An entry of the registry. Making one imports nothing heavy.

    summary: one line for ``earshot doctor``. extra: the pip extra that brings it, None when built in.
    modules: what must be importable. has_default_model: whether it works without naming a model.
    tasks: what it can be asked to write. takes_language_model: whether it decodes with n-grams when asked.
    """

    name: str
    summary: str
    load: Callable[[EngineOptions], Recognizer]
    extra: str | None = None
    modules: tuple[str, ...] = ()
    has_default_model: bool = False
    tasks: frozenset[Task] = frozenset({"transcribe"})
    takes_language_model: bool = False

    @property
    def missing_modules(self) -> tuple[str, ...]:
        """The modules that are not installed; empty when the engine can be loaded."""
        return tuple(module for module in self.modules if not is_installed(module))


def check_request(
    name: str, capabilities: Capabilities, grammar: Grammar | None, hot_words: Sequence[str]
) -> None:
    """Raise UnsupportedError when a recognizer is asked for what it cannot do."""
    if grammar is not None and not capabilities.grammar:
        raise UnsupportedError(f"{name} takes no grammar", fix="use the engine pocketsphinx or vosk")
    if hot_words and not capabilities.hot_words:
        raise UnsupportedError(
            f"{name} takes no hot words", fix="use the engine whisper, sherpa, wav2vec2 or ctc"
        )
