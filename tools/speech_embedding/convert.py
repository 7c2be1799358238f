"""Take Google's speech embedding out of a wheel of openWakeWord, for sounds of any length.

    pip download --no-deps openwakeword==0.4.0
    python tools/speech_embedding/convert.py openwakeword-0.4.0-py3-none-any.whl

The weights stay as they are (Apache-2.0, Google; tfhub.dev/google/speech_embedding/1). The model there is told
how many frames it hears; here that is open, and one pass over a sound does the work of many windows.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

_MODEL = "openwakeword/resources/models/embedding_model.onnx"
_TARGET = Path(__file__).parents[2] / "src" / "earshot" / "commands" / "data" / "speech_embedding.onnx"
_WINDOW, _STEP = 76, 8
"""Frames that the net hears, and frames from one vector to the next."""


def main() -> None:
    """Writes the file that ships, and checks it against the one that it comes from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        original = wheel.read(_MODEL)
    opened = with_any_length(original)
    check(original, opened)
    _TARGET.write_bytes(opened)
    print(f"{_TARGET.name}: {_TARGET.stat().st_size / 1e6:.2f} MB")


def with_any_length(content: bytes) -> bytes:
    """Its two reshapes to fixed numbers only move the axis of channels: transpose instead."""
    model = onnx.load_from_string(content)
    graph = model.graph
    first, last = (index for index, node in enumerate(graph.node) if node.op_type == "Reshape")
    for index, order in ((first, (0, 3, 1, 2)), (last, (0, 2, 3, 1))):
        node = graph.node[index]
        fixed = node.input[1]
        moved = helper.make_node("Transpose", [node.input[0]], [node.output[0]], perm=order)
        graph.node[index].CopyFrom(moved)
        graph.initializer.remove(next(item for item in graph.initializer if item.name == fixed))
    for value, name in ((graph.input[0], "frames"), (graph.output[0], "steps")):
        dimension = value.type.tensor_type.shape.dim[1]
        dimension.ClearField("dim_value")
        dimension.dim_param = name
    for node in graph.node:
        node.input[:] = ["mels" if item == graph.input[0].name else item for item in node.input]
    graph.input[0].name = "mels"
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def check(original: bytes, opened: bytes) -> None:
    """One pass gives what windows give, one by one."""
    frames = np.random.default_rng(0).standard_normal((1, _WINDOW + 10 * _STEP, 32, 1)).astype(np.float32)
    windows = np.stack([frames[0, start : start + _WINDOW] for start in range(0, 10 * _STEP + 1, _STEP)])
    one, many = onnxruntime.InferenceSession(original), onnxruntime.InferenceSession(opened)
    wanted = one.run(None, {one.get_inputs()[0].name: windows})[0].reshape(len(windows), -1)
    found = many.run(None, {"mels": frames})[0].reshape(len(windows), -1)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


if __name__ == "__main__":
    main()
