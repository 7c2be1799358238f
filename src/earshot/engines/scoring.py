"""Engines whose net writes letters by CTC: they tell how well a known text fits a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from earshot.core.types import Audio
from earshot.decoding.ctc import LogProbs
from earshot.decoding.ctc_loss import ctc_loss


@runtime_checkable
class CtcRecognizer(Protocol):
    """A recognizer that lets its net be looked at."""

    name: str

    @property
    def blank(self) -> int:
        """The token that writes nothing."""
        ...

    def tokens_of(self, text: str) -> Sequence[int]:
        """Which tokens write a text, normalised; letters that the net does not know are left out."""
        ...

    def log_probs(self, audio: Audio) -> LogProbs:
        """Log-probabilities (frames, tokens) of a recording of any length."""
        ...


def loss_per_token(recognizer: CtcRecognizer, audio: Audio, text: str) -> float | None:
    """The CTC loss of a text over its number of tokens, in nats: near 0 where the net would write the same.

    Of a whole utterance the loss grows with its length, and long ones would always seem the worst. Infinite
    where the recording is too short for its text; None where the net can write none of it.
    """
    tokens = recognizer.tokens_of(text)
    if not tokens:
        return None
    return ctc_loss(recognizer.log_probs(audio), tokens, recognizer.blank) / len(tokens)
