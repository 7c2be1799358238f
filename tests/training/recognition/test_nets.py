"""Nets as they are exported write what they write in torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from earshot.core.errors import TrainingError
from earshot.decoding.alphabet import Alphabet
from earshot.engines.ctc_front_ends import front_end_facts
from earshot.training.recognition.exporting import Exported, export, subsampling_of
from earshot.training.recognition.nets import NETS, build_net, find_net, options_of

ALPHABET = Alphabet.of_letters("abc")


def net_of(name: str, options: dict[str, Any] | None = None, num_features: int = 13) -> Any:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    mean = rng.standard_normal(num_features).astype(np.float32)
    deviation = rng.uniform(0.5, 2, num_features).astype(np.float32)
    return build_net(name, options or {}, len(ALPHABET), mean, deviation).eval()


def session_of(name: str, net: Any, folder: Path, options: dict[str, Any] | None = None) -> Any:
    facts = Exported(
        "tiny",
        ALPHABET,
        front_end_facts("mfcc"),
        name,
        {**options_of(name), **(options or {})},
        find_net(name).is_streaming,
    )
    export(net, folder, facts)
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def padded(lengths: list[int], num_features: int = 13) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(1)
    x = np.zeros((len(lengths), max(lengths), num_features), np.float32)
    for row, length in zip(x, lengths, strict=True):
        row[:length] = rng.standard_normal((length, num_features))
    return x


@pytest.mark.parametrize("name", NETS)
def test_onnx_writes_what_torch_writes(name: str, tmp_path: Path) -> None:
    small: dict[str, Any] = {"num_blocks": 2} if "num_blocks" in options_of(name) else {}
    net = net_of(name, small)
    session = session_of(name, net, tmp_path, small)
    for lengths in ([57], [120, 31, 4]):
        x = padded(lengths)
        with torch.inference_mode():
            expected, expected_lengths = net(torch.from_numpy(x), torch.tensor(lengths))
            alone, _ = net(torch.from_numpy(x[-1:, : lengths[-1]]), torch.tensor(lengths[-1:]))
        feeds = {"x": x, "x_lens": np.array(lengths, np.int64)}
        for state in {one.name for one in session.get_inputs()} - set(feeds):
            feeds[state] = np.zeros((net.num_layers, len(lengths), net.size), np.float32)
        found, found_lengths = session.run(["log_probs", "log_probs_len"], feeds)
        assert found_lengths.tolist() == expected_lengths.tolist()
        assert found_lengths.tolist() == [-(-length // subsampling_of(net)) for length in lengths]
        for row, wanted, length in zip(found, expected.numpy(), found_lengths, strict=True):
            assert np.allclose(row[:length], wanted[:length], rtol=1e-3, atol=1e-4)
        # What is written of an utterance does not depend on the longer ones beside it.
        assert np.allclose(alone[0], expected[-1, : alone.shape[1]], atol=1e-4)


@pytest.mark.parametrize("pieces", [[4, 8, 40, 12], [64], [32, 32]])
def test_a_stream_in_pieces_is_the_whole(pieces: list[int], tmp_path: Path) -> None:
    options = {"size": 24, "num_layers": 2}
    net = net_of("lstm-streaming", options)
    session = session_of("lstm-streaming", net, tmp_path, options)
    x = padded([sum(pieces)])
    state = np.zeros((2, 2, 1, 24), np.float32)
    names = ["log_probs", "log_probs_len", "new_hidden", "new_cell"]

    def step(part: np.ndarray[Any, Any], hidden: Any, cell: Any) -> Any:
        length = np.array([part.shape[1]], np.int64)
        return session.run(names, {"x": part, "x_lens": length, "hidden": hidden, "cell": cell})

    whole = step(x, *state)[0]
    found, after = [], list(state)
    for end, size in zip(np.cumsum(pieces), pieces, strict=True):
        log_probs, _, *after = step(x[:, end - size : end], *after)
        found.append(log_probs)
    assert np.allclose(np.concatenate(found, 1), whole, atol=1e-5)


def test_an_exported_net_is_of_a_kind_that_others_know(tmp_path: Path) -> None:
    net = net_of("blstm", {"sizes": [8]})
    said = session_of("blstm", net, tmp_path).get_modelmeta().custom_metadata_map
    assert said["model_type"] == "zipformer2_ctc"
    assert said["vocab_size"] == str(len(ALPHABET))
    assert said["subsampling_factor"] == "1"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("blstm", {"size": 12}, "no option 'size'"),
        ("conformer", {"blocks": 3}, "try 'num_blocks'"),
        ("conformer", {"size": 33}, "cannot be built"),
        ("conformer", {"kernel": 4}, "cannot be built"),
        ("conformer", {"num_blocks": 0}, "cannot be built"),
        ("blstm", {"sizes": "wide"}, "cannot be built"),
        ("blstm", {"stacking": 0}, "cannot be built"),
        ("lstm-streaming", {"dropout": 2}, "dropout lies in"),
        ("konformer", {}, "try 'conformer'"),
    ],
)
def test_options_that_do_not_fit_are_told(name: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        net_of(name, options)
