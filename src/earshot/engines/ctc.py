"""Nets of one's own that write letters by CTC: what ``earshot train recognizer`` makes of recordings and texts.

Graves et al. 2006, "Connectionist temporal classification: labelling unsegmented sequence data with recurrent
neural networks", ICML. They run on onnxruntime alone; no torch is needed to recognize.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from earshot.core.errors import EngineError, UnsupportedError
from earshot.core.types import Grammar, Samples, Word
from earshot.decoding.alphabet import BLANK
from earshot.decoding.ctc import WORD_START, LogProbs
from earshot.decoding.ngram_files import read_ngrams
from earshot.decoding.ngram_model import NgramModel
from earshot.engines.base import Engine, EngineOptions, RecognitionStream, check_request
from earshot.engines.ctc_base import CtcBase, check_language
from earshot.engines.ctc_lag import words_earlier
from earshot.engines.ctc_net import ENGINE_NAME, CtcNet
from earshot.engines.ctc_stream import CtcUtterance
from earshot.engines.folder import model_folder
from earshot.engines.windows import OVERLAP, WINDOW
from earshot.models.card import read_card
from earshot.text.normalise import normalise

if TYPE_CHECKING:
    from earshot.models.store import InstalledModel

_UPDATE_INTERVAL = 0.2
"""Seconds between two partials of a net that listens as it goes: each costs only what is new."""


class TrainedRecognizer(CtcBase):
    """A net that hears whole stretches; safe to call from several threads at once.

    folder: as training exports it. name: how it calls itself. num_threads: of one call; None for all cores.
    language, language_model, window, overlap: see ``CtcBase``. lag: seconds by which the net writes letters
    late; times of words know it.
    Raises ModelError when a file is missing or damaged, or card and net do not belong together.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None = None,
        language: str | None = None,
        num_threads: int | None = None,
        language_model: NgramModel | None = None,
        window: float = WINDOW,
        overlap: float = OVERLAP,
    ) -> None:
        name = f"{ENGINE_NAME}/{name or folder.name}"
        net = CtcNet(folder, num_threads=num_threads)
        super().__init__(
            name,
            ["", *net.alphabet.symbols[1:]],
            BLANK,
            delimiter=WORD_START,
            frame_shift=net.frame_shift,
            languages=frozenset(net.card.languages),
            language=language,
            language_model=language_model,
            window=window,
            overlap=overlap,
            is_streaming=net.is_streaming,
        )
        self.alphabet = net.alphabet
        self.lag = net.lag
        self._net: CtcNet | None = net

    def tokens_of(self, text: str) -> list[int]:
        """Which tokens write a text, normalised; letters that the net does not know are left out."""
        foreign = self.alphabet.foreign(text)
        return self.alphabet.encode("".join(letter for letter in normalise(text) if letter not in foreign))

    def close(self) -> None:
        """Release the weights."""
        self._net = None

    def _words(self, log_probs: LogProbs, hot_words: Sequence[str] = ()) -> tuple[Word, ...]:
        return words_earlier(super()._words(log_probs, hot_words), self.lag)

    def _hear(self, windows: Sequence[Samples]) -> list[LogProbs]:
        return self._open_net().log_probs(windows)

    def _open_net(self) -> CtcNet:
        if self._net is None:
            raise EngineError(f"{self.name} is closed", fix="load it again")
        return self._net


class StreamingRecognizer(TrainedRecognizer):
    """A net that listens as it goes: live, it hears each moment once."""

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> RecognitionStream:
        """A live stream, with a partial twice as often as nets have it that hear everything again."""
        from earshot.engines.streaming import BufferedStream, StreamingOptions

        check_request(self.name, self.capabilities, grammar, hot_words)
        options = replace(StreamingOptions(), update_interval=_UPDATE_INTERVAL).with_max_pause(self.max_pause)
        return BufferedStream(self, grammar=grammar, hot_words=hot_words, options=options)

    def open_utterance(self) -> CtcUtterance:
        """See ``earshot.engines.streaming.OpenUtterance``."""
        return CtcUtterance(self._open_net(), self._words, self.language)


def load_ctc(folder: Path, options: EngineOptions | None = None) -> TrainedRecognizer:
    """The recognizer for the model in ``folder``. Raises ModelError, or UnsupportedError."""
    options = options or EngineOptions()
    if options.device != "cpu":
        raise UnsupportedError(f"ctc runs on the CPU, not on {options.device!r}", fix="leave --device out")
    card = read_card(folder)
    check_language(f"{ENGINE_NAME}/{folder.name}", options.language, frozenset(card.languages))
    kind = StreamingRecognizer if card.extra.get("is_streaming") is True else TrainedRecognizer
    return kind(
        folder,
        language=options.language,
        num_threads=options.num_threads,
        language_model=read_ngrams(options.language_model) if options.language_model else None,
    )


def deploy(folder: Path, name: str, *, replace: bool = False) -> InstalledModel:
    """Put a trained model into the store: from then on it is used by its name, by every verb.

    It is loaded and tried first, so that nothing is deployed which does not work. replace: take the place of a
    model of that name. Raises ModelError.
    """
    from earshot.models.store import ModelStore  # the store loads its network code

    load_ctc(folder).close()
    (model,) = ModelStore().add(folder, name=name, engine=ENGINE_NAME, replace=replace)
    return model


def _load(options: EngineOptions) -> TrainedRecognizer:
    return load_ctc(model_folder(options.model, engine=ENGINE_NAME, language=options.language), options)


ENGINE = Engine(
    ENGINE_NAME,
    "nets that you trained, of letters or pieces of words; they also align",
    _load,
    takes_language_model=True,
)
