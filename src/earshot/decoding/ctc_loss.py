"""How probable a net finds a text: the loss of connectionist temporal classification.

Graves et al. 2006, "Connectionist temporal classification", ICML: the forward variables of section 4.1, here in
logarithms, as a text that does not belong to the sound is hundreds of nats below the best one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earshot.decoding.ctc import LogProbs, states_of


def ctc_loss(log_probs: LogProbs, tokens: Sequence[int], blank: int) -> float:
    """Minus the logarithm of the probability of all paths that spell ``tokens``, in nats: 0 or more.

    log_probs: (frames, tokens). Infinite where there are too few frames for the tokens. Raises ValueError on
    another shape, or a token out of range.
    """
    states, may_skip = states_of(log_probs, tokens, blank)
    if not len(log_probs):
        return 0.0 if not tokens else float("inf")
    skip_cost = np.where(may_skip, 0.0, -np.inf)
    # Two -inf in front, so that the first states have predecessors.
    scores = np.full(len(states) + 2, -np.inf)
    scores[2:4] = log_probs[0, states[:2]]
    for frame in log_probs[1:]:
        reached = np.logaddexp(np.logaddexp(scores[2:], scores[1:-1]), scores[:-2] + skip_cost)
        scores[2:] = reached + frame.take(states)
    ends = scores[2:][-2:]  # the last token, or the blank after it
    return max(0.0, -float(np.logaddexp.reduce(ends)))
