"""The net that tells who of at most three people speaks when, within some seconds of sound.

Log-mel frames of 10 ms go in; for each 40 ms come out the log-probabilities of the seven sets of at most two
of three speakers (the powerset of Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural
speaker diarization", Interspeech 2023). Which person is which of the three is the net's to choose.

Convolutions halve the rate twice, a GRU reads both ways, and attention compares distant frames (Fujita et al.,
"End-to-end neural speaker diarization with self-attention", ASRU 2019).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

NUM_MELS = 64
SUBSAMPLING = 4
NUM_LOCAL = 3
SETS: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
RANGE = 14.0
"""Natural logarithms of power under the loudest value that are heard; what is quieter is silence."""


class Residual(nn.Module):
    """A dilated convolution in time beside its input."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, time) to the same."""
        return x + torch.relu(self.norm(self.conv(x)))


class Attention(nn.Module):
    """A transformer block (norm first), written out so that it exports plainly."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) to the same."""
        batch, _, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(batch, -1, 3, self.heads, width // self.heads).unbind(2)
        if self.training:  # the same, three times as fast; its export is not as plain
            mixed = scaled_dot_product_attention(*(part.transpose(1, 2) for part in (q, k, v)))
        else:
            scores = torch.matmul(q.transpose(1, 2), k.permute(0, 2, 3, 1)) / (width // self.heads) ** 0.5
            mixed = torch.matmul(scores.softmax(-1), v.transpose(1, 2))
        mixed = mixed.transpose(1, 2).reshape(batch, -1, width)
        x = x + self.dropout(self.out(mixed))
        return x + self.dropout(self.feed(self.norm2(x)))


class Segmentation(nn.Module):
    """See the module. num_voices: of the training set, for the auxiliary task; not exported."""

    def __init__(self, num_voices: int = 0, width: int = 128, hidden: int = 96, dropout: float = 0.1) -> None:
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv1d(NUM_MELS, width, 5, stride=2, padding=2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            Residual(width, 1),
            Residual(width, 2),
        )
        self.gru = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Attention(width, 4, dropout) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, len(SETS))
        self.voice = nn.Linear(width, num_voices) if num_voices else None

    def hidden(self, mel: Tensor) -> Tensor:
        """Log-mel (batch, frames, mels) to (batch, frames / 4, width)."""
        mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - RANGE)
        mel = (mel - mel.mean(dim=1, keepdim=True)) / 3
        x = self.front(mel.transpose(1, 2)).transpose(1, 2)
        x, _ = self.gru(x)
        return self.dropout(self.join(x))

    def classify(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of the sets."""
        return self.out(self.norm(self.blocks(hidden))).log_softmax(-1)

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel (batch, frames, mels) to log-probabilities (batch, frames / 4, 7)."""
        return self.classify(self.hidden(mel))


def set_numbers(active: Tensor) -> Tensor:
    """Bool (…, 3) to the number of the set; of three at once, the first two."""
    a, b, c = active[..., 0], active[..., 1], active[..., 2]
    count = active.sum(-1)
    single = a * 1 + b * 2 + c * 3
    double = torch.where(a & b, 4, torch.where(a & c, 5, 6))
    return torch.where(count >= 2, double, single)


PERMUTATIONS = tuple(itertools.permutations(range(NUM_LOCAL)))


def permutation_loss(log_probabilities: Tensor, active: Tensor) -> Tensor:
    """Mean cross entropy under each item's best order of speakers. active: bool (batch, time, 3)."""
    losses = []
    for order in PERMUTATIONS:
        target = set_numbers(active[..., list(order)])
        nll = -log_probabilities.gather(-1, target[..., None])[..., 0]
        losses.append(nll.mean(1))
    return torch.stack(losses).amin(0).mean()


def errors(log_probabilities: Tensor, active: Tensor) -> tuple[float, float, float, float]:
    """Frames of speakers in all, missed, falsely found and confused, under the best order for each item."""
    table = torch.zeros(len(SETS), NUM_LOCAL, dtype=torch.bool)
    for row, members in enumerate(SETS):
        table[row, list(members)] = True
    found = table[log_probabilities.argmax(-1)]
    sums = torch.zeros(4)
    for hypothesis, reference in zip(found, active, strict=True):
        right = max(int((hypothesis & reference[:, list(order)]).sum()) for order in PERMUTATIONS)
        num_found, num_spoken = hypothesis.sum(-1), reference.sum(-1)
        both = int(torch.minimum(num_found, num_spoken).sum())
        missed = int((num_spoken - num_found).clamp(min=0).sum())
        false = int((num_found - num_spoken).clamp(min=0).sum())
        sums += torch.tensor([int(num_spoken.sum()), missed, false, both - right])
    return tuple(sums.tolist())
