"""Vosk: Kaldi networks with a pronunciation lexicon, streaming, words with times and confidences, grammars.

One model serves many streams, each with a Kaldi recognizer of its own; streams may run in several threads.
Models come from the store or from a folder. Vosk's own ``Model(model_name=…)`` is never used: it downloads.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earshot.audio.resample import resample
from earshot.core.clock import to_seconds
from earshot.core.errors import EngineError, ModelError, UnsupportedError
from earshot.core.optional import require
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
from earshot.engines.vosk_model import VoskFiles, check_vosk_model, languages_of

_BLOCK = 3_200
"""Samples (0.2 s) that Kaldi gets at once, whatever the caller's blocks: it looks for the end of an utterance
after each, so results would otherwise depend on them. Kaldi itself steps by 0.2 s."""

_ONSET_LAG = 2 * _BLOCK
"""Samples between the onset of a word and the block after which it first shows; dates ``SpeechStarted``.

The partial result carries no times until Kaldi has determinized its lattice, 1.2 s later. On tones and hisses
of known onset the estimate is off by less than 0.3 s; the times in a ``Final`` are Kaldi's own."""

_UNKNOWN = "[unk]"
_NAN = re.compile(r"(?<=:)\s*-?(?:nan|inf)\b", re.IGNORECASE)


class VoskRecognizer:
    """One Vosk model.

    folder: with am/, conf/ and graph/. Raises ModelError when something in it is missing or broken.
    """

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        vosk = require("vosk", extra="vosk", purpose="the vosk engine")
        # Kaldi's log goes to standard error for the whole process; -10 is below its warnings and errors,
        # which come back to us as return values.
        vosk.SetLogLevel(-10)
        self._vosk = vosk
        self._files = check_vosk_model(folder)
        self.name = f"vosk/{name or folder.name}"
        self.capabilities = Capabilities(
            streaming=True,
            word_times=True,
            confidences=True,
            grammar=self._files.takes_grammar,
            languages=languages_of(folder),
        )
        self._model: Any = _load_model(vosk, self._files)
        self.new_kaldi(None)  # a broken runtime graph shows only when a recognizer is made

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
        """One after the other: Kaldi's decoder on the CPU gains nothing from batches."""
        return [self.transcribe(audio, grammar=grammar, hot_words=hot_words) for audio in audios]

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> VoskStream:
        """A live stream.

        Raises UnsupportedError for a JSGF grammar, for any grammar when the model's graph is static, and for
        words that the model does not know.
        """
        if grammar is not None and not self.capabilities.grammar:
            raise UnsupportedError(
                f"{self.name} has a static graph ({self._files.graph.name}) and takes no grammar",
                fix="use a small Vosk model (vosk-model-small-…) or the engine pocketsphinx",
            )
        check_request(self.name, self.capabilities, grammar, hot_words)
        return VoskStream(self, grammar)

    def close(self) -> None:
        """Release the weights as soon as the last open stream is done."""
        self._model = None

    @property
    def language(self) -> str | None:
        """The model's language where it has one."""
        return next(iter(self.capabilities.languages)) if len(self.capabilities.languages) == 1 else None

    def new_kaldi(self, grammar: Grammar | None) -> Any:
        """A ``vosk.KaldiRecognizer`` at 16 kHz for one stream."""
        if self._model is None:
            raise EngineError(f"{self.name} is closed", fix="load the engine again")
        arguments = [] if grammar is None else [self._phrases(grammar)]
        try:
            kaldi = self._vosk.KaldiRecognizer(self._model, float(SAMPLE_RATE), *arguments)
        except Exception as error:  # vosk raises the bare class
            raise ModelError(
                f"the graph of {self.name} is broken: {self._files.graph}",
                fix="download the model again, or import it again",
            ) from error
        kaldi.SetWords(True)
        return kaldi

    def _phrases(self, grammar: Grammar) -> str:
        """The grammar as Vosk reads it: a JSON list, words separated by single spaces."""
        if grammar.jsgf is not None:
            raise UnsupportedError(
                f"{self.name} reads lists of phrases, no JSGF",
                fix="write the phrases out, or use the engine pocketsphinx",
            )
        phrases = [" ".join(phrase.split()) for phrase in grammar.phrases]
        phrases = [phrase for phrase in phrases if phrase]
        if grammar.allows_unknown:
            phrases.append(_UNKNOWN)
        words = dict.fromkeys(word for phrase in phrases for word in phrase.split())
        # Kaldi would leave such words out without a sound, and phrases would match that nobody asked for.
        unknown = [word for word in words if self._model.vosk_model_find_word(word) < 0]
        if unknown or not words:
            raise UnsupportedError(
                f"{self.name} does not know {', '.join(map(repr, unknown[:8])) or 'any word of this grammar'}",
                fix="use words of the model's vocabulary, in lower case and spelled as it spells them",
            )
        return json.dumps(phrases, ensure_ascii=False)  # Vosk's JSON reader does not understand \u escapes


