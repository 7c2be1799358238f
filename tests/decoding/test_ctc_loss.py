"""The loss against its definition, summed over all paths, and against torch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from earshot.core.optional import is_installed
from earshot.decoding.ctc import LogProbs, log_softmax
from earshot.decoding.ctc_loss import ctc_loss


def some(num_frames: int, num_tokens: int, seed: int = 0) -> LogProbs:
    return log_softmax(2 * np.random.default_rng(seed).standard_normal((num_frames, num_tokens)))


def spelled(path: tuple[int, ...], blank: int) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != blank]


@pytest.mark.parametrize("tokens", [[], [0], [0, 1], [1, 1], [1, 0, 1]])
@pytest.mark.parametrize("num_frames", [1, 3, 5])
def test_it_is_the_sum_over_all_paths(tokens: list[int], num_frames: int) -> None:
    blank, log_probs = 2, some(num_frames, 3, seed=num_frames)
    probability = math.fsum(
        math.exp(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        for path in itertools.product(range(3), repeat=num_frames)
        if spelled(path, blank) == tokens
    )
    expected = -math.log(probability) if probability else math.inf
    assert ctc_loss(log_probs, tokens, blank) == pytest.approx(expected)


def test_it_is_torchs() -> None:
    if not is_installed("torch"):
        pytest.skip("no torch: pip install 'earshot[train]'")
    import torch

    log_probs, tokens = some(200, 30), [int(one) for one in np.random.default_rng(1).integers(1, 30, 60)]
    theirs = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None], torch.tensor([tokens]), [200], [60], reduction="sum"
    )
    assert ctc_loss(log_probs, tokens, 0) == pytest.approx(float(theirs), rel=1e-6)


def test_sound_that_is_too_short_for_its_text() -> None:
    assert ctc_loss(some(2, 3), [1, 1], 0) == math.inf
    assert ctc_loss(np.empty((0, 3)), [1], 0) == math.inf
    assert ctc_loss(np.empty((0, 3)), [], 0) == 0.0
    with pytest.raises(ValueError, match="tokens to align"):
        ctc_loss(some(2, 3), [3], 0)


def test_a_text_that_does_not_belong_to_the_sound_has_a_finite_loss() -> None:
    sure = np.full((2_000, 3), -600.0)
    sure[:, 1] = 0.0
    assert ctc_loss(sure, [2] * 5, 0) > 3_000
    assert math.isfinite(ctc_loss(sure, [2] * 5, 0))
