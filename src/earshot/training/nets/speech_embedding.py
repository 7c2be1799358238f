"""Google's speech embedding, trained on: convolutions that have heard 200 million clips of key phrases.

Lin, Kilgour, Roblek and Sharifi 2020, "Training keyword spotters with limited and synthesized speech data". Its
first layers stay as they are: they take two thirds of the work, and what they tell is the same for any word.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from earshot.commands.speech_embedding import PATH, SIZE
from earshot.training.nets.base import Net

_NUM_FROZEN = 7
"""Convolutions up to the second pooling."""

_LEAST = -0.4
"""What an activation is at least."""

_SPREAD = 16.0
"""Deviation of the embedding's numbers."""


class _Normed(nn.Module):
    """The first layer's norm, as the factor and the summand that it comes to."""

    def __init__(self, scale: Any, shift: Any, mean: Any, variance: Any, epsilon: float) -> None:
        super().__init__()
        factor = scale / torch.sqrt(variance + epsilon)
        self.factor = nn.Parameter(factor[:, None, None])
        self.summand = nn.Parameter((shift - mean * factor)[:, None, None])

    def forward(self, features: Any) -> Any:
        """(n, c, t, b), the same shape back."""
        return features * self.factor + self.summand


class _Activation(nn.Module):
    def forward(self, features: Any) -> Any:
        """(n, c, t, b), the same shape back."""
        return functional.leaky_relu(features, 0.2).clamp_min(_LEAST)


class _Embedding(nn.Module):
    """Log-mels (n, 1, t, 32) to (n, 3 × width): vectors pooled by attention, their maximum and their mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = _layers()
        convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
        self.first = nn.Sequential(*layers[: convolutions[_NUM_FROZEN]]).requires_grad_(False)
        self.rest = nn.Sequential(*layers[convolutions[_NUM_FROZEN] :])
        self.mix = nn.Sequential(nn.Conv1d(SIZE, width, 3, padding=1), nn.BatchNorm1d(width), nn.ReLU())
        self.attention = nn.Conv1d(width, 1, 1)

    def forward(self, features: Any) -> Any:
        """See above."""
        vectors = self.rest(self.first(functional.pad(features, (1, 1))))[..., 0]
        heard = self.mix(vectors / _SPREAD)
        weights = torch.softmax(self.attention(heard), dim=2)
        return torch.cat([(heard * weights).sum(2), heard.amax(2), heard.mean(2)], dim=1)


def build(num_classes: int, *, width: int = 192) -> Net:
    """On the embedding's own log-mels, (1, 218, 32)."""
    return Net(_Embedding(width), 3 * width, num_classes, dropout=0.3)


def _layers() -> list[nn.Module]:
    """Of the file that ships, with its weights."""
    graph = onnx.load(PATH).graph
    arrays = {
        item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer
    }
    layers: list[nn.Module] = []
    for node in graph.node:
        settings = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Conv":
            weight = arrays[node.input[1]]
            layer = nn.Conv2d(
                weight.shape[1],
                weight.shape[0],
                tuple(weight.shape[2:]),
                padding=tuple(settings.get("pads", (0, 0))[:2]),
                bias=len(node.input) > 2,
            )
            layer.weight.data = weight
            if layer.bias is not None:
                layer.bias.data = arrays[node.input[2]]
            layers.append(layer)
        elif node.op_type == "BatchNormalization":
            scale, shift, mean, variance = (arrays[name] for name in node.input[1:])
            layers.append(_Normed(scale, shift, mean, variance, settings["epsilon"]))
        elif node.op_type == "Relu":
            layers.append(nn.ReLU())
        elif node.op_type == "LeakyRelu":
            layers.append(_Activation())
        elif node.op_type == "MaxPool":
            layers.append(nn.MaxPool2d(tuple(settings["kernel_shape"]), tuple(settings["strides"])))
    return layers
