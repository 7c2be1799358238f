"""What the nets of recognizers share. Shapes: n utterances, t frames, f features, d numbers a frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def valid_frames(lengths: Tensor, num_frames: int) -> Tensor:
    """(n, t), true where a frame belongs to its utterance. lengths: (n,)."""
    return torch.arange(num_frames, device=lengths.device)[None, :] < lengths[:, None]


class Normalisation(nn.Module):
    """Features of mean 0 and deviation 1: over the training data, and each utterance's own mean besides.

    is_per_utterance: takes the mean over the utterance, which a net that streams cannot know.
    """

    def __init__(self, mean: Tensor, deviation: Tensor, *, is_per_utterance: bool) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 1 / deviation.clamp(min=1e-4))
        self.is_per_utterance = is_per_utterance

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(n, t, f) to the same; frames behind an utterance's end become 0."""
        valid = valid_frames(lengths, x.shape[1]).unsqueeze(2).to(x.dtype)
        x = (x - self.mean) * self.scale * valid
        if self.is_per_utterance:
            mean = x.sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)
            x = (x - mean) * valid
        return x


class SharedDropout(nn.Module):
    """Dropout of whole rows of numbers, the same ones in all frames: Gal and Ghahramani 2016, arXiv:1512.05287.

    Drawing a number for each frame took a fifth of a step on a processor.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"dropout lies in [0, 1), not at {share}")
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(n, t, d) to the same."""
        if not self.training or not self.share:
            return x
        kept = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.share
        return x * (kept / (1 - self.share)).to(x.dtype)


class Stacking(nn.Module):
    """Each ``factor`` frames become one. Causal: nothing of the next group is seen."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(n, t, f) to (n, ⌈t / factor⌉, factor·f), and the new lengths."""
        if self.factor == 1:
            return x, lengths
        # Padded by a constant and cut, so that the exported graph holds for all lengths.
        n, f = x.shape[0], x.shape[2]
        x = nn.functional.pad(x, (0, 0, 0, self.factor - 1))
        groups = x.shape[1] // self.factor
        x = x[:, : groups * self.factor].reshape(n, -1, self.factor * f)
        return x, torch.div(lengths + self.factor - 1, self.factor, rounding_mode="floor")


class Subsampling(nn.Module):
    """Two convolutions of stride 2: a quarter of the frames, each seeing 7. Gulati et al. 2020, section 2.1."""

    factor = 4

    def __init__(self, num_features: int, size: int, channels: int = 32) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(1, channels, 3, 2, 1), nn.Conv2d(channels, channels, 3, 2, 1)]
        )
        self.out = nn.Linear(channels * (((num_features + 1) // 2 + 1) // 2), size)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(n, t, f) to (n, ⌈t / 4⌉, size), and the new lengths."""
        x = x.unsqueeze(1)
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
            lengths = torch.div(lengths + 1, 2, rounding_mode="floor")
            x = x * valid_frames(lengths, x.shape[2])[:, None, :, None].to(x.dtype)
        return self.out(x.transpose(1, 2).flatten(2)), lengths


def log_probs(logits: Tensor) -> Tensor:
    """Log-probabilities in float32, whatever the logits were computed in."""
    return torch.log_softmax(logits.float(), dim=-1)


def reversed_in_time(x: Tensor, lengths: Tensor) -> Tensor:
    """(n, t, d) with each utterance's frames backwards and its padding still behind it."""
    places = torch.arange(x.shape[1], device=x.device)[None, :]
    backwards = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return torch.gather(x, 1, backwards.unsqueeze(2).expand(-1, -1, x.shape[2]))


def num_parameters(net: Any) -> int:
    """Numbers that learn."""
    return sum(one.numel() for one in net.parameters() if one.requires_grad)
