"""Convolutions on multi-resolution mel: its planes as channels (2-D), as a third axis (3-D), or both."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from earshot.training.nets.base import Net, conv

NUM_PLANES = 3


class AsAxis(nn.Module):
    """(n, planes, t, b) → (n, 1, planes, t, b)."""

    def forward(self, features: Any) -> Any:
        """Planes become an axis of their own."""
        return features.unsqueeze(1)


class Joined(nn.Module):
    """Two descriptions side by side."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, features: Any) -> Any:
        """(n, a + b)."""
        return torch.cat([self.first(features), self.second(features)], dim=1)


def _flat() -> nn.Module:
    return nn.Sequential(
        conv(2, NUM_PLANES, 24, 5, 2),
        conv(2, 24, 48, 3),
        nn.MaxPool2d(2),
        conv(2, 48, 64, 3),
        nn.MaxPool2d(2),
        conv(2, 64, 96, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def _deep() -> nn.Module:
    halve = nn.MaxPool3d((1, 2, 2))
    return nn.Sequential(
        AsAxis(),
        conv(3, 1, 16, (3, 5, 5), (1, 2, 2)),
        conv(3, 16, 32, 3),
        halve,
        conv(3, 32, 48, 3),
        halve,
        conv(3, 48, 96, (3, 3, 3)),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
    )


def build(num_classes: int, *, kind: str) -> Net:
    """kind: 2d, 3d or 2d-3d; on (3, 98, 40)."""
    body: nn.Module
    size = 96
    if kind == "2d-3d":
        body, size = Joined(_flat(), _deep()), 192
    else:
        body = _flat() if kind == "2d" else _deep()
    return Net(body, size, num_classes, num_planes=NUM_PLANES, num_bands=40, dropout=0.3)
