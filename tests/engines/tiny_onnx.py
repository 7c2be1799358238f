"""ONNX files written field by field (no ``onnx`` package), and sherpa-onnx models that hear a hum and a hiss.

A network here is real but minute: the mean of the low and of the high log-mel bands says whether there is a hum
or a hiss, and silence, being quiet in both, is blank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

NUM_BANDS = 80
TOKENS = ("<blk>", "▁hum", "▁hi", "ss", "<unk>")

Shape = Sequence[int | str]


def node(
    op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | float | list[int]
) -> bytes:
    fields = [_field(1, name.encode()) for name in inputs] + [_field(2, name.encode()) for name in outputs]
    return b"".join([*fields, _field(4, op.encode()), *(_attribute(*item) for item in attributes.items())])


def onnx_model(
    nodes: Sequence[bytes],
    inputs: Mapping[str, tuple[type, Shape]],
    outputs: Mapping[str, tuple[type, Shape]],
    weights: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any],
) -> bytes:
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, b"g")
    graph += b"".join(_field(5, _tensor(name, value)) for name, value in weights.items())
    graph += b"".join(_field(11, _value(name, *what)) for name, what in inputs.items())
    graph += b"".join(_field(12, _value(name, *what)) for name, what in outputs.items())
    opset = _field(1, b"") + _number(2, 13)
    props = b"".join(
        _field(14, _field(1, key.encode()) + _field(2, str(value).encode())) for key, value in metadata.items()
    )
    return _number(1, 8) + _field(7, graph) + _field(8, opset) + props


def write_tokens(folder: Path, tokens: Sequence[str] = TOKENS) -> None:
    text = "".join(f"{token} {i}\n" for i, token in enumerate(tokens))
    (folder / "tokens.txt").write_text(text, encoding="utf-8")


def write_nemo_ctc(folder: Path, *, metadata: Mapping[str, Any] = {}) -> Path:
    """Offline: features (B, 80, T) to log-probabilities (B, T / 4, 5)."""
    folder.mkdir(parents=True)
    write_tokens(folder)
    nodes = [
        node("AveragePool", ["audio_signal"], ["pooled"], kernel_shape=[4], strides=[4]),
        node("Transpose", ["pooled"], ["x"], perm=[0, 2, 1]),
        *_scores("x", "scores"),
        node("LogSoftmax", ["scores"], ["logprobs"], axis=2),
    ]
    known = {
        "model_type": "EncDecCTCModelBPE", "vocab_size": len(TOKENS) - 1, "subsampling_factor": 4,
        "normalize_type": "",
    }  # fmt: skip
    model = onnx_model(
        nodes,
        {"audio_signal": (float, ["B", NUM_BANDS, "T"]), "length": (int, ["B"])},
        {"logprobs": (float, ["B", "S", len(TOKENS)])},
        _weights(NEMO),
        {**known, **metadata},
    )
    (folder / "model.onnx").write_bytes(model)
    return folder


def write_transducer(folder: Path, *, streaming: bool, suffix: str = "-epoch-1-avg-1") -> Path:
    """Icefall's three networks. Streaming ones get 9 frames with the states of an LSTM and move on by 4."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokens(folder)
    size = len(TOKENS)
    frames: Shape = ["N", 9 if streaming else "T", NUM_BANDS]
    pool = [
        node("Transpose", ["x"], ["bands"], perm=[0, 2, 1]),
        node("AveragePool", ["bands"], ["pooled"], kernel_shape=[4], strides=[8 if streaming else 4]),
        node("Transpose", ["pooled"], ["frames"], perm=[0, 2, 1]),
        *_scores("frames", "encoder_out"),
    ]
    if streaming:
        states = {name: (float, [1, "N", 4]) for name in ("h", "c")}
        next_states = {f"next_{name}": what for name, what in states.items()}
        encoder = onnx_model(
            [*pool, node("Identity", ["h"], ["next_h"]), node("Identity", ["c"], ["next_c"])],
            {"x": (float, frames), **states},
            {"encoder_out": (float, ["N", "S", size]), **next_states},
            _weights(KALDI),
            {"model_type": "lstm", "num_encoder_layers": 1, "T": 9, "decode_chunk_len": 4,
             "rnn_hidden_size": 4, "d_model": 4},
        )  # fmt: skip
    else:
        four = np.array([4], np.int64)
        encoder = onnx_model(
            [*pool, node("Div", ["x_lens", "four"], ["encoder_out_lens"])],
            {"x": (float, frames), "x_lens": (int, ["N"])},
            {"encoder_out": (float, ["N", "S", size]), "encoder_out_lens": (int, ["N"])},
            {**_weights(KALDI), "four": four},
            {"model_type": "zipformer2"},
        )
    # Of "▁hi" and "ss" the second follows the first; no token follows itself.
    follow = np.zeros((size, size), np.float32)
    np.fill_diagonal(follow[1:, 1:], -1e4)
    follow[:, 3] = -1e4
    follow[2, 3] = 30.0
    follow[3, 2] = follow[3, 3] = -1e4
    decoder = onnx_model(
        [
            node("Gather", ["y", "last"], ["token"], axis=1),
            node("Gather", ["follow", "token"], ["decoder_out"], axis=0),
        ],
        {"y": (int, ["N", 2])},
        {"decoder_out": (float, ["N", size])},
        {"follow": follow, "last": np.array(1, np.int64)},
        {"vocab_size": size, "context_size": 2},
    )
    joiner = onnx_model(
        [node("Add", ["encoder_out", "decoder_out"], ["logit"])],
        {"encoder_out": (float, ["N", size]), "decoder_out": (float, ["N", size])},
        {"logit": (float, ["N", size])},
        {},
        {"joiner_dim": size},
    )
    for name, data in (("encoder", encoder), ("decoder", decoder), ("joiner", joiner)):
        (folder / f"{name}{suffix}.onnx").write_bytes(data)
    return folder


