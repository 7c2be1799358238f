"""Whether a sentence of the grammar was said, or only the nearest to what was."""

from __future__ import annotations

import math
from dataclasses import dataclass

from earshot.core.types import SAMPLE_RATE  # noqa: F401


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision rests on. Log-probabilities are of the whole sentence, natural."""

    open_log_prob: float
    log_prob: float
    num_letters: int
    open_text: str
    text: str
    duration: float


def probability(evidence: Evidence) -> float:
    """That the sentence was said, in [0, 1]."""
    if not evidence.open_text:
        return 0.0
    loss = (evidence.open_log_prob - evidence.log_prob) / evidence.num_letters
    return 1 / (1 + math.exp(12 * (loss - 0.35)))
