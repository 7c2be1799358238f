"""Broadcasted residual learning (Kim et al. 2021): time is worked on where frequency is averaged."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from earshot.training.nets.base import Net

SUB_BANDS = 5
WIDTHS = (8, 12, 16, 20)
LENGTHS = (2, 2, 4, 4)
STRIDES = (1, 2, 2, 1)
"""Of frequency, for each stage; time keeps its length, its convolutions are dilated by 1, 2, 4, 8."""


class SubSpectralNorm(nn.Module):
    """Batch norm with statistics of its own for each of five bands of frequency (Chang et al. 2021)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_channels * SUB_BANDS)

    def forward(self, features: Any) -> Any:
        """(n, c, b, t), b a multiple of the number of sub-bands."""
        num, channels, bands, frames = features.shape
        rows = features.reshape(num, channels * SUB_BANDS, bands // SUB_BANDS, frames)
        return self.norm(rows).reshape(num, channels, bands, frames)


class Block(nn.Module):
    """Frequency by depthwise convolutions, time by a dilated one on the mean of the bands, broadcast back."""

    def __init__(self, num_in: int, num_out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.is_plain = num_in == num_out and stride == 1
        entry = [nn.Conv2d(num_in, num_out, 1, bias=False), nn.BatchNorm2d(num_out), nn.ReLU()]
        self.entry = nn.Identity() if self.is_plain else nn.Sequential(*entry)
        self.bands = nn.Sequential(
            nn.Conv2d(num_out, num_out, (3, 1), (stride, 1), (1, 0), groups=num_out, bias=False),
            SubSpectralNorm(num_out),
        )
        self.time = nn.Sequential(
            nn.Conv2d(
                num_out, num_out, (1, 3), 1, (0, dilation), dilation=(1, dilation), groups=num_out, bias=False
            ),
            nn.BatchNorm2d(num_out),
            nn.SiLU(),
            nn.Conv2d(num_out, num_out, 1, bias=False),
            nn.Dropout2d(0.1),
        )

    def forward(self, features: Any) -> Any:
        """(n, num_in, b, t) → (n, num_out, b / stride, t)."""
        in_bands = self.bands(self.entry(features))
        in_time = self.time(in_bands.mean(2, keepdim=True))
        total = in_bands + in_time
        return functional.relu(total + features if self.is_plain else total)


class Bands(nn.Module):
    """(n, 1, t, b) → (n, 1, b, t)."""

    def forward(self, features: Any) -> Any:
        """Frequency comes first in the paper."""
        return features.transpose(2, 3)


class TimeMean(nn.Module):
    """(n, c, b, t) → (n, c)."""

    def forward(self, features: Any) -> Any:
        """The mean of all that is left."""
        return torch.flatten(features.mean((2, 3)), 1)


def build(num_classes: int, *, scale: float) -> Net:
    """scale: multiplies all widths; BC-ResNet-1 to -8. On (1, 98, 40)."""
    first = round(16 * scale)
    layers: list[nn.Module] = [
        Bands(),
        nn.Conv2d(1, first, 5, (2, 1), 2, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
    ]
    num_in = first
    for stage, (width, length, stride) in enumerate(zip(WIDTHS, LENGTHS, STRIDES, strict=True)):
        num_out = round(width * scale)
        for index in range(length):
            layers.append(Block(num_in, num_out, stride if index == 0 else 1, 2**stage))
            num_in = num_out
    last = round(32 * scale)
    layers += [
        nn.Conv2d(num_in, num_in, 5, 1, (0, 2), groups=num_in, bias=False),
        nn.Conv2d(num_in, last, 1, bias=False),
        nn.BatchNorm2d(last),
        nn.ReLU(),
        TimeMean(),
    ]
    return Net(nn.Sequential(*layers), last, num_classes, num_bands=40, dropout=0.0)
