"""What engines with a CTC net share: windows, words with times and confidences, language models, grammars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from earshot.audio.cutting import CutOptions
from earshot.audio.resample import resample
from earshot.core.errors import UnsupportedError
from earshot.core.types import SAMPLE_RATE, Audio, Capabilities, Grammar, Samples, Segment, Transcript, Word
from earshot.decoding.constraint import TokenConstraint, Vocabulary
from earshot.decoding.ctc import LogProbs
from earshot.decoding.ctc_beam import search_ctc
from earshot.decoding.ctc_decoder import CtcDecoder
from earshot.decoding.ngram_model import NgramModel
from earshot.engines.base import check_request
from earshot.engines.constrained import Searched
from earshot.engines.offline import OfflineRecognizer
from earshot.engines.windows import OVERLAP, WINDOW, Windows
from earshot.text.normalise import normalise


class CtcBase(OfflineRecognizer):
    """Base of recognizers with a CTC net. A subclass writes ``_hear``; it may prepare sound in ``_prepared``.

    symbols: what each token writes, as in ``spell_words``. blank: the one that stands for nothing. delimiter:
    the one that parts words. frame_shift: samples. languages: what the model knows, empty where nothing tells;
    language: what is spoken.
    language_model: what is likely to be said, in words or letters; None decodes greedily, or for hot words.
    window, overlap: seconds; longer stretches are heard in windows whose log-probabilities are joined in the
    middle of their overlap.

    space: the token that parts words, None where there is none.
    A word's confidence is the geometric mean of the posteriors of its letters, each over the frames in which it
    stands; see ``spell_words``.
    Raises UnsupportedError for a language that the model does not know.
    """

    cut_options = CutOptions(target_duration=15.0)

    def __init__(
        self,
        name: str,
        symbols: Sequence[str],
        blank: int,
        *,
        delimiter: str,
        frame_shift: int,
        languages: frozenset[str] = frozenset(),
        language: str | None = None,
        language_model: NgramModel | None = None,
        window: float = WINDOW,
        overlap: float = OVERLAP,
        is_streaming: bool = False,
    ) -> None:
        check_language(name, language, languages)
        self.name = name
        self.language = language or (min(languages) if len(languages) == 1 else None)
        self.decoder = CtcDecoder(
            symbols, blank, frame_shift=frame_shift, delimiter=delimiter, model=language_model
        )
        self.capabilities = Capabilities(
            streaming=is_streaming,
            word_times=True,
            confidences=True,
            hot_words=self.decoder.takes_hot_words,
            languages=languages,
            max_duration=window,
        )
        self.blank = blank
        self.frame_shift = frame_shift
        self._symbols = tuple(symbols)
        self._places = {symbol: place for place, symbol in enumerate(symbols) if symbol}
        self.space = self._places.get(delimiter)
        self._delimiter = delimiter
        self._windows = Windows.of(window, overlap, frame_shift)
        self._vocabulary: Vocabulary | None = None

    def _hear(self, windows: Sequence[Samples]) -> Iterable[LogProbs]:
        """Log-probabilities (frames, tokens) of each window, in order. Raises EngineError when closed."""
        raise NotImplementedError

    def _prepared(self, samples: Samples) -> Samples:
        """A recording before it is cut into windows."""
        return samples

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """See ``Recognizer``; stretches longer than the window are no error."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        transcripts = []
        for audio, log_probs in zip(audios, self._heard(audios), strict=True):
            words = () if log_probs is None else self._words(log_probs, hot_words)
            transcripts.append(self._transcript(audio, words))
        return transcripts

    def tokens_of(self, text: str) -> list[int]:
        """Which tokens write a text, normalised; letters that the net does not know are left out."""
        places = {**self._places, " ": self.space}
        known = "".join(letter for letter in normalise(text) if letter in places)
        return [place for letter in " ".join(known.split()) if (place := places[letter]) is not None]

    @property
    def vocabulary(self) -> Vocabulary:
        """The net's tokens by how they are spelled, for constraints."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary([symbol.replace(self._delimiter, " ") for symbol in self._symbols])
        return self._vocabulary

    def search(self, audios: Sequence[Audio], constraint: TokenConstraint, *, width: int = 4) -> list[Searched]:
        """See ``ConstrainedRecognizer``. Letters need twice the hypotheses that pieces of words need."""
        return [
            Searched((), "", "", 0.0, is_heard=False)
            if log_probs is None
            else self._searched(log_probs, constraint, 2 * width)
            for log_probs in self._heard(audios)
        ]

    def log_probs(self, audio: Audio) -> LogProbs:
        """Log-probabilities (frames, tokens) of a recording of any length, for decoders and aligners.

        No frames where the recording is shorter than the net's first frame.
        """
        return self.hear([audio])[0]

    def hear(self, audios: Sequence[Audio]) -> list[LogProbs]:
        """The same of several recordings."""
        cut = [self._windows.cut(self._prepared(resample(audio, SAMPLE_RATE).samples)) for audio in audios]
        pieces = iter(self._hear([window for windows in cut for window in windows]))
        return [self._windows.joined([next(pieces) for _ in windows]) for windows in cut]

    def _heard(self, audios: Sequence[Audio]) -> list[LogProbs | None]:
        """Of each recording, None for digital silence: nobody speaks in it, whatever a net makes of it."""
        found = iter(self.hear([audio for audio in audios if audio.samples.any()]))
        return [next(found) if audio.samples.any() else None for audio in audios]

    def _words(self, log_probs: LogProbs, hot_words: Sequence[str] = ()) -> tuple[Word, ...]:
        """Words with times and confidences; nets differ in when they write what they hear."""
        return self.decoder.words(log_probs, hot_words=hot_words)

    def _searched(self, log_probs: LogProbs, constraint: TokenConstraint, width: int) -> Searched:
        found = search_ctc(log_probs, self.blank, constraint, width=width, delimiter=self.space)
        written = found[0].text.strip() if found else ""
        free = float(log_probs.max(axis=-1).sum())
        text = " ".join(word.text for word in self._words(log_probs))
        return Searched(tuple(found), written, text, free, is_heard=bool(text))

    def _transcript(self, audio: Audio, words: tuple[Word, ...]) -> Transcript:
        segments: tuple[Segment, ...] = ()
        if words:
            text = " ".join(word.text for word in words)
            start, end = words[0].start or 0.0, words[-1].end or audio.duration
            segments = (Segment(text, start, end, words, language=self.language),)
        return Transcript(segments, self.language, audio.duration, self.name)


def check_language(name: str, language: str | None, languages: frozenset[str]) -> None:
    """Raise UnsupportedError for a language that a model does not know, where it names those that it does."""
    if language and languages and language not in languages:
        raise UnsupportedError(
            f"{name} knows {', '.join(sorted(languages))}, not {language}",
            fix="leave --language out, or choose another model",
        )
