"""Connectionist temporal classification: greedy decoding and forced alignment, both with token times.

Log-probabilities have the shape (frames, tokens), natural logarithm, each row summing to one as probabilities;
one of the tokens is the blank. Frames are counted here; seconds come in with ``spell_words``.

Graves et al. 2006, "Connectionist temporal classification: labelling unsegmented sequence data with recurrent
neural networks", ICML. Alignment of known text by the best path through the same states: Kürzinger et al. 2020,
"CTC-segmentation of large corpora for German end-to-end speech recognition", SPECOM.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from earshot.core.errors import EngineError
from earshot.core.types import SAMPLE_RATE, Word

LogProbs = npt.NDArray[np.floating]
"""Shape (frames, tokens)."""

WORD_START = "▁"
"""What marks the first piece of a word in SentencePiece vocabularies."""


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """One token on a CTC path: frames [start, end), and its mean posterior over them (geometric), in [0, 1]."""

    token: int
    start: int
    end: int
    probability: float


def log_softmax(logits: LogProbs) -> LogProbs:
    """Log-probabilities (frames, tokens) of a net's raw outputs; keeps the float type."""
    shifted: LogProbs = logits - logits.max(axis=-1, keepdims=True)
    log_probs: LogProbs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probs


def greedy(log_probs: LogProbs, blank: int) -> list[TokenSpan]:
    """The most probable token of each frame, repeats merged, blanks left out.

    Tokens on both sides of a blank stay two. Raises ValueError on another shape or a blank out of range.
    """
    _check(log_probs, blank)
    best = log_probs.argmax(axis=1)
    return _spans(log_probs, best, best, blank)


def align(log_probs: LogProbs, tokens: Sequence[int], blank: int, *, is_open: bool = False) -> list[TokenSpan]:
    """Where each of the known ``tokens`` is said: the most probable of all CTC paths that spell them (Viterbi).

    Returns one span a token, in order, each at least one frame long; of equally probable paths the one that
    changes tokens earliest. is_open: the text goes on behind these frames, so only as many of the first tokens
    get a span as best fit; the last of them may be said further.
    Takes time and a quarter of a byte of memory for each frame and state (2 × tokens + 1 states).
    Raises EngineError when the tokens do not fit: fewer frames than tokens (and blanks between equal
    neighbours), or all paths have probability zero; ValueError on another shape or a token out of range.
    """
    states, may_skip = states_of(log_probs, tokens, blank)
    num_frames = len(log_probs)
    if not tokens or (is_open and not num_frames):
        return []
    num_needed = frames_needed(tokens)
    if num_frames < num_needed and not is_open:
        raise EngineError(
            f"{len(tokens)} tokens need {num_needed} frames of audio, and there are {num_frames}",
            fix="check that the text belongs to this audio",
        )
    path = _best_path(log_probs, states, may_skip, is_open=is_open)
    return _spans(log_probs, path, states[path], blank)


def frames_needed(tokens: Sequence[object]) -> int:
    """The least frames in which CTC can write tokens: one each, one more between equal ones.

    Graves et al., "Connectionist temporal classification", ICML 2006: equal neighbours need a blank between.
    """
    return len(tokens) + sum(one == other for one, other in pairwise(tokens))


