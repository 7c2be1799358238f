"""A small conformer: attention for the far, convolution for the near. Gulati et al. 2020, arXiv:2005.08100."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from earshot.training.recognition.nets.parts import (
    Normalisation,
    SharedDropout,
    Stacking,
    Subsampling,
    log_probs,
    valid_frames,
)


class Conformer(nn.Module):
    """Subsampling by 4 (or stacking), blocks, and one linear layer; 5 million numbers as it stands.

    size: numbers a frame. num_heads: of attention. kernel: frames of the convolution. stacking: frames taken
    together instead of the convolutional subsampling, for features that are few already; None for that.
    intermediate: share of the loss to a guess in the middle (Lee and Watanabe 2021, arXiv:2102.03216).
    """

    def __init__(
        self,
        num_symbols: int,
        normalisation: Normalisation,
        num_features: int,
        *,
        size: int = 160,
        num_blocks: int = 8,
        num_heads: int = 5,
        kernel: int = 15,
        stacking: int | None = None,
        dropout: float = 0.1,
        intermediate: float = 0.3,
    ) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.intermediate = intermediate
        if stacking is None:
            self.subsampling, self.enter = Subsampling(num_features, size), nn.Identity()
        else:
            self.subsampling = Stacking(stacking)
            self.enter = nn.Linear(num_features * stacking, size)
        self.dropout = SharedDropout(dropout)
        self.blocks = nn.ModuleList([_Block(size, num_heads, kernel, dropout) for _ in range(num_blocks)])
        self.head = nn.Linear(size, num_symbols)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(n, t, f), (n,) to log-probabilities (n, t', symbols) and their lengths."""
        found, lengths, _ = self.with_middle(x, lengths)
        return found, lengths

    def with_middle(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, and the guess of the middle block, through the same head."""
        x, lengths = self.subsampling(self.normalisation(x, lengths), lengths)
        x = self.dropout(self.enter(x))
        valid = valid_frames(lengths, x.shape[1])
        rotation = _rotation(x.shape[1], self.blocks[0].head_size, x)
        middle = x
        for number, block in enumerate(self.blocks, 1):
            x = block(x, valid, rotation)
            if number == len(self.blocks) // 2:
                middle = x
        return log_probs(self.head(x)), lengths, log_probs(self.head(middle))


class _Block(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward."""

    def __init__(self, size: int, num_heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.head_size = num_heads, size // num_heads
        self.first, self.last = _FeedForward(size, dropout), _FeedForward(size, dropout)
        self.norm_attention, self.norm_convolution, self.norm_out = (nn.LayerNorm(size) for _ in range(3))
        self.query_key_value, self.merge = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.gate = nn.Linear(size, 2 * size)
        self.depthwise = nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=size)
        self.norm_depthwise = nn.LayerNorm(size)
        self.pointwise = nn.Linear(size, size)
        self.dropout = SharedDropout(dropout)

    def forward(self, x: Tensor, valid: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """(n, t, size) to the same. valid: (n, t)."""
        x = x + 0.5 * self.first(x)
        x = x + self.dropout(self._attended(self.norm_attention(x), valid, rotation))
        x = x + self.dropout(self._convolved(self.norm_convolution(x), valid))
        x = x + 0.5 * self.last(x)
        return cast(Tensor, self.norm_out(x))

    def _attended(self, x: Tensor, valid: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        n, t, size = x.shape
        parts = self.query_key_value(x).view(n, t, 3, self.num_heads, self.head_size).permute(2, 0, 3, 1, 4)
        query, key, value = _rotated(parts[0], rotation), _rotated(parts[1], rotation), parts[2]
        # Written out: the fused kernel of torch 2.13 takes three times as long on a processor at such lengths.
        scores = torch.matmul(query, key.transpose(2, 3)) * self.head_size**-0.5
        weights = scores.masked_fill(~valid[:, None, None, :], -1e4).softmax(-1)
        out = torch.matmul(weights.to(value.dtype), value)
        return cast(Tensor, self.merge(out.transpose(1, 2).reshape(n, t, size)))

    def _convolved(self, x: Tensor, valid: Tensor) -> Tensor:
        x = nn.functional.glu(self.gate(x), dim=2) * valid.unsqueeze(2).to(x.dtype)
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return cast(Tensor, self.pointwise(nn.functional.silu(self.norm_depthwise(x))))


class _FeedForward(nn.Sequential):
    """Four times as wide inside."""

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(size),
            nn.Linear(size, 4 * size),
            nn.SiLU(),
            nn.Linear(4 * size, size),
            SharedDropout(dropout),
        )


def _rotation(num_frames: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (t, size / 2) of rotary positions: Su et al. 2021, arXiv:2104.09864."""
    speeds = 10_000.0 ** (-torch.arange(0, size, 2, device=like.device) / size)
    angles = torch.arange(num_frames, device=like.device)[:, None] * speeds[None, :]
    return torch.cos(angles).to(like.dtype), torch.sin(angles).to(like.dtype)


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """(n, heads, t, size) with each pair of numbers turned by its position."""
    cosine, sine = rotation
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)
