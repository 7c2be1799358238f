"""The engine of a recorder: which there are, and the one that stays loaded between two recordings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from earshot.core.errors import EarshotError
from earshot.core.types import Audio, Capabilities, Grammar, Transcript
from earshot.engines import (
    RecognitionStream,
    Recognizer,
    engine_names,
    find_engine,
    load_engine,
)
from earshot.models.store import ModelStore
from earshot.transcription import TranscriptionOptions

_BUILT_IN = {"moonshine": ("en",), "pocketsphinx": ("en",)}
"""Languages of the models that come with an engine; others say theirs when they are loaded."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An entry of the list of engines. value: ``engine`` or ``engine:model``; languages: may be unknown."""

    value: str
    title: str
    languages: tuple[str, ...] = ()


def choice_value(options: TranscriptionOptions) -> str:
    """What the list calls these options."""
    return f"{options.engine}:{options.model}" if options.model else options.engine


def with_choice(options: TranscriptionOptions, value: str, language: str | None) -> TranscriptionOptions:
    """The options with another engine."""
    engine, _, model = value.partition(":")
    return replace(options, engine=engine, model=model or None, language=language)


def engine_choices(options: TranscriptionOptions) -> list[EngineChoice]:
    """What can be chosen without a download: engines with a model of their own, and the installed models."""
    choices: dict[str, EngineChoice] = {}
    usable = {}
    for name in engine_names():
        try:
            engine = find_engine(name)
        except EarshotError:
            continue  # a broken package of somebody's shall not hide the others
        if not engine.missing_modules:
            usable[name] = engine
            if engine.has_default_model and name != "scripted":
                choices[name] = EngineChoice(name, name, _BUILT_IN.get(name, ()))
    for model in ModelStore().list():
        if model.card is not None and model.card.engine in usable:
            value = f"{model.card.engine}:{model.name}"
            choices[value] = EngineChoice(value, f"{model.card.engine} · {model.name}", model.card.languages)
    chosen = choice_value(options)
    if chosen not in choices:
        languages = (options.language,) if options.language else ()
        choices[chosen] = EngineChoice(chosen, chosen.replace(":", " · ", 1), languages)
    return list(choices.values())


class KeptEngine:
    """A recognizer that loads when it is first used, and stays until it is released.

    recognizer: one that is loaded already; it stays the caller's. loading: told just before and after.
    """

    def __init__(
        self,
        options: TranscriptionOptions,
        recognizer: Recognizer | None = None,
        *,
        loading: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.name = recognizer.name if recognizer else options.engine
        self.is_given = recognizer is not None
        self._options = options
        self._recognizer = recognizer
        self._loading = loading
        self._lock = threading.Lock()

    @property
    def language(self) -> str | None:
        """What it was told to listen for, or the only one it knows; None while that is not known."""
        options, recognizer = self._options, self._recognizer
        known = [] if options.model else [*_BUILT_IN.get(options.engine, ())]
        if recognizer is not None:
            known = [*recognizer.capabilities.languages]
        return options.language or (known[0] if len(known) == 1 else None)

    @property
    def capabilities(self) -> Capabilities:
        """Of the loaded recognizer."""
        return self._loaded().capabilities

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """See ``Recognizer``."""
        return self._loaded().transcribe(audio, grammar=grammar, hot_words=hot_words)

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """See ``Recognizer``."""
        return self._loaded().transcribe_batch(audios, grammar=grammar, hot_words=hot_words)

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> RecognitionStream:
        """See ``Recognizer``."""
        return self._loaded().stream(grammar=grammar, hot_words=hot_words)

    def close(self) -> None:
        """Release the weights, unless they are the caller's; they are loaded again when they are needed."""
        with self._lock:
            if self._recognizer is not None and not self.is_given:
                self._recognizer.close()
                self._recognizer = None

    def _loaded(self) -> Recognizer:
        with self._lock:
            if self._recognizer is None:
                options = self._options
                self._loading(True)
                self._recognizer = load_engine(options.engine, options.engine_options)
                self.name = self._recognizer.name
                self._loading(False)
            return self._recognizer