def states_of(
    log_probs: LogProbs, tokens: Sequence[int], blank: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """The tokens' states on a CTC path, (2 × tokens + 1,): blank, token, blank, token … blank.

    Beside them which may be reached from the one before the last, skipping the blank between unequal tokens.
    Raises ValueError on log-probabilities of another shape or a token out of range.
    """
    _check(log_probs, blank)
    num_tokens = log_probs.shape[1]
    if any(not 0 <= token < num_tokens or token == blank for token in tokens):
        raise ValueError(f"tokens to align are in [0, {num_tokens}) and not the blank {blank}")
    states = np.full(2 * len(tokens) + 1, blank, np.intp)
    states[1::2] = tokens
    may_skip = np.zeros(len(states), bool)
    may_skip[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    return states, may_skip


def _best_path(
    log_probs: LogProbs, states: npt.NDArray[np.intp], may_skip: npt.NDArray[np.bool_], *, is_open: bool
) -> npt.NDArray[np.intp]:
    """The state of each frame on the best path, which ends in one of the last two states, or in any.

    A step stays, advances by one state, or skips the blank between two unequal labels.
    """
    num_frames, num_states = len(log_probs), len(states)
    skip_cost = np.where(may_skip, 0.0, -np.inf)

    # Two -inf in front, so that the first states have predecessors; float64 as scores of hours add up.
    scores = np.full(num_states + 2, -np.inf)
    scores[2:4] = log_probs[0, states[:2]]
    stay, step, jump = scores[2:], scores[1:-1], scores[:-2]  # views: they follow ``scores``
    advance, skip = np.empty((2, num_states))
    num_bytes = (num_states + 7) // 8
    advanced, skipped = np.zeros((2, num_frames, num_bytes), np.uint8)  # one bit a state
    for frame in range(1, num_frames):
        np.add(jump, skip_cost, out=skip)
        np.maximum(step, skip, out=advance)
        advanced[frame] = np.packbits(advance > stay)
        skipped[frame] = np.packbits(skip > step)
        np.maximum(stay, advance, out=advance)
        np.add(advance, log_probs[frame].take(states), out=stay)

    last = 0 if is_open else num_states - 2
    state = last + int(scores[2 + last :].argmax())
    if scores[state + 2] == -np.inf:
        raise EngineError("no path through the audio spells the text", fix="check that the text belongs to it")
    path = np.empty(num_frames, np.intp)
    for frame in range(num_frames - 1, -1, -1):
        path[frame] = state
        byte, bit = state >> 3, 7 - (state & 7)
        if advanced[frame, byte] >> bit & 1:
            state -= 1 + int(skipped[frame, byte] >> bit & 1)
    return path


def _spans(
    log_probs: LogProbs, path: npt.NDArray[np.intp], tokens: npt.NDArray[np.intp], blank: int
) -> list[TokenSpan]:
    """The stretches of one state in ``path``, one state a frame; ``tokens``: what each frame says in it."""
    if not len(path):
        return []
    starts = np.concatenate(([0], np.flatnonzero(path[1:] != path[:-1]) + 1))
    ends = np.append(starts[1:], len(path))
    logs = log_probs[np.arange(len(path)), tokens].astype(np.float64)
    # Rounding may lift the log-probability of a certain token a hair above zero.
    means = np.exp(np.minimum(np.add.reduceat(logs, starts) / (ends - starts), 0.0))
    said = tokens[starts] != blank
    columns = (tokens[starts][said], starts[said], ends[said], means[said])
    return [TokenSpan(*span) for span in zip(*(column.tolist() for column in columns), strict=True)]


def _check(log_probs: LogProbs, blank: int) -> None:
    if log_probs.ndim != 2:
        raise ValueError(f"log-probabilities have the shape (frames, tokens), not {log_probs.shape}")
    if not 0 <= blank < log_probs.shape[1]:
        raise ValueError(f"the blank is one of {log_probs.shape[1]} tokens, not {blank}")


def spell_words(
    spans: Sequence[TokenSpan],
    symbols: Sequence[str],
    *,
    frame_shift: int,
    delimiter: str = "|",
    offset: int = 0,
) -> tuple[Word, ...]:
    """Words of the tokens that ``greedy`` or ``align`` found.

    symbols: what each token writes, "" for nothing. A word ends at ``delimiter`` and before a symbol that
    begins with ``WORD_START``. frame_shift: samples from frame to frame; offset: samples before frame 0.
    A word's confidence is the geometric mean of its tokens' probabilities, so one doubtful letter of five
    counts a fifth. Its end is that of its last token, which CTC tends to put early: nets emit a token in a
    frame or two, at any moment while it is said.
    """
    words: list[list[TokenSpan]] = [[]]
    for span in spans:
        symbol = symbols[span.token]
        if symbol == delimiter or symbol.startswith(WORD_START):
            words.append([])
        if symbol != delimiter and symbol.removeprefix(WORD_START):
            words[-1].append(span)
    return tuple(_word(word, symbols, frame_shift, offset) for word in words if word)


def _word(spans: Sequence[TokenSpan], symbols: Sequence[str], frame_shift: int, offset: int) -> Word:
    logs = [math.log(span.probability) if span.probability else -math.inf for span in spans]
    return Word(
        "".join(symbols[span.token].removeprefix(WORD_START) for span in spans),
        (offset + spans[0].start * frame_shift) / SAMPLE_RATE,
        (offset + spans[-1].end * frame_shift) / SAMPLE_RATE,
        math.exp(sum(logs) / len(logs)),
        "engine",
    )
