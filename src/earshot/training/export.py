"""A trained net as a folder that runs without torch: ``model.onnx`` and ``card.json``."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earshot.commands.net import CARD, MODEL
from earshot.core.files import atomic_text
from earshot.core.optional import require

if TYPE_CHECKING:
    from earshot.training.nets.base import Net

Array = npt.NDArray[np.float32]


def export(
    nets: Sequence[Net],
    folder: Path,
    *,
    labels: Sequence[str],
    front_end: str,
    example: Array,
    membership: Array | None = None,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Write the net, or the average of several, as probabilities of ``labels``; returns the model's path.

    example: features of one clip, for their shape. membership: (classes of the net, labels), above 0 where
    a class belongs to a label: 1, or what its share in training is put right by; None where they are the same.
    Weights are stored in float16 and used in float32.
    """
    torch = require("torch", extra="train", purpose="export")
    groups = None if membership is None else torch.from_numpy(membership)

    class Ensemble(torch.nn.Module):  # type: ignore[name-defined,misc]
        """Mean probabilities of nets."""

        def __init__(self) -> None:
            super().__init__()
            self.nets = torch.nn.ModuleList(nets)

        def forward(self, features: Any) -> Any:
            total = sum(torch.softmax(net(features), dim=1) for net in self.nets) / len(nets)
            if groups is None:
                return total
            grouped = total @ groups
            return grouped / grouped.sum(1, keepdim=True)

    facts = {**(card or {}), "labels": list(labels), "front_end": front_end}
    return write_net(Ensemble(), folder, example=example, output="probabilities", card=facts)


def write_net(module: Any, folder: Path, *, example: Array, output: str, card: Mapping[str, Any]) -> Path:
    """Write a module of torch that makes ``output`` (n, …) of features (n, …), and its card; returns the path.

    example: features of one clip. card: with labels and front end; what the file itself knows is added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = _as_onnx(module, example, output)
    path = folder / MODEL
    path.write_bytes(content)
    facts = {"format": 1, **card, "sample_rate": 16_000, "sha256": hashlib.sha256(content).hexdigest()}
    with atomic_text(folder / CARD) as file:
        file.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return path


def _as_onnx(module: Any, example: Array, output: str) -> bytes:
    torch = require("torch", extra="train", purpose="export")
    onnx = require("onnx", extra="train", purpose="export")
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            module.eval(),
            (torch.from_numpy(example[None]),),
            buffer,
            input_names=["features"],
            output_names=[output],
            dynamic_axes={"features": {0: "clips"}, output: {0: "clips"}},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    _halve_weights(onnx, model)
    content: bytes = model.SerializeToString()
    return content


def _halve_weights(onnx: Any, model: Any) -> None:
    """Weights of 64 and more numbers are stored in float16 and cast when the model is loaded."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 64:
            kept.append(tensor)
            continue
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half")
        kept.append(half)
        cast = onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT)
        casts.append(cast)
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
