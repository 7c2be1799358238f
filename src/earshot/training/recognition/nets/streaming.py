"""LSTMs in one direction: text while it is said."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earshot.training.recognition.nets.parts import Normalisation, SharedDropout, Stacking, log_probs


class StreamingLstm(nn.Module):
    """Stacked frames, then layers of LSTM with residual paths and layer norms; looks ahead at nothing.

    size: of each layer. stacking: frames of one step. After He et al. 2019 (arXiv:1811.06621), much smaller.
    """

    def __init__(
        self,
        num_symbols: int,
        normalisation: Normalisation,
        num_features: int,
        *,
        size: int = 384,
        num_layers: int = 4,
        stacking: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.stacking = Stacking(stacking)
        self.size, self.num_layers = size, num_layers
        self.enter = nn.Linear(num_features * stacking, size)
        self.layers = nn.ModuleList([nn.LSTM(size, size, batch_first=True) for _ in range(num_layers)])
        self.norms = nn.ModuleList([nn.LayerNorm(size) for _ in range(num_layers)])
        self.dropout = SharedDropout(dropout)
        self.head = nn.Linear(size, num_symbols)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(n, t, f), (n,) to log-probabilities (n, t', symbols) and their lengths."""
        state = x.new_zeros(self.num_layers, x.shape[0], self.size)
        found, lengths, _, _ = self.step(x, lengths, state, state)
        return found, lengths

    def step(self, x: Tensor, lengths: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, ...]:
        """The same for the next stretch: hidden, cell (layers, n, size) go in and come out again."""
        x, lengths = self.stacking(self.normalisation(x, lengths), lengths)
        x = self.enter(x)
        hiddens, cells = [], []
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            before = (hidden[number : number + 1].contiguous(), cell[number : number + 1].contiguous())
            out, (h, c) = layer(norm(x), before)
            x = x + self.dropout(out)
            hiddens.append(h)
            cells.append(c)
        return log_probs(self.head(x)), lengths, torch.cat(hiddens), torch.cat(cells)
