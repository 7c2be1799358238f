"""Heads on the frozen Moonshine encoder: linear on the clip's statistics, or convolutions over its frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from earshot.training.nets.base import Net

NUM_STATISTICS = 576
WIDTH = 288
"""Of a frame."""


def build(num_classes: int) -> Net:
    """On mean and standard deviation, (576,)."""
    return Net(nn.BatchNorm1d(NUM_STATISTICS), NUM_STATISTICS, num_classes, dropout=0.3)


class _Block(nn.Module):
    """A convolution over time, a mix of the channels, and a way around both."""

    def __init__(self, width: int, size: int, dilation: int) -> None:
        super().__init__()
        padding = (size - 1) // 2 * dilation
        self.body = nn.Sequential(
            nn.Conv1d(width, width, size, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv1d(width, width, 1, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, frames: Any) -> Any:
        """(n, width, t), the same shape back."""
        return torch.relu(frames + self.body(frames))


class _Convolutions(nn.Module):
    """Frames (n, t, 288) to (n, 3 × width): pooled by attention, by their maximum and by their mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.BatchNorm1d(WIDTH), nn.Conv1d(WIDTH, width, 3, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks = nn.Sequential(_Block(width, 5, 1), _Block(width, 5, 1), _Block(width, 7, 2))
        self.attention = nn.Conv1d(width, 1, 1)

    def forward(self, frames: Any) -> Any:
        """See above."""
        heard = self.blocks(self.first(frames.transpose(1, 2)))
        weights = torch.softmax(self.attention(heard), dim=2)
        return torch.cat([(heard * weights).sum(2), heard.amax(2), heard.mean(2)], dim=1)


def build_convolutions(num_classes: int, *, width: int = 96) -> Net:
    """On all frames, (57, 288)."""
    return Net(_Convolutions(width), 3 * width, num_classes, dropout=0.3)
