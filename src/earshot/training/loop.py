"""How a net learns: AdamW, a cosine, averaged weights, of which the best on other speakers are kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import TrainingError
from earshot.core.optional import require
from earshot.training.batches import Draws

if TYPE_CHECKING:
    from earshot.training.nets.base import Net

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How long and how fast.

    num_steps: batches in all. warm_up: share of them in which the rate rises. average: how much of the averaged
    weights stays at each step, [0, 1). evaluate_every: steps. patience: evaluations without a better one after
    which it ends; None never ends early. is_bfloat16: None is wherever the processor multiplies such numbers
    faster.
    """

    num_steps: int = 2_000
    batch_size: int = 96
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    warm_up: float = 0.05
    average: float = 0.998
    evaluate_every: int = 200
    patience: int | None = None
    label_smoothing: float = 0.05
    seed: int = 0
    is_bfloat16: bool | None = None

    def __post_init__(self) -> None:
        if self.num_steps < 1 or self.batch_size < 2 or self.evaluate_every < 1:
            raise ValueError("training takes at least one step, of two clips, between evaluations")


@dataclass(frozen=True, slots=True)
class Progress:
    """At one evaluation. loss: mean since the last one. accuracy: [0, 1], on the speakers kept for it."""

    step: int
    loss: float
    accuracy: float


@dataclass(slots=True)
class Learned:
    """The net with its best averaged weights, in evaluation mode, and how it got there."""

    net: Net
    accuracy: float
    curve: list[Progress] = field(default_factory=list)


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies matrices of bfloat16 in hardware (AMX or AVX-512 BF16)."""
    torch = require("torch", extra="train", purpose="training")
    cpu = getattr(torch, "cpu", None)
    probes = [getattr(cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")]
    return any(probe() for probe in probes if probe is not None)


def seed_everything(seed: int) -> None:
    """The generator of torch; NumPy's generators are handed in where chance is needed."""
    require("torch", extra="train", purpose="training").manual_seed(seed)


def train(
    net: Net,
    draws: Draws,
    evaluate: Callable[[Net], float],
    options: LoopOptions,
    *,
    is_soft: bool = False,
    watch: Callable[[Progress], object] | None = None,
) -> Learned:
    """Train ``net`` and return the weights that were best in ``evaluate``, the accuracy on other speakers.

    is_soft: targets are a teacher's probabilities. Raises TrainingError when the loss is no number.
    """
    torch = require("torch", extra="train", purpose="training")
    seed_everything(options.seed)
    for weights in net.parameters():
        if weights.ndim == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)
    parameters = list(net.parameters())
    optimizer = torch.optim.AdamW(decay_groups(parameters, options.weight_decay), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, options))
    average, best, best_accuracy, without_better = copy.deepcopy(net), copy.deepcopy(net), -1.0, 0
    curve: list[Progress] = []
    losses: list[float] = []
    is_bfloat16 = has_fast_bfloat16() if options.is_bfloat16 is None else options.is_bfloat16
    for step in range(1, options.num_steps + 1):
        net.train()
        batch = draws.draw(options.batch_size)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bfloat16):
            logits = net(_as_tensor(batch.inputs))
        targets = torch.from_numpy(batch.targets)
        if is_soft:
            loss = torch.nn.functional.cross_entropy(logits.float(), targets)
        else:
            loss = marginal_loss(logits.float(), targets, options.label_smoothing)
        if not math.isfinite(loss.item()):
            raise TrainingError(f"the loss of step {step} is no number", fix="lower the learning rate")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        average_weights(average, net, min(options.average, step / (step + 10)))
        if step % options.evaluate_every and step != options.num_steps:
            continue
        accuracy = evaluate(average.eval())
        curve.append(Progress(step, float(np.mean(losses)), accuracy))
        losses.clear()
        if watch is not None:
            watch(curve[-1])
        without_better += 1
        if accuracy >= best_accuracy:
            best, best_accuracy, without_better = copy.deepcopy(average), accuracy, 0
        if options.patience is not None and without_better > options.patience:
            break
    return Learned(best.eval(), best_accuracy, curve)


def marginal_loss(logits: Any, targets: Any, smoothing: float = 0.0) -> Any:
    """−log of the probability that one of the right classes has; cross-entropy where one class is right.

    logits, targets: (n, classes); rows without a right class count for nothing. smoothing: share of the loss to
    an even guess.
    """
    torch = require("torch", extra="train", purpose="training")
    log_probabilities = torch.log_softmax(logits, dim=1)
    known = targets.sum(1) > 0
    right = torch.logsumexp(log_probabilities.masked_fill(targets == 0, -1e9), dim=1)
    even = log_probabilities.mean(1)
    losses = -(1 - smoothing) * right - smoothing * even
    return losses[known].sum() / max(int(known.sum()), 1)


def logits_of(net: Net, inputs: Array, *, batch_size: int = 256) -> Array:
    """(clips, classes) for features of clips, in evaluation mode."""
    torch = require("torch", extra="train", purpose="training")
    net.eval()
    with torch.inference_mode():
        parts = [
            net(_as_tensor(inputs[start : start + batch_size])).float().numpy()
            for start in range(0, len(inputs), batch_size)
        ]
    return np.concatenate(parts)


def _as_tensor(inputs: Array) -> Any:
    """Planes with the channel last: convolutions in bfloat16 ran 2.5 times as fast."""
    torch = require("torch", extra="train", purpose="training")
    tensor = torch.from_numpy(np.ascontiguousarray(inputs))
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _rate(step: int, options: LoopOptions) -> float:
    warm = max(1, round(options.warm_up * options.num_steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, options.num_steps - warm)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def decay_groups(parameters: Sequence[Any], weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of norms do not."""
    return [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]


def average_weights(average: Net, net: Net, stays: float) -> None:
    """Move the averaged weights towards those of ``net``; ``stays`` is how much of them remains, [0, 1)."""
    torch = require("torch", extra="train", purpose="training")
    with torch.no_grad():
        for mine, new in zip(average.parameters(), net.parameters(), strict=True):
            mine.lerp_(new, 1 - stays)
        for mine, new in zip(average.buffers(), net.buffers(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(new, 1 - stays)
            else:
                mine.copy_(new)
