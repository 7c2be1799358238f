"""A linear head on mean and standard deviation of the frozen Moonshine encoder's frames."""

from __future__ import annotations

from torch import nn

from earshot.training.nets.base import Net

NUM_FEATURES = 576


def build(num_classes: int) -> Net:
    """On (576,)."""
    return Net(nn.BatchNorm1d(NUM_FEATURES), NUM_FEATURES, num_classes, dropout=0.3)
