"""Bidirectional LSTMs under CTC: Graves et al. 2006; the two layers of 128 of many a first recognizer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earshot.training.recognition.nets.parts import (
    Normalisation,
    SharedDropout,
    Stacking,
    log_probs,
    reversed_in_time,
)


class Blstm(nn.Module):
    """Layers of one LSTM forwards and one backwards each, side by side.

    sizes: of each layer, in each direction. stacking: frames taken together, 1 for none. dropout: between
    layers.
    """

    def __init__(
        self,
        num_symbols: int,
        normalisation: Normalisation,
        num_features: int,
        *,
        sizes: Sequence[int] = (128, 128),
        stacking: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.stacking = Stacking(stacking)
        widths = [num_features * stacking, *[2 * size for size in sizes]]
        self.forwards = nn.ModuleList(
            [nn.LSTM(width, size, batch_first=True) for width, size in zip(widths, sizes, strict=False)]
        )
        self.backwards = nn.ModuleList(
            [nn.LSTM(width, size, batch_first=True) for width, size in zip(widths, sizes, strict=False)]
        )
        self.dropout = SharedDropout(dropout)
        self.head = nn.Linear(widths[-1], num_symbols)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(n, t, f), (n,) to log-probabilities (n, t', symbols) and their lengths."""
        x, lengths = self.stacking(self.normalisation(x, lengths), lengths)
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            # Turned by hand: what lies behind an utterance's end never reaches it, and no packing is needed.
            turned = reversed_in_time(backwards(reversed_in_time(x, lengths))[0], lengths)
            x = self.dropout(torch.cat([forwards(x)[0], turned], 2))
        return log_probs(self.head(x)), lengths
