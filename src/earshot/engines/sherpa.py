"""sherpa-onnx: transducers, CTC, paraformer, Whisper, SenseVoice, Moonshine …, streaming or not, from a folder.

The kind is told by the files (``sherpa_models``). Streaming models give true streams; the others are cut at
silence and, live, decoded again and again. A model is first tried in another process (``sherpa_probe``),
because sherpa-onnx ends the process over a broken one; loading takes twice as long for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earshot.audio.resample import resample
from earshot.core.clock import to_seconds
from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.types import (
    SAMPLE_RATE,
    Audio,
    Capabilities,
    Event,
    Final,
    Grammar,
    Partial,
    Samples,
    Segment,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from earshot.engines.base import Engine, EngineOptions, check_request
from earshot.engines.folder import model_folder
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.sherpa_loader import HotWords, Loader, modeling_unit
from earshot.engines.sherpa_models import SherpaModel, find_sherpa_model
from earshot.engines.sherpa_words import plain_words, words_from_tokens

_BLOCK = 1_600
"""Samples (0.1 s) that a streaming network gets at once, whatever the caller's blocks: the end of an utterance
is looked for after each."""

_TAIL = 2 * SAMPLE_RATE
"""Samples of silence after the last sound. A streaming network only takes whole chunks; the longest of the
published models hears 1.4 s at once."""

_SHORTEST = SAMPLE_RATE // 2
"""Samples; shorter stretches are padded with silence, below some of which networks fail (and say so aloud)."""

_PROVIDERS = ("cpu", "cuda", "coreml")
_LANGUAGES = frozenset(
    {"ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "th", "vi", "zh"}
)
"""Codes that stand in the names of published models."""
_SPOKEN_LANGUAGE = re.compile(r"<?\|?([a-z]{2,3})\|?>?")


class SherpaRecognizer(OfflineRecognizer):
    """A model that hears whole stretches of speech."""

    def __init__(self, model: SherpaModel, options: EngineOptions) -> None:
        self._loader = Loader(model, options)
        self.name = f"sherpa/{model.folder.name}"
        self.capabilities = _capabilities(model)
        self._language = options.language or _only(self.capabilities.languages)
        self._recognizer: Any = self._loader.load()
        self._hot_words = HotWords(self._loader)

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """One after the other, each on all threads: a batch would be padded and change what is heard."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        if self._recognizer is None:
            raise _closed(self.name)
        if not audios:
            return []
        recognizer = self._hot_words.recognizer() if hot_words else self._recognizer
        arguments = [self._hot_words.spelled(hot_words)] if hot_words else []
        return [self._transcribe(recognizer, audio, arguments) for audio in audios]

    def _transcribe(self, recognizer: Any, audio: Audio, arguments: list[str]) -> Transcript:
        samples = finite(resample(audio, SAMPLE_RATE).samples)
        if not samples.any():
            return Transcript((), self._language, audio.duration, self.name)  # some networks invent text
        stream = recognizer.create_stream(*arguments)
        stream.accept_waveform(SAMPLE_RATE, np.pad(samples, (0, max(0, _SHORTEST - len(samples)))))
        try:
            recognizer.decode_stream(stream)
            result = stream.result
        except Exception as error:  # whatever pybind11 makes of a C++ exception
            raise EngineError(f"{self.name} failed on this audio: {error}") from error
        words = self._words(result, audio.duration)
        text = " ".join(word.text for word in words)
        language = _spoken(result) or self._language
        segments = (Segment(text, 0.0, audio.duration, words, language=language),) if words else ()
        return Transcript(segments, language, audio.duration, self.name)

    def _words(self, result: Any, duration: float) -> tuple[Word, ...]:
        style = self._loader.style
        if not result.tokens:
            return plain_words(result.text, style)
        return words_from_tokens(
            result.tokens,
            style,
            times=result.timestamps if self.capabilities.word_times else (),
            durations=getattr(result, "durations", ()),
            log_probs=getattr(result, "ys_log_probs", ()),
            end=duration,
        )

    def close(self) -> None:
        """Release the weights; calling it twice is harmless."""
        self._recognizer = None
        self._hot_words.close()


