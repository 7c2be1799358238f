"""Write the graph of the GE2E encoder, whose weights stand in a file beside it (needs the onnx package).

    python tools/voices/ge2e_graph.py

The graph is 2 KB and ships; ``earshot.speakers.ge2e_weights`` writes the weights where it expects them.
"""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper, save_model

from earshot.speakers.ge2e_weights import GRAPH, WEIGHTS

HIDDEN, MELS, LAYERS = 256, 40, 3


def external(name: str, shape: tuple[int, ...], offset: int) -> TensorProto:
    """A tensor whose values stand at ``offset`` in the file of weights."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    size = 4
    for length in shape:
        size *= length
    for key, value in (("location", WEIGHTS), ("offset", str(offset)), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def main() -> None:
    """Write the graph into the package."""
    shapes: dict[str, tuple[int, ...]] = {}
    nodes = []
    before = "mels"
    for layer in range(LAYERS):
        shapes[f"W{layer}"] = (1, 4 * HIDDEN, MELS if layer == 0 else HIDDEN)
        shapes[f"R{layer}"] = (1, 4 * HIDDEN, HIDDEN)
        shapes[f"B{layer}"] = (1, 8 * HIDDEN)
        is_last = layer == LAYERS - 1
        outputs = ["", f"state{layer}"] if is_last else [f"all{layer}"]
        inputs = [before, f"W{layer}", f"R{layer}", f"B{layer}"]
        nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=HIDDEN, name=f"lstm{layer}"))
        axis, source = ("first", f"state{layer}") if is_last else ("second", f"all{layer}")
        before = f"out{layer}"
        nodes.append(helper.make_node("Squeeze", [source, axis], [before]))
    shapes["linear"], shapes["bias"] = (HIDDEN, HIDDEN), (HIDDEN,)
    nodes.append(helper.make_node("Gemm", [before, "linear", "bias"], ["mapped"], transB=1))
    nodes.append(helper.make_node("Relu", ["mapped"], ["voices"]))
    tensors, offset = [], 0
    for name, shape in shapes.items():
        tensors.append(external(name, shape, offset))
        offset += int(next(e.value for e in tensors[-1].external_data if e.key == "length"))
    tensors += [
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("second", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "ge2e",
        [helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["frames", "windows", MELS])],
        [helper.make_tensor_value_info("voices", TensorProto.FLOAT, ["windows", HIDDEN])],
        tensors,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8, producer_name="earshot"
    )
    target = Path(__file__).parents[2] / "src" / "earshot" / "speakers" / "data" / GRAPH
    target.parent.mkdir(exist_ok=True)
    save_model(model, target)


if __name__ == "__main__":
    main()
