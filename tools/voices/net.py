"""Earshot's voice encoder: a 2-D stem, dilated 1-D layers with residuals, attentive statistics.

The trunk gives, each 20 ms, values and weights that depend on half a second around; a window's voice is made of
their weighted mean and deviation. So a recording is read once, however many windows are cut from it.
After x-vectors (Snyder et al. 2018), ECAPA-TDNN (Desplanques et al. 2020) without what looks at the whole clip,
and the convolutional head of CAM++ (Wang et al. 2023).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NUM_MELS = 64


class Shifted(nn.Module):
    """A dilated 1-D layer over (batch, frames, channels), as a product of three shifted copies."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.linear = nn.Linear(3 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of the frames at -d, 0 and +d."""
        d = self.dilation
        padded = nn.functional.pad(x, (0, 0, d, d))
        stacked = torch.cat([padded[:, : -2 * d], padded[:, d:-d], padded[:, 2 * d :]], dim=-1)
        return self.linear(stacked)


class Norm(nn.BatchNorm1d):
    """Batch norm over the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Over all frames of the batch."""
        shape = x.shape
        return super().forward(x.reshape(-1, shape[-1])).reshape(shape)


class Trunk(nn.Module):
    """(batch, frames, 64) levelled log-mel → values and weights' logs, (batch, frames / 2, channels) each."""

    def __init__(
        self, width: int = 256, stem: int = 24, channels: int = 384, dilations=(1, 2, 3, 4, 1)
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, stem, 3, stride=(1, 2), padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.Conv2d(stem, stem, 3, stride=(2, 2), padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
        )
        self.entry = nn.Sequential(nn.Linear(stem * NUM_MELS // 4, width, bias=False), Norm(width), nn.ReLU())
        self.layers = nn.ModuleList(Shifted(width, d) for d in dilations)
        self.norms = nn.ModuleList(Norm(width) for _ in dilations)
        self.gather = nn.Sequential(nn.Linear(3 * width, channels, bias=False), Norm(channels), nn.ReLU())
        self.attention = nn.Sequential(nn.Linear(channels, 96), nn.Tanh(), nn.Linear(96, channels))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = ((mel + 4) / 4).unsqueeze(1)
        x = self.stem(x.to(memory_format=torch.channels_last))
        x = self.entry(x.permute(0, 2, 3, 1).flatten(2))
        outs = []
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + torch.relu(norm(layer(x)))
            outs.append(x)
        values = self.gather(torch.cat(outs[-3:], dim=-1))
        # Bounded, so that sums over a whole recording stay within float32.
        return values, 6 * torch.tanh(self.attention(values) / 6)


class Head(nn.Module):
    """Means and deviations (batch, 2 × channels) → voice (batch, dim), not yet of unit length."""

    def __init__(self, channels: int = 384, dim: int = 128) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * channels)
        self.linear = nn.Linear(2 * channels, dim)

    def forward(self, statistics: Tensor) -> Tensor:
        """See the class."""
        return self.linear(self.norm(statistics))


def pooled(values: Tensor, logs: Tensor) -> Tensor:
    """Weighted mean and deviation over frames: (batch, 2 × channels)."""
    values, weights = values.float(), logs.float().exp()
    total = weights.sum(1)
    mean = (weights * values).sum(1) / total
    square = (weights * values.square()).sum(1) / total
    return torch.cat([mean, (square - mean.square()).clamp(min=1e-4).sqrt()], dim=1)


class Voice(nn.Module):
    """The whole net."""

    def __init__(self, dim: int = 128, **sizes: int) -> None:
        super().__init__()
        self.trunk = Trunk(**sizes)
        self.head = Head(sizes.get("channels", 384), dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Voices of crops (batch, frames, 64)."""
        return self.head(pooled(*self.trunk(mel)))
