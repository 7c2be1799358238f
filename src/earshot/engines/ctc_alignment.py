"""Forced alignment by a CTC net of one's own: every language that somebody trained gets word times.

The best CTC path through a known text: Kürzinger et al. 2020, "CTC-segmentation of large corpora for German
end-to-end speech recognition", SPECOM; here exact, window by window.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from pathlib import Path

from earshot.core.errors import EngineError
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.decoding.alphabet import BLANK
from earshot.decoding.ctc import LogProbs, align
from earshot.engines.ctc import TrainedRecognizer, load_ctc
from earshot.engines.ctc_lag import Times, earlier
from earshot.engines.extents import Extent, ForcedAligner, in_pieces
from earshot.engines.viterbi import Span

_WINDOW = 32.0
"""Seconds that are searched at once."""

_MOST_WORDS = 256
"""Nobody says more than eight words a second for so long."""


class CtcAligner(ForcedAligner):
    """Aligns with a model folder of the engine ``ctc``.

    Letters that the net does not know are skipped; words of nothing else get times between their neighbours.

    folder: see ``TrainedRecognizer``. languages: those of its card, empty where it names none. lag: seconds
    by which the net writes letters late.
    Raises ModelError as loading the engine does.
    """

    def __init__(self, folder: Path) -> None:
        self._recognizer: TrainedRecognizer = load_ctc(folder)
        self.languages = self._recognizer.capabilities.languages
        self.lag = self._recognizer.lag
        space, is_by_letters = self._recognizer.space, self._recognizer.alphabet.kind == "letters"
        self._between = [space] if is_by_letters and space is not None else []

    def _find(self, tokens: Sequence[str], samples: Samples) -> list[Extent | None]:
        """See ``ForcedAligner``."""
        spelled = [self._recognizer.tokens_of(token) for token in tokens]
        known = [index for index, pieces in enumerate(spelled) if pieces]
        if not known:
            return [None] * len(tokens)
        log_probs = self._recognizer.log_probs(Audio(samples))
        spans = self._search([spelled[index] for index in known], log_probs)
        second = SAMPLE_RATE / self._recognizer.frame_shift
        times: list[Times | None] = [None] * len(tokens)
        for index, span in zip(known, spans, strict=False):
            times[index] = span.start / second, span.end / second
        return [span and Extent(*span, "aligned") for span in earlier(times, self.lag)]

    def _search(self, words: Sequence[Sequence[int]], log_probs: LogProbs) -> list[Span]:
        """Frames of the words; fewer than there are words when they do not fit into the audio."""

        def search(frames: slice, ahead: slice, is_open: bool) -> list[Span]:
            parts = [[*self._between, *word] for word in words[ahead]]
            ends = [0, *accumulate(map(len, parts))]
            try:
                spans = align(log_probs[frames], list(chain(*parts)), BLANK, is_open=is_open)
            except EngineError:
                return []  # the text is longer than the audio
            lead = len(self._between)
            return [
                Span(spans[first + lead].start, spans[end - 1].end)
                for first, end in pairwise(ends)
                if end <= len(spans)
            ]

        window = max(1, round(_WINDOW * SAMPLE_RATE / self._recognizer.frame_shift))
        return in_pieces(len(log_probs), len(words), search, window=window, most_words=_MOST_WORDS)
