"""From the log-probabilities of a CTC net to words with times: greedily, or with what is likely to be said."""

from __future__ import annotations

from collections.abc import Sequence

from earshot.core.types import Word
from earshot.decoding.ctc import LogProbs, TokenSpan, align, greedy, spell_words
from earshot.decoding.fusion import FusionOptions, make_fusion
from earshot.decoding.ngram_model import NgramModel
from earshot.decoding.prefix_search import BeamOptions, Fusion, PrefixSearch
from earshot.text.normalise import normalise


class CtcDecoder:
    """Decodes for one net; safe to use from several threads.

    symbols: what each token writes, as in ``spell_words``; in lower case, or no language model and no hot word
    fits. frame_shift: samples. model: None decodes greedily unless hot words are given.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        blank: int,
        *,
        frame_shift: int,
        delimiter: str = "|",
        model: NgramModel | None = None,
        fusion_options: FusionOptions | None = None,
        beam_options: BeamOptions | None = None,
    ) -> None:
        self._symbols = symbols
        self._blank = blank
        self._frame_shift = frame_shift
        self._delimiter = delimiter
        self._model = model
        self._fusion_options = fusion_options
        self._beam_options = beam_options
        self._last: tuple[tuple[str, ...], Fusion] | None = None

    @property
    def takes_hot_words(self) -> bool:
        """Whether hot words can be told: not beside a language model of letters."""
        return self._model is None or not self._model.is_by_letters

    def words(self, log_probs: LogProbs, *, hot_words: Sequence[str] = (), offset: int = 0) -> tuple[Word, ...]:
        """Words with times and confidences. log_probs: (frames, tokens); offset: samples before frame 0.

        With a language model the times are those of the best path that spells the text.
        """
        spans = self.spans(log_probs, hot_words=hot_words)
        return spell_words(
            spans, self._symbols, frame_shift=self._frame_shift, delimiter=self._delimiter, offset=offset
        )

    def spans(self, log_probs: LogProbs, *, hot_words: Sequence[str] = ()) -> list[TokenSpan]:
        """The tokens of the likeliest text, and their frames."""
        if self._model is None and not hot_words:
            return greedy(log_probs, self._blank)
        search = PrefixSearch(self._blank, self._fusion(hot_words), self._beam_options)
        search.accept(log_probs)
        found = search.found()
        return align(log_probs, found[0].tokens, self._blank) if found else []

    def _fusion(self, hot_words: Sequence[str]) -> Fusion:
        """What is likely with these hot words; kept for the next call, as most ask for the same."""
        key = tuple(normalise(phrase) for phrase in hot_words)
        last = self._last
        if last is None or last[0] != key:
            fusion = make_fusion(
                self._model,
                self._symbols,
                delimiter=self._delimiter,
                hot_words=key,
                options=self._fusion_options,
            )
            last = self._last = (key, fusion)
        return last[1]
