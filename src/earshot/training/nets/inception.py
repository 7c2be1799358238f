"""A small net after Inception (Szegedy et al. 2015): 1×1, 3×3, two 3×3 and a pooling side by side."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from earshot.training.nets.base import Net, conv


class Branches(nn.Module):
    """Four branches of ``width`` channels each."""

    def __init__(self, num_in: int, width: int) -> None:
        super().__init__()
        self.point = conv(2, num_in, width, 1)
        self.once = nn.Sequential(conv(2, num_in, width, 1), conv(2, width, width, 3))
        self.twice = nn.Sequential(
            conv(2, num_in, width, 1), conv(2, width, width, 3), conv(2, width, width, 3)
        )
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(2, num_in, width, 1))

    def forward(self, features: Any) -> Any:
        """(n, num_in, t, b) → (n, 4 · width, t, b)."""
        branches = (self.point, self.once, self.twice, self.pooled)
        return torch.cat([branch(features) for branch in branches], dim=1)


def build(num_classes: int) -> Net:
    """On (1, 98, 40)."""
    body = nn.Sequential(
        conv(2, 1, 24, 5, 2),
        Branches(24, 12),
        nn.MaxPool2d(2),
        Branches(48, 20),
        nn.MaxPool2d(2),
        Branches(80, 32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return Net(body, 128, num_classes, num_bands=40, dropout=0.3)