class VoskStream:
    """One listener. Kaldi ends utterances by its own endpoint rules (conf/model.conf).

    Partials promise no stable words: until its endpoint the search may still change any of them.
    """

    def __init__(self, recognizer: VoskRecognizer, grammar: Grammar | None) -> None:
        self._language = recognizer.language
        self._name = recognizer.name
        self._kaldi: Any = recognizer.new_kaldi(grammar)
        self._rest = np.empty(0, np.float32)
        self._now = 0  # samples that Kaldi has had
        self._start: float | None = None  # of the open utterance
        self._last_end = 0.0
        self._text = ""

    def accept(self, samples: Samples) -> list[Event]:
        """Take the next block: float32 (n,), 16 kHz, any n."""
        if self._kaldi is None:
            raise EngineError("this stream is finished", fix="open a new one")
        gathered = np.concatenate([self._rest, samples])
        num_blocks = len(gathered) // _BLOCK
        self._rest = gathered[num_blocks * _BLOCK :]
        blocks = gathered[: num_blocks * _BLOCK].reshape(-1, _BLOCK)
        return [event for block in blocks for event in self._step(block)]

    def finish(self) -> list[Event]:
        """The open utterance becomes final."""
        if self._kaldi is None:
            return []
        events = self._step(self._rest) if len(self._rest) else []
        events += self._end(parse_result(self._kaldi.FinalResult()))
        self._kaldi = None
        return events

    def __enter__(self) -> VoskStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._kaldi = None

    def _step(self, block: Samples) -> list[Event]:
        self._now += len(block)
        try:
            is_endpoint = self._kaldi.AcceptWaveform(pcm16(block))
        except Exception as error:  # vosk raises the bare class
            raise EngineError(
                f"{self._name} failed on this audio", fix="report it with the recording"
            ) from error
        if is_endpoint:
            return self._end(parse_result(self._kaldi.Result()))
        return self._partial(parse_partial(self._kaldi.PartialResult()))

    def _partial(self, text: str) -> list[Event]:
        if not text or text == self._text:
            return []
        self._text = text
        now = to_seconds(self._now, SAMPLE_RATE)
        events: list[Event] = []
        if self._start is None:
            onset = to_seconds(max(0, self._now - _ONSET_LAG), SAMPLE_RATE)
            self._start = max(self._last_end, onset)
            events.append(SpeechStarted(self._start))
        words = tuple(Word(word) for word in text.split())
        return [*events, Partial(Segment(text, self._start, now, words, language=self._language))]

    def _end(self, words: tuple[Word, ...]) -> list[Event]:
        """Close the utterance. Without words, what partials have shown is taken back by its end."""
        start, self._start, self._text = self._start, None, ""
        if not words:
            return [] if start is None else [SpeechEnded(to_seconds(self._now, SAMPLE_RATE))]
        segment = _segment(words, self._language)
        self._last_end = segment.end
        started: list[Event] = [SpeechStarted(segment.start)] if start is None else []
        return [*started, Final(segment), SpeechEnded(segment.end)]


def pcm16(samples: Samples) -> bytes:
    """Native 16-bit samples; what is beyond full scale is clipped, NaN is silence."""
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return (np.clip(finite, -1.0, 1.0) * 32_767).round().astype(np.int16).tobytes()


def parse_result(text: str) -> tuple[Word, ...]:
    """Words of ``{"result": [{"conf", "start", "end", "word"}], "text"}``; times in seconds of the stream.

    Starts never go backward, whatever the lattice says. Raises EngineError when it is no such JSON.
    """
    words: list[Word] = []
    clock = 0.0
    for item in _json(text).get("result", ()):
        if not (spelled := str(item["word"]).strip()):
            continue
        start = max(clock, float(item["start"]))
        words.append(Word(spelled, start, max(start, float(item["end"])), _probability(item["conf"]), "engine"))
        clock = start
    return tuple(words)


def parse_partial(text: str) -> str:
    """The text of ``{"partial": "…"}``."""
    return " ".join(str(_json(text).get("partial", "")).split())


def _json(text: str) -> dict[str, Any]:
    try:
        result = json.loads(_NAN.sub(" null", text))  # C++ streams print NaN as "nan", which is no JSON
    except ValueError as error:
        raise EngineError(f"vosk answered with broken JSON: {text[:80]!r}") from error
    return result if isinstance(result, dict) else {}


def _probability(confidence: float | None) -> float | None:
    """Kaldi's posterior; float sums reach 1.000001."""
    if confidence is None or not math.isfinite(confidence):
        return None
    return min(1.0, max(0.0, float(confidence)))


def _segment(words: tuple[Word, ...], language: str | None) -> Segment:
    text = " ".join(word.text for word in words)
    end = max(word.end or 0.0 for word in words)
    return Segment(text, words[0].start or 0.0, end, words, language=language)


def _load_model(vosk: Any, files: VoskFiles) -> Any:
    try:
        return vosk.Model(model_path=str(files.folder))
    except Exception as error:  # vosk raises the bare class, and tells why on standard error alone
        raise ModelError(
            f"Kaldi cannot read the model in {files.folder}: a file in am/, conf/ or graph/ is damaged",
            fix="download it again, or import it again",
        ) from error


def _load(options: EngineOptions) -> VoskRecognizer:
    if options.device != "cpu":
        raise UnsupportedError(f"vosk runs on the CPU, not on {options.device!r}", fix="leave --device out")
    folder = model_folder(options.model, engine="vosk")
    recognizer = VoskRecognizer(folder)
    languages = recognizer.capabilities.languages
    if options.language and languages and options.language not in languages:
        raise ModelError(
            f"{recognizer.name} knows {', '.join(sorted(languages))}, not {options.language!r}",
            fix=f"choose another: earshot models list --engine vosk --language {options.language}",
        )
    return recognizer


ENGINE = Engine(
    "vosk",
    "Kaldi models in 30 languages: streaming, grammars, small",
    _load,
    extra="vosk",
    modules=("vosk",),
)
