"""What all nets of commands share: a normalised input, a body that describes the clip, and a linear head."""

from __future__ import annotations

from typing import Any

from torch import nn

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def conv(num_axes: int, num_in: int, num_out: int, size: Any, stride: Any = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; the input's length stays where the stride is 1 (odd sizes)."""
    sizes = (size,) * num_axes if isinstance(size, int) else size
    padding = tuple((length - 1) // 2 for length in sizes)
    layer = _CONVOLUTIONS[num_axes](num_in, num_out, sizes, stride, padding=padding, bias=False)
    return nn.Sequential(layer, _NORMS[num_axes](num_out), nn.ReLU())


class BandNorm(nn.Module):
    """Each band of each plane brought to mean 0 and deviation 1 by what the training data had."""

    def __init__(self, num_planes: int, num_bands: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(num_planes * num_bands)

    def forward(self, features: Any) -> Any:
        """(n, planes, frames, bands), the same shape back."""
        num, planes, frames, bands = features.shape
        rows = features.permute(0, 1, 3, 2).reshape(num, planes * bands, frames)
        normed = self.norm(rows).reshape(num, planes, bands, frames).permute(0, 1, 3, 2)
        return normed.contiguous()


class Net(nn.Module):
    """Features to logits, (n, num_classes).

    body: features to what the head sees, (n, embedding_size). num_bands: of the features; 0 for waveforms,
    which are taken as they are.
    """

    def __init__(
        self,
        body: nn.Module,
        embedding_size: int,
        num_classes: int,
        *,
        num_planes: int = 1,
        num_bands: int = 0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.norm = BandNorm(num_planes, num_bands) if num_bands else nn.Identity()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(embedding_size, num_classes)

    def forward(self, features: Any) -> Any:
        """(n, …) → (n, num_classes)."""
        return self.head(self.dropout(self.body(self.norm(features))))
