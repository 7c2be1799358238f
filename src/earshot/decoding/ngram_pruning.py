"""Language models made smaller by what is missed least.

Stolcke 1998, "Entropy-based pruning of backoff language models", DARPA Broadcast News Transcription and
Understanding Workshop. The probability of a history, which weighs each n-gram, is that of the model itself;
Kneser–Ney's short n-grams are no good estimate of it (Chelba et al. 2010, "Study on interaction between entropy
pruning and Kneser-Ney smoothing", Interspeech), so models are best pruned a little, not to a tenth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earshot.decoding.ngram_model import START, NgramModel, Nodes

Doubles = npt.NDArray[np.float64]

_LEAST = 1e-12
"""Probability that is left to a context at least: differences of sums near one are rounding."""


def prune_ngrams(model: NgramModel, threshold: float) -> NgramModel:
    """The model without n-grams whose loss raises its perplexity by less than ``threshold``, as a ratio, each.

    1e-8 halves a model of a few books. Unigrams stay, and what a longer n-gram begins with.
    Raises ValueError for a threshold that is not in [0, 1).
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"a threshold of pruning is in [0, 1), not {threshold}")
    is_kept = np.ones(model.starts[-1], bool)
    histories = _history_log_probs(model)
    for order in range(model.order, 1, -1):
        nodes = np.arange(model.starts[order - 1], model.starts[order])
        losses = entropy_losses(model, nodes, histories)
        has_longer = np.zeros(model.starts[-1], bool)
        if order < model.order:
            longer = np.arange(model.starts[order], model.starts[order + 1])
            has_longer[model.parts(longer[is_kept[longer]])[0]] = True
        is_kept[nodes] = (np.expm1(losses) >= threshold) | has_longer[nodes]
    return _reweighted(_reduced(model, is_kept))


def entropy_losses(model: NgramModel, nodes: Nodes, histories: Doubles) -> Doubles:
    """Nats between the model and the model without each of ``nodes``, all n-grams of one order (equation 3).

    histories: natural log-probabilities of all nodes as histories.
    """
    contexts, probs, shorter = _compared(model, nodes)
    left, left_shorter = (_left(contexts, part, model.starts[-1])[contexts] for part in (probs, shorter))
    weight = np.log(left) - np.log(left_shorter)
    new_weight = np.log(left + probs) - np.log(left_shorter + shorter)
    change = probs * (np.log(shorter) + new_weight - np.log(probs)) + left * (new_weight - weight)
    losses: Doubles = -np.exp(histories[contexts]) * change
    return losses


def _history_log_probs(model: NgramModel) -> Doubles:
    """The natural log-probability of each n-gram from its first word on; the start of a sentence is certain."""
    totals = np.zeros(model.starts[-1])
    for first, end in zip(model.starts[:-1], model.starts[1:], strict=True):
        contexts, _ = model.parts(np.arange(first, end))
        totals[first:end] = totals[contexts] + model.log10_probs[first:end] * np.log(10)
        if first == 1:
            totals[START + 1] = 0.0
    return totals


def _compared(model: NgramModel, nodes: Nodes) -> tuple[Nodes, Doubles, Doubles]:
    """The contexts of n-grams, their probabilities, and those of their words behind the shorter history."""
    contexts, words = model.parts(nodes)
    probs = 10.0 ** model.log10_probs[nodes].astype(np.float64)
    return contexts, probs, np.exp(model.extend(model.suffixes[contexts], words)[0])


def _left(contexts: Nodes, probs: Doubles, size: int) -> Doubles:
    """What the n-grams of each context leave to other words."""
    left: Doubles = np.maximum(1 - np.bincount(contexts, probs, size), _LEAST)
    return left


def _reweighted(model: NgramModel) -> NgramModel:
    """The model with weights of backing off under which each history's words sum to one, from short to long."""
    model.log10_backoffs[:] = 0.0
    for first, end in zip(model.starts[1:-1], model.starts[2:], strict=True):
        contexts, probs, shorter = _compared(model, np.arange(first, end))
        weights = _left(contexts, probs, first) / _left(contexts, shorter, first)
        histories = np.unique(contexts)
        model.log10_backoffs[histories] = np.log10(weights[histories])
    return model


def _reduced(model: NgramModel, is_kept: npt.NDArray[np.bool_]) -> NgramModel:
    """The model of the n-grams that are kept."""
    new_nodes = np.cumsum(is_kept) - 1
    nodes = np.flatnonzero(is_kept)
    contexts, words = model.parts(nodes[1:])
    starts = [1, *(int(new_nodes[end - 1]) + 1 for end in model.starts[1:])]
    while len(starts) > 2 and starts[-1] == starts[-2]:
        starts.pop()
    return NgramModel(
        model.words,
        new_nodes[contexts] * len(model.words) + words,
        model.log10_probs[nodes],
        model.log10_backoffs[nodes],
        starts,
    )
