"""A small net after VGG (Simonyan and Zisserman 2015): pairs of 3×3 convolutions, then a pooling."""

from __future__ import annotations

from torch import nn

from earshot.training.nets.base import Net, conv

WIDTHS = (16, 32, 64, 128)


def build(num_classes: int) -> Net:
    """On (1, 98, 40)."""
    layers: list[nn.Module] = []
    num_in = 1
    for width in WIDTHS:
        layers += [conv(2, num_in, width, 3), conv(2, width, width, 3), nn.MaxPool2d(2)]
        num_in = width
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(num_in, 128), nn.ReLU())
    return Net(body, 128, num_classes, num_bands=40, dropout=0.4)
