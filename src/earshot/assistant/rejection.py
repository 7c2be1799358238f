"""Whether a sentence of the grammar was said, or is only the nearest to what was.

What free recognition makes of the same sound is the measure: the log-probability that the grammar costs is the
rejection score. It grows with the length of what was said: a sentence may cost 1 nat and 0.3 a letter.
``benchmarks/assistant.py`` measures what that accepts, of what was said and of what was not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_ALLOWED, _ALLOWED_PER_LETTER = 1.0, 0.3
_SOFTNESS, _SOFTNESS_PER_LETTER = 0.6, 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision rests on.

    loss: natural log-probability of what was heard freely, minus that of the sentence. num_letters: of the
    sentence. has_text: whether free recognition wrote anything at all.
    """

    loss: float
    num_letters: int
    has_text: bool


def probability(evidence: Evidence) -> float:
    """That the sentence was said, in [0, 1]; 0.5 where what it costs is what a sentence of its length may."""
    if not evidence.has_text:
        return 0.0
    margin = _ALLOWED + _ALLOWED_PER_LETTER * evidence.num_letters - evidence.loss
    softness = _SOFTNESS + _SOFTNESS_PER_LETTER * evidence.num_letters
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin / softness))))
