"""From spans that a search found to the times of all words: what every forced aligner shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from earshot.audio.resample import resample
from earshot.core.types import SAMPLE_RATE, Audio, Samples, TimeSource, Word
from earshot.engines.viterbi import Span

_COMMITTED = 0.7
"""Part of a piece of long audio whose words are kept; those after it are aligned again with what follows."""

_SHORTEST = 0.01
"""Seconds that every word gets, room permitting."""

_BLOCK = SAMPLE_RATE // 100


@dataclass(frozen=True, slots=True)
class Extent:
    """Seconds from start to end, and how they were found."""

    start: float
    end: float
    source: TimeSource


class ForcedAligner:
    """Base of aligners. A subclass sets ``languages`` and writes ``_find``.

    Words get the time source ``aligned``; those that it cannot find get times between their neighbours and the
    source ``interpolated``. Times never overlap, never leave the audio, and no word is without duration; only
    in audio without a sample are they None.
    """

    languages: frozenset[str] = frozenset()

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
        tokens = [word.text for word in words]
        extents = filled(self._find(tokens, samples), tokens, speech_extent(samples), audio.duration)
        return tuple(
            replace(word, start=extent.start + offset, end=extent.end + offset, time_source=extent.source)
            for word, extent in zip(words, extents, strict=True)
        )

    def _find(self, tokens: Sequence[str], samples: Samples) -> list[Extent | None]:
        """Where each token lies in 16 kHz sound, None where the search cannot tell."""
        raise NotImplementedError


def in_pieces(
    num_frames: int,
    num_words: int,
    search: Callable[[slice, slice, bool], list[Span]],
    *,
    window: int,
    most_words: int,
) -> list[Span]:
    """Spans of words in audio of any length, fewer than there are words when they do not fit.

    search: given some frames, some words, and whether these may reach beyond those frames, the spans of the
    first words, counted from the first of these frames. window: frames that are searched at once, so that
    memory stays bounded; most_words: nobody says more in them.
    """
    spans: list[Span] = []
    start, limit = 0, int(_COMMITTED * window)
    while len(spans) < num_words:
        is_last = start + window >= num_frames
        ahead = num_words if is_last else min(num_words, len(spans) + most_words)
        path = search(slice(start, min(start + window, num_frames)), slice(len(spans), ahead), not is_last)
        if not is_last:
            path = [span for span in path if span.end <= limit]
        spans += [Span(start + span.start, start + span.end) for span in path]
        if is_last:
            break
        start = spans[-1].end if path else start + limit
    return spans


def speech_extent(samples: Samples) -> tuple[float, float]:
    """Seconds where sound begins and ends: blocks of 10 ms within 35 dB of the loudest."""
    num_blocks = len(samples) // _BLOCK
    if not num_blocks:
        return 0.0, len(samples) / SAMPLE_RATE
    blocks = samples[: num_blocks * _BLOCK].reshape(num_blocks, _BLOCK)
    power = np.square(blocks).mean(axis=1)
    loud = np.flatnonzero(power >= 10**-3.5 * power.max())
    return loud[0] * _BLOCK / SAMPLE_RATE, (loud[-1] + 1) * _BLOCK / SAMPLE_RATE


def filled(
    found: Sequence[Extent | None], tokens: Sequence[str], speech: tuple[float, float], duration: float
) -> list[Extent]:
    """Extents of all tokens: those not found share the room between their neighbours by their letters."""
    shortest = min(_SHORTEST, duration / (2 * len(tokens)))
    extents: list[Extent] = []
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
        extents += [Extent(float(a), float(b), "interpolated") for a, b in pairwise(borders)]
        i = until
    return _spread(extents, shortest, duration)


def _spread(extents: Sequence[Extent], shortest: float, duration: float) -> list[Extent]:
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
        Extent(max(0.0, start), end, extent.source)
        for start, end, extent in zip(starts, ends, extents, strict=True)
    ]
