"""A small net of convolutions over the frozen encoder's frames: does a word end at the end of a window.

Convolutions: Sainath and Parada 2015, "Convolutional neural networks for small-footprint keyword spotting".
The score is the highest over a few positions: Sun et al. 2016, "Max-pooling loss training of long short-term
memory networks for small-footprint keyword spotting".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

LAST = 8
"""Positions, 48 ms each, at which a word may end: looks come each 0.16 s, and people differ."""


class RunningWordNet(nn.Module):
    """Projected frames (n, t, d) to log-odds of each word against everything else, (n, words)."""

    def __init__(self, num_features: int, num_words: int, *, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv1d(num_features, width, 4, stride=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.third = nn.Conv1d(width, width, 11)
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for _ in range(3)])
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Conv1d(width, num_words + 1, 1)

    def forward(self, frames: Any) -> Any:
        """(n, t, d) → (n, words); t is at least 24."""
        first = torch.relu(self.norms[0](self.first(frames.transpose(1, 2))))
        second = self.dropout(torch.relu(self.norms[1](self.second(first))) + first)
        third = self.dropout(torch.relu(self.norms[2](self.third(second))))
        logits = self.head(third)[:, :, -LAST:]
        return (logits[:, 1:] - logits[:, :1]).amax(2)


class ProjectedNets(nn.Module):
    """The mean of several such nets, on frames as the encoder gives them: (n, t, width) → (n, words)."""

    def __init__(self, mean: Any, projection: Any, nets: list[RunningWordNet]) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("projection", projection)
        self.nets = nn.ModuleList(nets)

    def forward(self, frames: Any) -> Any:
        """See above."""
        projected = (frames - self.mean) @ self.projection
        return sum(net(projected) for net in self.nets) / len(self.nets)
