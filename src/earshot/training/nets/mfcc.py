"""Four small convolutional nets on MFCC."""

from __future__ import annotations

from torch import nn

from earshot.training.nets.base import Net, conv


def build(num_classes: int, *, variant: int) -> Net:
    """variant: 1 to 4, from shallow to deep; each sees (1, 98, 20)."""
    pool = nn.MaxPool2d(2)
    layers = {
        1: [conv(2, 1, 32, (19, 7), (2, 2)), pool],
        2: [conv(2, 1, 24, (9, 5)), pool, conv(2, 24, 48, (5, 3)), pool],
        3: [conv(2, 1, 16, 3), pool, conv(2, 16, 32, 3), pool, conv(2, 32, 64, 3), pool],
        4: [
            conv(2, 1, 32, (9, 3), (2, 1)),
            conv(2, 32, 32, 3),
            pool,
            conv(2, 32, 64, 3),
            pool,
            conv(2, 64, 96, 3),
            nn.MaxPool2d((2, 1)),
        ],
    }[variant]
    # Thirds of the second and halves of the cepstra keep a place of their own.
    cell = {1: (8, 2), 2: (8, 2), 3: (4, 1), 4: (2, 2)}[variant]
    size = {1: 32, 2: 48, 3: 64, 4: 96}[variant] * 6
    body = nn.Sequential(*layers, nn.AvgPool2d(cell), nn.Flatten())
    return Net(body, size, num_classes, num_bands=20, dropout=0.3)
