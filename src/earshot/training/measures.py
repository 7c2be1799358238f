"""What a net weighs and costs, and where it errs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earshot.commands.net import CommandNet
from earshot.core.optional import require
from earshot.core.types import SAMPLE_RATE

if TYPE_CHECKING:
    from earshot.training.nets.base import Net

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cost:
    """num_parameters: that learn. num_multiply_adds: of convolutions and linear layers, a clip."""

    num_parameters: int
    num_multiply_adds: int


def cost_of(net: Net, example: Array) -> Cost:
    """example: features of one clip."""
    torch = require("torch", extra="train", purpose="training")
    total = 0

    def count(layer: Any, _inputs: Any, output: Any) -> None:
        nonlocal total
        # Each output number is a sum over one kernel (or one row of the matrix).
        total += int(output[0].numel()) * int(layer.weight[0].numel())

    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in net.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        net.eval()(torch.from_numpy(example[None]))
    for hook in hooks:
        hook.remove()
    return Cost(sum(one.numel() for one in net.parameters()), total)


def latency(net: CommandNet, *, num_runs: int = 30) -> float:
    """Seconds from a second of sound to probabilities on one core, front end included: the median."""
    rng = np.random.default_rng(0)
    clip = (0.05 * rng.standard_normal(SAMPLE_RATE)).astype(np.float32)
    times = []
    for _ in range(num_runs + 3):
        began = time.perf_counter()
        net.classify(clip)
        times.append(time.perf_counter() - began)
    return float(np.median(times[3:]))


def confusion(truth: Sequence[int], guesses: Sequence[int], num_classes: int) -> npt.NDArray[np.int64]:
    """Counts: (truth, guess)."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (np.asarray(truth), np.asarray(guesses)), 1)
    return matrix


def interval(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean of few runs, by Student's t; infinite for one run."""
    from scipy.stats import t

    if len(values) < 2:
        return float("inf")
    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))


def share_interval(share: float, num_trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of trials."""
    z, n = 1.96, max(1, num_trials)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(middle - half), float(middle + half)