def write_streaming_ctc(folder: Path) -> Path:
    """A streaming "zipformer2_ctc": 9 frames in, one out, its eight states handed through."""
    folder.mkdir(parents=True)
    write_tokens(folder)
    left, dim = 2, 4
    shapes: list[list[int | str]] = [
        [left, "N", dim], [1, "N", left, 3], [left, "N", dim], [left, "N", dim], ["N", dim, 1], ["N", dim, 1],
        ["N", 128, 3, 19],
    ]  # fmt: skip
    states: dict[str, tuple[type, Shape]] = {f"s{i}": (float, shape) for i, shape in enumerate(shapes)}
    states["s7"] = (int, ["N"])
    nodes = [
        node("Transpose", ["x"], ["bands"], perm=[0, 2, 1]),
        node("AveragePool", ["bands"], ["pooled"], kernel_shape=[4], strides=[8]),
        node("Transpose", ["pooled"], ["frames"], perm=[0, 2, 1]),
        *_scores("frames", "scores"),
        node("LogSoftmax", ["scores"], ["log_probs"], axis=2),
        *(node("Identity", [name], [f"new_{name}"]) for name in states),
    ]
    model = onnx_model(
        nodes,
        {"x": (float, ["N", 9, NUM_BANDS]), **states},
        {"log_probs": (float, ["N", 1, len(TOKENS)]), **{f"new_{name}": what for name, what in states.items()}},
        _weights(KALDI),
        {"model_type": "zipformer2_ctc", "encoder_dims": dim, "query_head_dims": dim, "value_head_dims": dim,
         "num_heads": 1, "num_encoder_layers": 1, "cnn_module_kernels": 2, "left_context_len": left, "T": 9,
         "decode_chunk_len": 4},
    )  # fmt: skip
    (folder / "ctc-epoch-1-avg-1.onnx").write_bytes(model)
    return folder


KALDI = -11.0
"""Natural log of a mel band's energy between rest and sound, for samples in [-1, 1]."""
NEMO = -13.0


def _scores(frames: str, scores: str) -> list[bytes]:
    return [node("MatMul", [frames, "w"], ["raw"]), node("Add", ["raw", "b"], [scores])]


def _weights(threshold: float) -> dict[str, np.ndarray]:
    """Scores of blank (always 0), hum, "▁hi", "ss" and <unk> of one frame of log-mel bands."""
    weights = np.zeros((NUM_BANDS, len(TOKENS)), np.float32)
    weights[2:12, 1] = 1 / 10
    weights[40:80, 2] = weights[40:80, 3] = 1 / 40
    bias = np.array([0.0, -threshold, -threshold, -threshold - 5, -1e4], np.float32)
    weights[40:80, 1] = -0.5 / 40  # a hiss is no hum
    bias[1] += 0.5 * threshold
    return {"w": weights, "b": bias}


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _attribute(name: str, value: int | list[int]) -> bytes:
    data = _field(1, name.encode())
    if isinstance(value, list):
        return _field(5, data + b"".join(_number(8, one) for one in value) + _number(20, 7))
    return _field(5, data + _number(3, value) + _number(20, 2))


def _tensor(name: str, value: np.ndarray) -> bytes:
    kind = 7 if value.dtype == np.int64 else 1
    dims = b"".join(_number(1, n) for n in value.shape)
    return dims + _number(2, kind) + _field(8, name.encode()) + _field(9, value.tobytes())


def _value(name: str, kind: type, shape: Shape) -> bytes:
    dims = b"".join(_field(1, _number(1, n) if isinstance(n, int) else _field(2, n.encode())) for n in shape)
    tensor = _number(1, 7 if kind is int else 1) + _field(2, dims)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))