class SherpaStreamingRecognizer:
    """A model that listens as it goes; one set of weights for any number of streams."""

    def __init__(self, model: SherpaModel, options: EngineOptions) -> None:
        self.loader = Loader(model, options)
        self.name = f"sherpa/{model.folder.name}"
        self.capabilities = _capabilities(model)
        self.language = options.language or _only(self.capabilities.languages)
        self._recognizer: Any = self.loader.load()
        self._hot_words = HotWords(self.loader)

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """Recognize one recording of any length and rate."""
        with self.stream(grammar=grammar, hot_words=hot_words) as stream:
            events = [*stream.accept(resample(audio, SAMPLE_RATE).samples), *stream.finish()]
        segments = tuple(event.segment for event in events if isinstance(event, Final))
        return Transcript(segments, self.language, audio.duration, self.name)

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """One after the other."""
        return [self.transcribe(audio, grammar=grammar, hot_words=hot_words) for audio in audios]

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> SherpaStream:
        """A live stream."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        if self._recognizer is None:
            raise _closed(self.name)
        if hot_words:
            recognizer = self._hot_words.recognizer()
            return SherpaStream(self, recognizer, recognizer.create_stream(self._hot_words.spelled(hot_words)))
        appends = self.loader.model.kind.appends
        return SherpaStream(self, self._recognizer, self._recognizer.create_stream(), appends=appends)

    def close(self) -> None:
        """Release the weights as soon as the last open stream is done."""
        self._recognizer = None
        self._hot_words.close()


class SherpaStream:
    """One listener of a streaming model.

    appends: the search never takes a token back, so all words but the last are stable.
    """

    def __init__(
        self, recognizer: SherpaStreamingRecognizer, sherpa: Any, state: Any, *, appends: bool = False
    ) -> None:
        self._recognizer = recognizer
        self._sherpa = sherpa
        self._state: Any = state
        self._appends = appends
        self._rest = np.empty(0, np.float32)
        self._now = 0  # samples that the network has had
        self._start: float | None = None  # of the open utterance
        self._num_tokens = 0
        self._last_end = 0.0

    def accept(self, samples: Samples) -> list[Event]:
        """Take the next block: float32 (n,), 16 kHz, any n."""
        if self._state is None:
            raise EngineError("this stream is finished", fix="open a new one")
        gathered = np.concatenate([self._rest, finite(samples)])
        num_blocks = len(gathered) // _BLOCK
        self._rest = gathered[num_blocks * _BLOCK :]
        blocks = gathered[: num_blocks * _BLOCK].reshape(-1, _BLOCK)
        return [event for block in blocks for event in self._step(block)]

    def finish(self) -> list[Event]:
        """The open utterance becomes final."""
        if self._state is None:
            return []
        self._now += len(self._rest)
        self._state.accept_waveform(SAMPLE_RATE, np.concatenate([self._rest, np.zeros(_TAIL, np.float32)]))
        self._state.input_finished()
        self._decode()
        events = self._end()
        self._state = None
        return events

    def __enter__(self) -> SherpaStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._state = None

    def _step(self, block: Samples) -> list[Event]:
        self._now += len(block)
        self._state.accept_waveform(SAMPLE_RATE, block)
        self._decode()
        if self._sherpa.is_endpoint(self._state):
            events = self._end()
            self._sherpa.reset(self._state)
            return events
        return self._partial()

    def _decode(self) -> None:
        try:
            while self._sherpa.is_ready(self._state):
                self._sherpa.decode_stream(self._state)
        except Exception as error:  # whatever pybind11 makes of a C++ exception
            raise EngineError(f"{self._recognizer.name} failed on this audio: {error}") from error

    def _words(self) -> tuple[Word, ...]:
        """Words of the open utterance; times count from the start of the stream."""
        result = self._sherpa.get_result_all(self._state)
        style = self._recognizer.loader.style
        if not result.tokens:
            return plain_words(result.text, style)
        has_times = self._recognizer.capabilities.word_times
        return words_from_tokens(
            result.tokens,
            style,
            times=[result.start_time + time for time in result.timestamps] if has_times else (),
            log_probs=result.ys_probs,
            end=to_seconds(self._now, SAMPLE_RATE),
        )

    def _partial(self) -> list[Event]:
        num_tokens = len(self._sherpa.tokens(self._state))
        if num_tokens == self._num_tokens and self._appends:
            return []
        self._num_tokens = num_tokens
        words = self._words()
        if not words:
            return []
        started = self._open(words)
        assert self._start is not None
        text = " ".join(word.text for word in words)
        segment = Segment(
            text, self._start, to_seconds(self._now, SAMPLE_RATE), words, language=self._recognizer.language
        )
        return [*started, Partial(segment, len(words) - 1 if self._appends else 0)]

    def _open(self, words: tuple[Word, ...]) -> list[Event]:
        """The event that an utterance has begun, when it is new."""
        if self._start is not None:
            return []
        first = words[0].start
        now = to_seconds(self._now, SAMPLE_RATE)
        # Where the model tells no times, words show about half a second after they begin.
        self._start = max(self._last_end, now - 0.5) if first is None else first
        return [SpeechStarted(self._start)]

    def _end(self) -> list[Event]:
        words = self._words()
        now = to_seconds(self._now, SAMPLE_RATE)
        if not words:
            start, self._start, self._num_tokens = self._start, None, 0
            return [] if start is None else [SpeechEnded(now)]
        started = self._open(words)
        start, self._start, self._num_tokens = self._start or 0.0, None, 0
        end = words[-1].end
        self._last_end = now if end is None else end
        text = " ".join(word.text for word in words)
        segment = Segment(text, start, max(start, self._last_end), words, language=self._recognizer.language)
        return [*started, Final(segment), SpeechEnded(segment.end)]


def finite(samples: Samples) -> Samples:
    """The samples clipped to full scale, NaN as silence: one NaN would stay in a network's state for good."""
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)


