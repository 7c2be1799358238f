"""PocketSphinx: hidden Markov models, English in the wheel. Small, old, and good at closed grammars.

Its free dictation is far behind neural engines (23 % of the words wrong where Moonshine has 8 %), but a grammar
of phrases is decoded at once and leaves nothing to chance, word times are its own, and it truly streams.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.errors import EngineError, ModelError
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
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.sphinx_decoder import FIRST_MEAN, Found, ModelFiles, SphinxDecoder, Vocabulary, as_words
from earshot.engines.streaming import StreamingOptions

_SPEECH = 0.4  # probability of speech that a stretch must reach somewhere to be decoded at all


class PocketSphinxRecognizer(OfflineRecognizer):
    """One model; its decoders are lent to utterances, so streams wait for nobody. Safe in several threads.

    Confidences are the posterior probabilities of words in the lattice of what the decoder considered. They
    only compare a word with its rivals there: under a grammar with one phrase any sound scores 1.
    """

    def __init__(self, files: ModelFiles, *, name: str = "en-us", language: str | None = "en") -> None:
        self.name = f"pocketsphinx/{name}"
        self.language = language
        languages = frozenset({language} if language else ())
        self.capabilities = Capabilities(
            streaming=True, word_times=True, confidences=True, grammar=True, languages=languages
        )
        self._files = files
        self._lock = threading.Lock()
        self._vocabulary = Vocabulary(files)
        self._idle: list[SphinxDecoder] = [SphinxDecoder(files, self._vocabulary)]
        self._is_closed = False

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """One after the other: the decoder holds Python's lock, so threads would not help."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        with self.decoder(grammar) as decoder:
            return [self._transcript(decoder, audio) for audio in audios]

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> PocketSphinxStream:
        """A live stream on PocketSphinx's own incremental search."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        return PocketSphinxStream(self, grammar)

    def close(self) -> None:
        """Release the weights."""
        with self._lock:
            self._is_closed = True
            self._idle.clear()

    @contextmanager
    def decoder(self, grammar: Grammar | None) -> Iterator[SphinxDecoder]:
        """Borrow a decoder that is set to ``grammar``."""
        decoder = self.take(grammar)
        try:
            yield decoder
        finally:
            self.give_back(decoder)

    def take(self, grammar: Grammar | None) -> SphinxDecoder:
        """The same without a context; raises EngineError when the grammar is wrong."""
        with self._lock:
            if self._is_closed:
                raise EngineError(f"{self.name} is closed", fix="load the engine again")
            decoder = self._idle.pop() if self._idle else None
        decoder = decoder or SphinxDecoder(self._files, self._vocabulary)
        try:
            decoder.use(grammar)
        except EngineError:
            self.give_back(decoder)
            raise
        return decoder

    def give_back(self, decoder: SphinxDecoder) -> None:
        """Others may use it now."""
        decoder.abandon()
        with self._lock:
            if not self._is_closed:
                self._idle.append(decoder)

    def _transcript(self, decoder: SphinxDecoder, audio: Audio) -> Transcript:
        samples = np.nan_to_num(audio.samples)
        words = decoder.decode(samples) if _has_speech(samples) else ()
        text = " ".join(word.text for word in words)
        segments = (Segment(text, 0.0, audio.duration, words, language=self.language),) if words else ()
        return Transcript(segments, self.language, audio.duration, self.name)


class PocketSphinxStream:
    """The live stream: Silero VAD finds utterances, an incremental search follows each as it is spoken.

    The mean of the cepstra, which the search subtracts, is taken over from one utterance of the stream to the
    next, so a stream gets better after its first words; other streams and recordings have no influence. Sound
    goes in frame by frame of the stream's own clock, so events do not depend on block sizes. Nothing of a
    partial is stable: the search may still change its mind about all of it.
    """

    def __init__(self, recognizer: PocketSphinxRecognizer, grammar: Grammar | None) -> None:
        self._recognizer = recognizer
        self._grammar = grammar
        self._options = StreamingOptions()
        self._end_silence = _frames(recognizer.max_pause or _END_SILENCE)
        self._detector: VoiceActivityDetector | None = VoiceActivityDetector()
        self._rest = np.empty(0, np.float32)
        self._before: list[Samples] = []
        self._now = 0  # frames of the stream
        self._mean = FIRST_MEAN
        self._utterance: _Utterance | None = None
        recognizer.give_back(recognizer.take(grammar))  # a wrong grammar is told of now

    def accept(self, samples: Samples) -> list[Event]:
        """Take the next block: float32 (n,), 16 kHz, any n."""
        if self._detector is None:
            raise EngineError("this stream is finished", fix="open a new one")
        gathered = np.concatenate([self._rest, samples])
        num_frames = len(gathered) // FRAME
        self._rest = gathered[num_frames * FRAME :]
        frames = np.nan_to_num(gathered[: num_frames * FRAME]).reshape(-1, FRAME)
        events: list[Event] = []
        for frame, probability in zip(frames, self._detector.probabilities(frames.ravel()), strict=True):
            self._now += 1
            if self._utterance is None:
                events += self._wait(frame, float(probability))
            else:
                events += self._listen(self._utterance, frame, float(probability))
        return events

    def finish(self) -> list[Event]:
        """The open utterance becomes final."""
        events: list[Event] = []
        if self._detector is not None and len(self._rest):
            events += self.accept(np.zeros(FRAME - len(self._rest), np.float32))
        if self._detector is not None and self._utterance is not None:
            events += self._end(self._utterance)
        self._detector = None
        return events

    def __enter__(self) -> PocketSphinxStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self._detector = None
        if self._utterance is not None:
            self._recognizer.give_back(self._utterance.decoder)
            self._utterance = None

    def _wait(self, frame: Samples, probability: float) -> list[Event]:
        if probability < self._options.threshold:
            self._before = [*self._before, frame][-_frames(self._options.padding) :]
            return []
        start = self._now - 1 - len(self._before)
        utterance = _Utterance(self._recognizer.take(self._grammar), start)
        utterance.decoder.begin(self._mean)
        for earlier in (*self._before, frame):
            utterance.hear(earlier)
        self._before = []
        self._utterance = utterance
        return [SpeechStarted(start * FRAME / SAMPLE_RATE)]

    def _listen(self, utterance: _Utterance, frame: Samples, probability: float) -> list[Event]:
        options = self._options
        utterance.hear(frame)
        if probability >= options.end_threshold:
            utterance.num_speech_frames += 1
            utterance.silence = 0
        else:
            utterance.silence += 1
        if utterance.silence >= self._end_silence or utterance.num_frames >= _frames(_LONGEST_UTTERANCE):
            return self._end(utterance)
        if utterance.num_frames % _frames(options.update_interval) == 0:
            words = utterance.placed(utterance.decoder.words_so_far())
            return [Partial(self._segment(words))] if words else []
        return []

    def _end(self, utterance: _Utterance) -> list[Event]:
        self._utterance = None
        said = utterance.decoder.finish()
        self._mean = utterance.decoder.mean
        self._recognizer.give_back(utterance.decoder)
        ended = SpeechEnded((utterance.start + utterance.num_frames - utterance.silence) * FRAME / SAMPLE_RATE)
        words = utterance.placed(said)
        if not words or utterance.num_speech_frames < _frames(self._options.min_speech):
            return [ended]
        return [Final(self._segment(words)), ended]

    def _segment(self, words: tuple[Word, ...]) -> Segment:
        start, end = words[0].start or 0.0, words[-1].end or 0.0
        return Segment(
            " ".join(word.text for word in words), start, end, words, language=self._recognizer.language
        )


_END_SILENCE = 0.5
"""Seconds of silence that end an utterance of a stream."""

_LONGEST_UTTERANCE = 30.0


class _Utterance:
    """The open utterance of a stream: a borrowed decoder and how far it is. Counts in frames of 32 ms."""

    def __init__(self, decoder: SphinxDecoder, start: int) -> None:
        self.decoder = decoder
        self.start = start
        self.num_frames = 0
        self.num_speech_frames = 1
        self.silence = 0

    def hear(self, frame: Samples) -> None:
        self.num_frames += 1
        self.decoder.hear(frame)

    def placed(self, words: Sequence[Found]) -> tuple[Word, ...]:
        """Words with stream times."""
        duration = self.num_frames * FRAME / SAMPLE_RATE
        return as_words(words, self.start * FRAME / SAMPLE_RATE, duration)


def _frames(seconds: float) -> int:
    return max(1, round(seconds * SAMPLE_RATE / FRAME))


def _has_speech(samples: Samples) -> bool:
    """Whether Silero hears speech anywhere: a hidden Markov model would find words in any noise."""
    detector = VoiceActivityDetector()
    probabilities = np.concatenate([detector.probabilities(samples), detector.flush()])
    return bool(len(probabilities)) and float(probabilities.max()) >= _SPEECH


def _wheel_files() -> ModelFiles:
    library = require("pocketsphinx", extra="pocketsphinx", purpose="the engine pocketsphinx")
    folder = Path(library.get_model_path("en-us"))
    return ModelFiles(folder / "en-us", folder / "en-us.lm.bin", folder / "cmudict-en-us.dict", guesses=True)


def _folder_files(folder: Path, language: str | None) -> ModelFiles:
    """Find the parts of a model that a user brings. Raises ModelError naming what is missing."""

    def first(what: str, *patterns: str) -> Path:
        for pattern in patterns:
            if found := sorted(folder.rglob(pattern)):
                # Beside the model of words often lies a small one of phones.
                return max(found, key=lambda path: path.stat().st_size)
        raise ModelError(
            f"{folder} holds no {what} ({', '.join(patterns)})",
            fix="a PocketSphinx model is an acoustic model, a language model and a dictionary in one folder",
        )

    return ModelFiles(
        first("acoustic model", "mdef").parent,
        first("language model", "*.lm.bin", "*.lm", "*.lm.gz", "*.dmp", "*.DMP"),
        first("dictionary", "*.dict", "*.dic"),
        guesses=language == "en",
    )


_TRIAL = """
import sys
from pocketsphinx import Decoder
hmm, lm, words = sys.argv[1:]
decoder = Decoder(hmm=hmm, lm=lm, dict=words, samprate=16000.0, loglevel="ERROR")
decoder.start_utt()
decoder.process_raw(bytes(32000), full_utt=True)
decoder.end_utt()
"""


def _try_elsewhere(files: ModelFiles) -> None:
    """Load a user's model in a process of its own first: the library ends its process on damaged files.

    Raises ModelError with what the library said.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return  # no interpreter of our own to ask
    paths = [str(files.acoustic_model), str(files.language_model), str(files.dictionary)]
    folder = files.acoustic_model
    try:
        trial = subprocess.run(
            [sys.executable, "-P", "-c", _TRIAL, *paths], capture_output=True, timeout=300, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"the model in {folder} cannot be tried: {error}") from error
    if trial.returncode:
        lines = trial.stderr.decode("utf-8", "replace").split("\n")
        told = next((line for line in lines if line.startswith(("ERROR", "FATAL"))), "it ended its process")
        raise ModelError(
            f"PocketSphinx cannot use the model in {folder}: {told[:300]}",
            fix="check that its files are whole and belong together",
        )


def _load(options: EngineOptions) -> PocketSphinxRecognizer:
    if options.model not in (None, "en-us"):
        named = Path(options.model).expanduser()
        folder = named if named.is_dir() else model_folder(options.model, engine="pocketsphinx")
        files = _folder_files(folder, options.language)
        _try_elsewhere(files)
        return PocketSphinxRecognizer(files, name=folder.name, language=options.language)
    if options.language not in (None, "en"):
        raise ModelError(
            f"the built-in model of pocketsphinx is English, not {options.language!r}",
            fix="name a model of that language with --model",
        )
    return PocketSphinxRecognizer(_wheel_files())


ENGINE = Engine(
    "pocketsphinx",
    "CMU PocketSphinx, English; closed grammars, word times (weights in the wheel)",
    _load,
    modules=("pocketsphinx",),
    has_default_model=True,
)
