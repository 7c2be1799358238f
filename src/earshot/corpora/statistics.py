"""A corpus in figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from earshot.corpora.letters import count_letters, letters_of
from earshot.corpora.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of a manifest. Times are seconds.

    num_timed: utterances whose duration is known; all times are of those. durations: of these, in order.
    speakers, languages, labels: seconds of each (utterances of unknown duration count 0); None is nobody.
    letters: counts in normalised text. rates: letters a second of each timed utterance with text.
    """

    num_utterances: int
    num_timed: int
    num_recordings: int
    num_words: int
    vocabulary: int
    durations: tuple[float, ...]
    rates: tuple[float, ...]
    speakers: dict[str | None, float]
    languages: dict[str | None, float]
    labels: Counter[str]
    letters: Counter[str]

    @property
    def duration(self) -> float:
        """Seconds in all."""
        return float(np.sum(self.durations))

    def quantiles(self, values: tuple[float, ...]) -> tuple[float, float, float] | None:
        """The 5th, 50th and 95th percentile; None of nothing."""
        if not values:
            return None
        low, middle, high = np.percentile(values, [5, 50, 95])
        return float(low), float(middle), float(high)


def describe(manifest: Manifest) -> Statistics:
    """Count what a manifest says; no recording is opened."""
    words: Counter[str] = Counter()
    speakers: dict[str | None, float] = {}
    languages: dict[str | None, float] = {}
    rates = []
    for utterance in manifest:
        text = letters_of(utterance.text or "")
        words.update(text.split())
        seconds = utterance.duration or 0.0
        speakers[utterance.speaker] = speakers.get(utterance.speaker, 0.0) + seconds
        languages[utterance.language] = languages.get(utterance.language, 0.0) + seconds
        if text and seconds:
            rates.append(len(text) / seconds)
    durations = tuple(one.duration for one in manifest if one.duration is not None)
    return Statistics(
        num_utterances=len(manifest),
        num_timed=len(durations),
        num_recordings=len({one.audio for one in manifest}),
        num_words=words.total(),
        vocabulary=len(words),
        durations=durations,
        rates=tuple(rates),
        speakers=speakers,
        languages=languages,
        labels=Counter(one.label for one in manifest if one.label is not None),
        letters=count_letters(one.text for one in manifest if one.text),
    )
