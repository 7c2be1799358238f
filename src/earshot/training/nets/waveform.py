"""1-D convolutions on the waveform, after M5 (Dai et al. 2017): the first layer learns its own filter bank."""

from __future__ import annotations

from torch import nn

from earshot.training.nets.base import Net, conv


def build(num_classes: int) -> Net:
    """On (1, 16000)."""
    body = nn.Sequential(
        conv(1, 1, 32, 81, 8),
        nn.MaxPool1d(4),
        conv(1, 32, 64, 5),
        nn.MaxPool1d(4),
        conv(1, 64, 96, 3),
        nn.MaxPool1d(4),
        conv(1, 96, 128, 3),
        conv(1, 128, 128, 3),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
    )
    return Net(body, 128, num_classes, dropout=0.3)
