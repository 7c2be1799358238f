"""A growing utterance for nets that listen as they go: nothing that was heard is heard again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from earshot.core.types import Samples, Word
from earshot.decoding.ctc import LogProbs
from earshot.engines.ctc_front_ends import Matrix
from earshot.engines.ctc_net import CtcNet, State
from earshot.engines.streaming import UNMARKED, with_stable

_MARGIN = 8
"""Frames of features before the utterance's end that may still change: windows reach over it."""


class CtcUtterance:
    """See ``OpenUtterance``. What comes out equals what the net hears in the whole stretch at once.

    Features of the whole utterance are computed anew (9 ms for a minute); frames that are as they were when the
    net heard them are not heard again. Should one have changed, it hears everything again.

    words: makes words of log-probabilities.
    """

    def __init__(
        self, net: CtcNet, words: Callable[[LogProbs], tuple[Word, ...]], language: str | None
    ) -> None:
        self.language = language
        self._net = net
        self._words_of = words
        self._words: tuple[Word, ...] = ()
        self._past = _Past()

    def decode(self, samples: Samples, num_stable: int = 0) -> tuple[Word, ...]:
        """See ``OpenUtterance``."""
        words = self._words_of(self.log_probs(samples))
        self._words = with_stable(self._words[:num_stable], words)
        return self._words

    def log_probs(self, samples: Samples) -> LogProbs:
        """Of the utterance so far: (frames, symbols)."""
        features = self._net.features(samples)
        if not np.array_equal(features[: self._past.num_frames], self._past.features):
            self._past = _Past()
        past, factor = self._past, self._net.subsampling
        whole = max(0, len(features) - _MARGIN) // factor * factor
        if whole > past.num_frames:
            found, past.state = self._net.step(features[past.num_frames : whole], past.state)
            past.found.append(found)
            past.features = features[:whole]
        rest = self._net.last(features[past.num_frames :], past.state)
        return np.concatenate([*past.found, rest])

    def is_speech(self, samples: Samples) -> bool:  # noqa: ARG002 - the net decided when it wrote letters
        """Whether there are words."""
        return bool(self._words)

    def completeness(self, num_silent_frames: int) -> float:  # noqa: ARG002 - letters do not tell
        """Unknown: these nets write no marks."""
        return UNMARKED


@dataclass(slots=True)
class _Past:
    """What the net has heard for good: features, what it made of them, and its state after them."""

    features: Matrix = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    found: list[LogProbs] = field(default_factory=list)
    state: State | None = None

    @property
    def num_frames(self) -> int:
        return len(self.features)
