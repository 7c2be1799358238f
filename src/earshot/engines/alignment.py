"""When each word of a known text is said: forced alignment.

Any engine's words get their times here. The aligner for English needs no download: it reads the acoustic model
and the dictionary that the pocketsphinx wheel carries, but searches by itself (see ``sphinx_model`` for why).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from earshot.audio.resample import resample
from earshot.core.errors import MissingExtraError
from earshot.core.optional import is_installed
from earshot.core.types import SAMPLE_RATE, Audio, Samples, TimeSource, Word
from earshot.engines.pronunciation import Lexicon
from earshot.engines.sphinx_model import FRAME_SHIFT, FRAME_WINDOW, SphinxModel
from earshot.engines.viterbi import Indices, Matrix, Pronunciation, Span, WordNetwork
from earshot.text.spoken_form import spoken_forms

_FRAME_STEP = 2
"""Every second frame is looked at: a fifth less work, and word starts move by less than they err (after pauses
median 22 ms and 90th percentile 37 ms, with every frame 22 and 34 ms)."""

_WINDOW = 3_200
"""Frames that are searched at once, 32 s: longer audio is aligned piece by piece, so memory stays bounded."""

_COMMITTED = 0.7
"""Part of such a piece whose words are kept; those after it are aligned again with what follows."""

_ANY_SPEECH_PRICE = np.float32(2.5)
"""What a frame of a word that cannot be pronounced costs against the best phone; frames of known words lose 1.2
to 2.1 on average (LibriSpeech), frames of other words far more."""

_SHORTEST = 0.01
"""Seconds that every word gets, room permitting."""


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


def find_aligner(language: str | None) -> Aligner | None:
    """A new aligner for a language (ISO 639-1, a region may follow as in ``en-GB``), None where there is none.

    Raises ModelError when the aligner's files are damaged.
    """
    if (
        language is None
        or language.lower().replace("_", "-").split("-")[0] not in PocketSphinxAligner.languages
    ):
        return None
    return PocketSphinxAligner() if is_installed("pocketsphinx") else None


class PocketSphinxAligner:
    """Forced alignment of English with PocketSphinx's acoustic model and dictionary.

    Half of the word starts are within about 20 ms of the truth, nine of ten in read sentences within 45 ms (see
    ``benchmarks/word_times.py``). A second of audio costs 3 ms of one core. Words get the time
    source ``aligned``; those that cannot be pronounced (another script, lone punctuation) or do not fit the
    audio at all get times between their neighbours and the source ``interpolated``. Times never overlap, never
    leave the audio, and no word is without duration; only in audio without a sample are they None.

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

    def align(self, audio: Audio, text: str, *, offset: float = 0.0) -> tuple[Word, ...]:
        """See ``Aligner``."""
        return self.align_words(audio, [Word(token) for token in text.split()], offset=offset)

    def align_words(self, audio: Audio, words: Sequence[Word], *, offset: float = 0.0) -> tuple[Word, ...]:
        """See ``Aligner``."""
        # Cleaned before resampling, whose filter would spread one broken value over its whole length.
        clean = np.clip(np.nan_to_num(audio.samples, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
        samples = resample(Audio(clean, audio.sample_rate), SAMPLE_RATE).samples
        if not len(samples) or not words:
            return tuple(replace(word, start=None, end=None, time_source=None) for word in words)
        duration = audio.duration
        tokens = [word.text for word in words]
        found = self._find(tokens, samples)
        extents = _fill(found, tokens, _speech_extent(samples), duration)
        return tuple(
            replace(word, start=extent.start + offset, end=extent.end + offset, time_source=extent.source)
            for word, extent in zip(words, extents, strict=True)
        )

    def _find(self, tokens: Sequence[str], samples: Samples) -> list[_Extent | None]:
        """Where each token lies, None where the search cannot tell."""
        if not any(token.islower() or not token.isupper() for token in tokens):
            tokens = [token.lower() for token in tokens]  # all in capitals: none of them is an abbreviation
        parts = [self._parts(token) for token in tokens]
        network_words = [part for token_parts in parts for part in token_parts.words]
        found: list[_Extent | None] = [None] * len(tokens)
        if not any(part.is_pronounceable for part in parts):
            return found
        spans = self._search(network_words, samples)
        at = 0
        for i, part in enumerate(parts):
            own = spans[at : at + len(part.words)]
            at += len(part.words)
            if own and part.words and len(own) == len(part.words):
                source: TimeSource = "aligned" if part.is_pronounceable else "interpolated"
                found[i] = _Extent(_seconds(own[0].start), _seconds(own[-1].end), source)
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
        spans: list[Span] = []
        start = 0
        while len(spans) < len(words):
            window = scores[start : start + _WINDOW]
            is_last = start + len(window) == len(scores)
            # Nobody says more than eight words a second for so long.
            ahead = words[len(spans) : None if is_last else len(spans) + _WINDOW // 12]
            network = WordNetwork(ahead, self._phones["SIL"], self._transitions)
            if is_last and network.min_frames > len(window):
                break  # before the emissions of a text that is far too long fill the memory
            emissions = window[:, column[network.state_phones] + network.state_indices]
            path = network.best_path(emissions, is_open=not is_last)
            if not is_last:
                limit = int(_COMMITTED * _WINDOW)
                path = [span for span in path if span.end <= limit]
            spans += [Span(start + span.start, start + span.end) for span in path]
            if is_last:
                break
            start = spans[-1].end if path else start + int(_COMMITTED * _WINDOW)
        return spans

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


@dataclass(frozen=True, slots=True)
class _Extent:
    start: float
    end: float
    source: TimeSource


def _seconds(frame: int) -> float:
    """The border before a frame: midway between the middles of its window and of the one before.

    The step of the frames that are looked at moves borders earlier by half a frame.
    """
    middle = (FRAME_WINDOW - FRAME_SHIFT) / 2
    late = (_FRAME_STEP // 2 - (_FRAME_STEP - 1) / 2) * FRAME_SHIFT
    return (frame * FRAME_SHIFT + middle + late) / SAMPLE_RATE


def _speech_extent(samples: Samples) -> tuple[float, float]:
    """Seconds where sound begins and ends: blocks of 10 ms within 35 dB of the loudest."""
    num_blocks = len(samples) // FRAME_SHIFT
    if not num_blocks:
        return 0.0, len(samples) / SAMPLE_RATE
    blocks = samples[: num_blocks * FRAME_SHIFT].reshape(num_blocks, FRAME_SHIFT)
    power = np.square(blocks).mean(axis=1)
    loud = np.flatnonzero(power >= 10**-3.5 * power.max())
    return loud[0] * FRAME_SHIFT / SAMPLE_RATE, (loud[-1] + 1) * FRAME_SHIFT / SAMPLE_RATE


def _fill(
    found: Sequence[_Extent | None], tokens: Sequence[str], speech: tuple[float, float], duration: float
) -> list[_Extent]:
    """Extents of all tokens: those not found share the room between their neighbours by their letters."""
    shortest = min(_SHORTEST, duration / (2 * len(tokens)))
    extents: list[_Extent] = []
    i = 0
    while i < len(tokens):
        if (here := found[i]) is not None:
            extents.append(here)
            i += 1
            continue
        until = next((j for j in range(i, len(tokens)) if found[j] is not None), len(tokens))
        following = found[until] if until < len(tokens) else None
        begin = extents[-1].end if extents else min(speech[0], following.start if following else duration)
        end = following.start if following else max(speech[1], begin)
        weights = np.array([max(1, sum(c.isalnum() for c in token)) for token in tokens[i:until]])
        borders = begin + (end - begin) * np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
        extents += [_Extent(float(a), float(b), "interpolated") for a, b in pairwise(borders)]
        i = until
    return _spread(extents, shortest, duration)


def _spread(extents: Sequence[_Extent], shortest: float, duration: float) -> list[_Extent]:
    """The same, clipped to [0, duration], without overlap, each at least ``shortest`` seconds."""
    starts, ends = [e.start for e in extents], [e.end for e in extents]
    clock = 0.0
    for i in range(len(extents)):  # forwards: nothing begins before the word before ends
        starts[i] = max(starts[i], clock)
        ends[i] = max(ends[i], starts[i] + shortest)
        clock = ends[i]
    clock = duration
    for i in reversed(range(len(extents))):  # backwards: nothing ends after the next word begins
        ends[i] = min(ends[i], clock)
        starts[i] = min(starts[i], ends[i] - shortest)
        clock = starts[i]
    return [
        _Extent(max(0.0, start), end, extent.source)
        for start, end, extent in zip(starts, ends, extents, strict=True)
    ]