def load_sherpa(
    folder: Path, options: EngineOptions | None = None
) -> SherpaRecognizer | SherpaStreamingRecognizer:
    """The recognizer for the model in ``folder``. Raises ModelError, MissingExtraError or UnsupportedError."""
    options = options or EngineOptions()
    if options.device not in _PROVIDERS:
        raise UnsupportedError(
            f"sherpa-onnx does not know the device {options.device!r}",
            fix=f"use one of {', '.join(_PROVIDERS)}",
        )
    model = find_sherpa_model(folder)
    languages = _languages(folder)
    if options.language and languages and options.language not in languages:
        raise ModelError(
            f"the model {folder.name} knows {', '.join(sorted(languages))}, not {options.language!r}",
            fix=f"choose another: earshot models list --engine sherpa --language {options.language}",
        )
    if model.kind.is_streaming:
        return SherpaStreamingRecognizer(model, options)
    return SherpaRecognizer(model, options)


def _capabilities(model: SherpaModel) -> Capabilities:
    kind = model.kind
    return Capabilities(
        streaming=kind.is_streaming,
        word_times=kind.word_times,
        confidences=kind.confidences,
        hot_words=kind.takes_hot_words and modeling_unit(model) is not None,
        languages=_languages(model.folder),
        max_duration=kind.max_duration,
    )


def _languages(folder: Path) -> frozenset[str]:
    """From the model's card, else from a name like ``sherpa-onnx-streaming-zipformer-en-2023-06-26``."""
    from earshot.models.card import CARD, read_card

    if (folder / CARD).is_file():
        return frozenset(read_card(folder).languages)
    if not folder.name.startswith("sherpa-onnx-"):
        return frozenset()
    return _LANGUAGES.intersection(re.split("[-_]", folder.name))


def _only(languages: frozenset[str]) -> str | None:
    return next(iter(languages)) if len(languages) == 1 else None


def _spoken(result: Any) -> str | None:
    """The language that the model heard, as in ``<|en|>`` or ``en``."""
    found = _SPOKEN_LANGUAGE.fullmatch(str(getattr(result, "lang", "")).strip())
    return found[1] if found else None


def _closed(name: str) -> EngineError:
    return EngineError(f"{name} is closed", fix="load the engine again")


def _load(options: EngineOptions) -> SherpaRecognizer | SherpaStreamingRecognizer:
    return load_sherpa(model_folder(options.model, engine="sherpa"), options)


ENGINE = Engine(
    "sherpa",
    "sherpa-onnx models of two dozen kinds: streaming transducers, CTC, SenseVoice, Whisper …",
    _load,
    extra="sherpa",
    modules=("sherpa_onnx",),
)
