"""When each word of a known text is said: forced alignment.

Any engine's words get their times here. The aligner for English needs no download: it reads the acoustic model
and the dictionary that the pocketsphinx wheel carries, but searches by itself (see ``sphinx_model`` for why).
Other languages have one where somebody trained a net for the engine ``ctc`` (``ctc_alignment``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from earshot.core.errors import MissingExtraError
from earshot.core.optional import is_installed
from earshot.core.types import SAMPLE_RATE, Audio, Samples, TimeSource, Word
from earshot.engines.extents import Extent, ForcedAligner, in_pieces
from earshot.engines.folder import fitting_models, model_folder
from earshot.engines.pronunciation import Lexicon
from earshot.engines.sphinx_model import FRAME_SHIFT, FRAME_WINDOW, SphinxModel
from earshot.engines.viterbi import Indices, Matrix, Pronunciation, Span, WordNetwork
from earshot.text.spoken_form import spoken_forms

_FRAME_STEP = 2
"""Every second frame is looked at: a fifth less work, and word starts move by less than they err (after pauses
median 22 ms and 90th percentile 37 ms, with every frame 22 and 34 ms)."""

_WINDOW = 3_200
"""Frames that are searched at once, 32 s."""

_MOST_WORDS = _WINDOW // 12
"""Nobody says more than eight words a second for so long."""

_ANY_SPEECH_PRICE = np.float32(2.5)
"""What a frame of a word that cannot be pronounced costs against the best phone; frames of known words lose 1.2
to 2.1 on average (LibriSpeech), frames of other words far more."""


class Aligner(Protocol):
    """Finds word times. Safe to call from several threads at once.

    languages: ISO 639-1 codes of what it can align.
    """

    languages: frozenset[str]

    def align(self, audio: Audio, text: str, *, offset: float = 0.0) -> tuple[Word, ...]:
        """One word per white-space separated token of ``text``, in order, as written.

        audio: any rate; the text is all that is said in it. offset: seconds added to all times.
        """
        ...

    def align_words(self, audio: Audio, words: Sequence[Word], *, offset: float = 0.0) -> tuple[Word, ...]:
        """The same words, confidences kept, with new times."""
        ...


def find_aligner(language: str | None, *, model: str | None = None) -> Aligner | None:
    """A new aligner for a language (ISO 639-1, a region may follow as in ``en-GB``), None where there is none.

    model: a net for the engine ``ctc`` (its name in the store, or a folder) that shall align; it does so in the
    languages of its card, in all where the card names none. None looks for what there is: PocketSphinx in
    English, else the first installed net for ``ctc`` whose card names the language.
    Raises ModelError when the aligner's files are damaged, or there is no such model.
    """
    from earshot.engines.ctc_alignment import CtcAligner

    code = (language or "").lower().replace("_", "-").split("-")[0]
    if model is not None:
        named = CtcAligner(model_folder(model, engine="ctc"))
        return None if code and named.languages and code not in named.languages else named
    if code in PocketSphinxAligner.languages and is_installed("pocketsphinx"):
        return PocketSphinxAligner()
    names = fitting_models("ctc", code, must_say=True) if code else []
    return CtcAligner(model_folder(names[0], engine="ctc")) if names else None


class PocketSphinxAligner(ForcedAligner):
    """Forced alignment of English with PocketSphinx's acoustic model and dictionary.

    Half of the word starts are within about 20 ms of the truth, nine of ten in read sentences within 45 ms (see
    ``benchmarks/word_times.py``). A second of audio costs 3 ms of one core. Words that cannot be pronounced
    (another script, lone punctuation) or do not fit the audio at all get times between their neighbours.

    folder: a model folder with ``en-us`` (acoustic model) and ``cmudict-en-us.dict``; None for the wheel's.
    """

    languages = frozenset({"en"})

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or wheel_models() / "en-us"
        self._model = SphinxModel.read(folder / "en-us")
        self._lexicon = Lexicon.read(folder / "cmudict-en-us.dict")
        self._phones = {name: index for index, name in enumerate(self._model.phones)}
        self._speech = [i for name, i in self._phones.items() if name.isalpha() and name != "SIL"]
        self._any_speech = len(self._phones)  # a phone of our own: whatever fits best, at a price
        self._transitions = np.concatenate([self._model.transitions, self._model.transitions[:1]])

    def _find(self, tokens: Sequence[str], samples: Samples) -> list[Extent | None]:
        """Where each token lies, None where the search cannot tell."""
        if not any(token.islower() or not token.isupper() for token in tokens):
            tokens = [token.lower() for token in tokens]  # all in capitals: none of them is an abbreviation
        parts = [self._parts(token) for token in tokens]
        network_words = [part for token_parts in parts for part in token_parts.words]
        found: list[Extent | None] = [None] * len(tokens)
        if not any(part.is_pronounceable for part in parts):
            return found
        spans = self._search(network_words, samples)
        at = 0
        for i, part in enumerate(parts):
            own = spans[at : at + len(part.words)]
            at += len(part.words)
            if own and part.words and len(own) == len(part.words):
                source: TimeSource = "aligned" if part.is_pronounceable else "interpolated"
                found[i] = Extent(_seconds(own[0].start), _seconds(own[-1].end), source)
        return found

    def _parts(self, token: str) -> _Token:
        """The words of the search that stand for a token, each a choice of pronunciations."""
        forms = spoken_forms(token)
        if not forms:
            is_sound = any(c.isalnum() for c in token)
            return _Token([[[self._any_speech]]] if is_sound else [], is_pronounceable=False)
        if len(forms) == 1:
            return _Token([self._pronunciations(word) for word in forms[0]], is_pronounceable=True)
        choices: list[Pronunciation] = []
        for form in forms:
            first, *rest = [self._pronunciations(word) for word in form]
            tail = [phone for word in rest for phone in word[0]]
            choices += [[*pronunciation, *tail] for pronunciation in first]
        return _Token([choices], is_pronounceable=True)

    def _pronunciations(self, word: str) -> list[Pronunciation]:
        return [[self._phones[phone] for phone in said] for said in self._lexicon.pronunciations(word)]

    def _search(self, words: Sequence[Sequence[Pronunciation]], samples: Samples) -> list[Span]:
        """Frames of the words; fewer than there are words when they do not fit into the audio."""
        needed = {phone for word in words for said in word for phone in said} | {self._phones["SIL"]}
        scores, column = self._scores(needed, samples)

        def search(frames: slice, ahead: slice, is_open: bool) -> list[Span]:
            network = WordNetwork(words[ahead], self._phones["SIL"], self._transitions)
            window = scores[frames]
            if not is_open and network.min_frames > len(window):
                return []  # before the emissions of a text that is far too long fill the memory
            emissions = window[:, column[network.state_phones] + network.state_indices]
            return network.best_path(emissions, is_open=is_open)

        return in_pieces(len(scores), len(words), search, window=_WINDOW, most_words=_MOST_WORDS)

    def _scores(self, needed: set[int], samples: Samples) -> tuple[Matrix, Indices]:
        """Log likelihoods of the states of the phones, and where each phone's three columns begin."""
        phones = sorted(needed - {self._any_speech})
        if self._any_speech in needed:
            phones = sorted({*phones, *self._speech})
        column = np.zeros(len(self._phones) + 1, np.intp)
        column[phones] = 3 * np.arange(len(phones))
        scores = self._model.log_likelihoods(samples, np.array(phones), step=_FRAME_STEP)
        scores -= scores.max(axis=1, keepdims=True)  # keeps sums small, so float32 bears them
        if self._any_speech in needed:
            speech = (column[self._speech, None] + np.arange(3)).ravel()
            best = scores[:, speech].max(axis=1, keepdims=True) - _ANY_SPEECH_PRICE
            column[self._any_speech] = scores.shape[1]
            scores = np.concatenate([scores, best, best, best], axis=1)
        return scores, column


def wheel_models() -> Path:
    """The model folder of the installed pocketsphinx. Raises MissingExtraError where there is none."""
    if not is_installed("pocketsphinx"):
        raise MissingExtraError(
            "alignment needs pocketsphinx, which is not installed", fix="pip install pocketsphinx"
        )
    from pocketsphinx import get_model_path

    return Path(get_model_path())


@dataclass(frozen=True, slots=True)
class _Token:
    words: Sequence[Sequence[Pronunciation]]
    is_pronounceable: bool


def _seconds(frame: int) -> float:
    """The border before a frame: midway between the middles of its window and of the one before.

    The step of the frames that are looked at moves borders earlier by half a frame.
    """
    middle = (FRAME_WINDOW - FRAME_SHIFT) / 2
    late = (_FRAME_STEP // 2 - (_FRAME_STEP - 1) / 2) * FRAME_SHIFT
    return (frame * FRAME_SHIFT + middle + late) / SAMPLE_RATE
