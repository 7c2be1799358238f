"""Plain residual convolutions on log-mel (He et al. 2016): dense, which ordinary processors are fast at."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from earshot.training.nets.base import Net, conv


class Residual(nn.Module):
    """Two 3×3 convolutions and a way around them."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.first = conv(2, num_in, num_out, 3, stride)
        self.second = nn.Sequential(
            nn.Conv2d(num_out, num_out, 3, padding=1, bias=False), nn.BatchNorm2d(num_out)
        )
        is_plain = num_in == num_out and stride == 1
        self.around: nn.Module = nn.Identity() if is_plain else nn.Conv2d(num_in, num_out, 1, stride)

    def forward(self, features: Any) -> Any:
        """(n, num_in, t, b) → (n, num_out, t / stride, b / stride)."""
        return torch.relu(self.second(self.first(features)) + self.around(features))


def build(num_classes: int, *, width: int = 32) -> Net:
    """width: channels of the first block; the next have 2 and 4 times as many."""
    body = nn.Sequential(
        conv(2, 1, width, 3, 2),
        Residual(width, width, 1),
        Residual(width, 2 * width, 2),
        Residual(2 * width, 4 * width, 2),
        Residual(4 * width, 4 * width, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return Net(body, 4 * width, num_classes, num_bands=40)
