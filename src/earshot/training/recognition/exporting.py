"""A trained net as a folder that the engine ``ctc`` runs without torch."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earshot.core.files import atomic_binary, atomic_text
from earshot.core.optional import require
from earshot.core.types import SAMPLE_RATE
from earshot.decoding.alphabet import Alphabet
from earshot.models.card import ModelCard, with_checksums, write_card

MODEL, TOKENS = "model.onnx", "tokens.txt"


@dataclass(frozen=True, slots=True)
class Exported:
    """What is to be said of a net.

    features: facts of its front end. net, options: as in the table of nets. subsampling: frames of the front
    end to one of the net. metrics: with their data.
    """

    name: str
    alphabet: Alphabet
    features: Mapping[str, Any]
    net: str
    options: Mapping[str, Any]
    is_streaming: bool
    languages: Sequence[str] = ()
    licence: str | None = None
    description: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


def export(net: Any, folder: Path, facts: Exported) -> Path:
    """Write model.onnx, tokens.txt and card.json; returns the folder. Raises OutputError, MissingExtraError."""
    folder.mkdir(parents=True, exist_ok=True)
    subsampling = subsampling_of(net)
    content = _as_onnx(net, facts, subsampling)
    with atomic_binary(folder / MODEL) as file:
        file.write(content)
    with atomic_text(folder / TOKENS) as text:
        text.writelines(f"{symbol} {place}\n" for place, symbol in enumerate(facts.alphabet.symbols))
    card = ModelCard(
        name=facts.name,
        engine="ctc",
        languages=tuple(facts.languages),
        sample_rate=SAMPLE_RATE,
        licence=facts.licence,
        description=facts.description,
        metrics=facts.metrics,
        extra={
            "alphabet": facts.alphabet.to_json(),
            "features": dict(facts.features),
            "net": {"name": facts.net, **facts.options},
            "subsampling": subsampling,
            "frame_shift": subsampling * int(facts.features["hop"]),
            "is_streaming": facts.is_streaming,
            "training": dict(facts.training),
        },
    )
    write_card(folder, with_checksums(card, folder))
    return folder


def subsampling_of(net: Any) -> int:
    """Frames of the front end that become one of the net."""
    part = getattr(net, "subsampling", None) or net.stacking
    return int(part.factor)


def _as_onnx(net: Any, facts: Exported, subsampling: int) -> bytes:
    torch = require("torch", extra="train", purpose="export")
    onnx = require("onnx", extra="train", purpose="export")
    num_features = int(facts.features["num_features"])
    inputs: list[Any] = [torch.randn(2, 40 * subsampling, num_features), torch.tensor([40 * subsampling, 31])]
    names = ["x", "x_lens"], ["log_probs", "log_probs_len"]
    axes = {
        "x": {0: "n", 1: "frames"},
        "x_lens": {0: "n"},
        "log_probs": {0: "n", 1: "out"},
        "log_probs_len": {0: "n"},
    }
    exported = net.eval()
    if facts.is_streaming:
        exported = _step_of(net)
        inputs += [torch.zeros(net.num_layers, 2, net.size) for _ in range(2)]
        for side, prefix in zip(names, ("", "new_"), strict=True):
            side.extend((f"{prefix}hidden", f"{prefix}cell"))
        axes |= {f"{prefix}{name}": {1: "n"} for prefix in ("", "new_") for name in ("hidden", "cell")}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            exported,
            tuple(inputs),
            buffer,
            input_names=names[0],
            output_names=names[1],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    said = {
        # What sherpa-onnx calls a net of this kind; it counts 40 ms a frame whatever it is told.
        "model_type": "earshot-lstm-ctc" if facts.is_streaming else "zipformer2_ctc",
        "version": "1",
        "model_author": "earshot",
        "subsampling_factor": str(subsampling),
        "vocab_size": str(len(facts.alphabet)),
        "comment": hashlib.sha256("\n".join(facts.alphabet.symbols).encode()).hexdigest(),
    }
    for key, value in said.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = model.SerializeToString()
    return content


def _step_of(net: Any) -> Any:
    torch = require("torch", extra="train", purpose="export")

    class Step(torch.nn.Module):  # type: ignore[name-defined]
        """One stretch of a stream."""

        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any, lengths: Any, hidden: Any, cell: Any) -> Any:
            return self.net.step(x, lengths, hidden, cell)

    return Step().eval()
