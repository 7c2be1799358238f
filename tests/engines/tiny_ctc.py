"""Model folders as training exports them, without training: nets that know ten seconds of Dickens by heart.

Each frame of log-mel features is compared with those of the sample, and says the letter that was said there: a
nearest neighbour, written as two matrix products. The one that listens as it goes has a small LSTM besides, so
that its state matters.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from earshot.core.types import Samples
from earshot.engines.ctc_front_ends import front_end_facts, make_front_end
from earshot.models.card import ModelCard, with_checksums, write_card
from tests.engines.tiny_onnx import node, onnx_model, write_tokens
from tests.engines.tiny_wav2vec2 import PHRASES, TEXT

SYMBOLS = ("<blk>", "▁", *sorted(set(TEXT) - {" "}))
SUBSAMPLING = 2
FRAME_SHIFT = 160 * SUBSAMPLING
_PHASES = range(0, 160, 32)
_SHARPNESS = 0.5
_SIZE = 8
"""Of the LSTM."""


def write_ctc(
    folder: Path,
    samples: Samples,
    *,
    streaming: bool = False,
    least: float = 1e-6,
    labels: Callable[[float], int] | None = None,
    languages: tuple[str, ...] = ("en",),
    **facts: Any,
) -> Path:
    """A net that knows the ten seconds of ``samples``.

    least: what it gives to every letter, sure as it is. labels: the symbol to be written at each second of
    other samples. facts: what its card shall say otherwise.
    """
    folder.mkdir(parents=True)
    write_tokens(folder, SYMBOLS)
    (folder / "model.onnx").write_bytes(_net(samples, labels or letter_at, streaming=streaming, least=least))
    extra = {
        "alphabet": {"symbols": list(SYMBOLS), "kind": "letters"},
        "features": front_end_facts("log-mel"),
        "net": {"name": "by-heart"},
        "subsampling": SUBSAMPLING,
        "frame_shift": FRAME_SHIFT,
        "is_streaming": streaming,
    } | facts
    card = ModelCard(folder.name, "ctc", languages, 16_000, "CC0-1.0", extra=extra)
    write_card(folder, with_checksums(card, folder))
    return folder


def rewrite_card(folder: Path, **facts: Any) -> None:
    """Let the card say something else: of ``extra``, or of the card itself."""
    import dataclasses

    from earshot.models.card import read_card

    card = read_card(folder)
    own = {name: value for name, value in facts.items() if hasattr(card, name)}
    extra = {**card.extra, **{name: value for name, value in facts.items() if name not in own}}
    write_card(folder, with_checksums(dataclasses.replace(card, **{**own, "extra": extra}), folder))


SPOKEN = tuple((max(start, 1.0) + 0.1, end - 0.25, text) for start, end, text in PHRASES)
"""When the letters of each phrase are written, spread evenly: seconds, clear of the pauses."""


def letter_at(seconds: float) -> int:
    """The symbol that is written then: the blank in pauses and between equal letters, a space after phrases."""
    for (start, end, text), (_, pause, _) in zip(SPOKEN, PHRASES, strict=True):
        if start <= seconds < end:
            place = (seconds - start) / (end - start) * len(text)
            letter, at = text[int(place)], int(place)
            is_double = at + 1 < len(text) and text[at + 1] == letter
            return 0 if is_double and place - at > 0.5 else SYMBOLS.index("▁" if letter == " " else letter)
        if end <= seconds < pause - 0.1:
            return SYMBOLS.index("▁")
    return 0


def _net(samples: Samples, labels: Callable[[float], int], *, streaming: bool, least: float) -> bytes:
    front_end = make_front_end(front_end_facts("log-mel"))
    frames, letters = [], []
    followed = np.pad(samples, (0, 800))  # the frames in which it breaks off are known, too
    for phase in _PHASES:
        features = front_end(followed[phase:])
        frames.append((features[:-1] + features[1:]) / 2)
        times = (phase + 160 * (np.arange(len(features) - 1) + 1)) / 16_000
        letters += [labels(time) if time < len(samples) / 16_000 else 0 for time in times.tolist()]
    frames.append(front_end(np.zeros(800, np.float32)))  # digital silence
    letters += [0] * len(frames[-1])
    known = np.concatenate(frames)
    says = np.eye(len(SYMBOLS), dtype=np.float32)[letters]
    weights: dict[str, np.ndarray] = {
        "known": np.ascontiguousarray(2 * _SHARPNESS * known.T),
        "norms": -_SHARPNESS * np.square(known).sum(axis=1),
        "says": (1 - least * len(SYMBOLS)) * says,
        "least": np.array([least], np.float32),
        "factor": np.array([SUBSAMPLING], np.int64),
    }
    nodes = [
        node("Transpose", ["x"], ["bands"], perm=[0, 2, 1]),
        node("AveragePool", ["bands"], ["pooled"], kernel_shape=[SUBSAMPLING], strides=[SUBSAMPLING]),
        node("Transpose", ["pooled"], ["frames"], perm=[0, 2, 1]),
        node("MatMul", ["frames", "known"], ["near"]),
        node("Add", ["near", "norms"], ["nearer"]),
        node("Softmax", ["nearer"], ["which"], axis=2),
        node("MatMul", ["which", "says"], ["letters"]),
        node("Add", ["letters", "least"], ["likely"]),
        node("Log", ["likely"], ["scores" if streaming else "log_probs"]),
        node("Div", ["x_lens", "factor"], ["log_probs_len"]),
    ]
    inputs: dict[str, Any] = {"x": (float, ["n", "frames", 80]), "x_lens": (int, ["n"])}
    outputs: dict[str, Any] = {
        "log_probs": (float, ["n", "out", len(SYMBOLS)]), "log_probs_len": (int, ["n"])
    }  # fmt: skip
    if streaming:
        rng = np.random.default_rng(5)
        weights |= {
            "W": rng.normal(0, 0.1, (1, 4 * _SIZE, 80)).astype(np.float32),
            "R": rng.normal(0, 0.5, (1, 4 * _SIZE, _SIZE)).astype(np.float32),
            "B": np.zeros((1, 8 * _SIZE), np.float32),
            "mixed": rng.normal(0, 0.3, (_SIZE, len(SYMBOLS))).astype(np.float32),
            "one": np.array([1], np.int64),
        }
        lstm_inputs = ["steps", "W", "R", "B", "", "hidden", "cell"]
        nodes += [
            node("Transpose", ["frames"], ["steps"], perm=[1, 0, 2]),
            node("LSTM", lstm_inputs, ["Y", "new_hidden", "new_cell"], hidden_size=_SIZE),
            node("Squeeze", ["Y", "one"], ["Y3"]),
            node("Transpose", ["Y3"], ["remembered"], perm=[1, 0, 2]),
            node("MatMul", ["remembered", "mixed"], ["moods"]),
            node("Add", ["scores", "moods"], ["moody"]),
            node("LogSoftmax", ["moody"], ["log_probs"], axis=2),
        ]
        state = (float, [1, "n", _SIZE])
        inputs |= {"hidden": state, "cell": state}
        outputs |= {"new_hidden": state, "new_cell": state}
    kind = "earshot-lstm-ctc" if streaming else "zipformer2_ctc"
    metadata = {"model_type": kind, "subsampling_factor": SUBSAMPLING, "vocab_size": len(SYMBOLS)}
    return onnx_model(nodes, inputs, outputs, weights, metadata)
