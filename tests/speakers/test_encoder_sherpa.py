"""Speaker models in sherpa-onnx's form, with a minute net in place of real weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earshot.core.errors import ModelError, UnknownModelError
from earshot.core.types import Audio
from earshot.speakers.encoder import find_encoder
from tests.engines.tiny_onnx import node, onnx_model

WESPEAKER = {
    "framework": "wespeaker", "language": "English", "sample_rate": 16_000, "output_dim": 8,
    "normalize_samples": 0,
}  # fmt: skip
VARIANTS = {
    "wespeaker": WESPEAKER,
    "centred": {**WESPEAKER, "feature_normalize_type": "global-mean"},
    "3d-speaker": {
        **WESPEAKER,
        "framework": "3d-speaker",
        "normalize_samples": 1,
        "feature_normalize_type": "global-mean",
    },
}


def write_model(path: Path, metadata: Mapping[str, Any], batch: int | str = "N") -> Path:
    """Means and mean squares of the 80 bands, mapped to eight numbers."""
    nodes = [
        node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
        node("Mul", ["x", "x"], ["square"]),
        node("ReduceMean", ["square"], ["power"], axes=[1], keepdims=0),
        node("Concat", ["mean", "power"], ["both"], axis=1),
        node("MatMul", ["both", "weights"], ["embs"]),
    ]
    weights = np.random.default_rng(0).normal(0, 0.1, (160, 8)).astype(np.float32)
    path.write_bytes(
        onnx_model(
            nodes,
            {"x": (float, [batch, "T", 80])},
            {"embs": (float, [batch, 8])},
            {"weights": weights},
            metadata,
        )
    )
    return path


@pytest.mark.parametrize("variant", VARIANTS)
def test_vectors_equal_those_of_sherpa_onnx(tmp_path: Path, sample: Audio, variant: str) -> None:
    try:
        import sherpa_onnx
    except ImportError:
        pytest.skip("sherpa-onnx is not installed: pip install 'earshot[sherpa]'")
    path = write_model(tmp_path / "voice.onnx", VARIANTS[variant])
    extractor = sherpa_onnx.SpeakerEmbeddingExtractor(
        sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(path))
    )
    clip = sample.samples[:48_000]
    stream = extractor.create_stream()
    stream.accept_waveform(16_000, clip)
    stream.input_finished()
    wanted = np.asarray(extractor.compute(stream))
    found = find_encoder(f"sherpa:{path}", num_threads=1).embed([clip])[0]
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted), atol=1e-4)


@pytest.mark.parametrize("batch", ["N", 1])
def test_windows_and_a_folder(tmp_path: Path, sample: Audio, batch: int | str) -> None:
    write_model(tmp_path / "voice.onnx", VARIANTS["centred"], batch)
    encoder = find_encoder(f"sherpa:{tmp_path}", num_threads=1)
    starts = [0, 16_000, 32_000, len(sample.samples) - 8_000]
    windows = encoder.embed_windows(sample.samples, starts, 24_000)
    clips = encoder.embed([sample.samples[start : start + 24_000] for start in starts])
    assert windows.shape == (4, 8)
    assert (windows * clips).sum(axis=1).min() > 0.95


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"framework": "nemo"}, "nemo"),
        ({"framework": ""}, "says not what it is"),
        ({"sample_rate": 8_000}, "8000 Hz"),
        ({"output_dim": "many"}, "says not what"),
        ({"feature_normalize_type": "per_feature"}, "normalisation"),
    ],
)
def test_models_that_cannot_be_fed_rightly_are_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = write_model(tmp_path / "voice.onnx", {**WESPEAKER, **change})
    with pytest.raises(ModelError, match=words):
        find_encoder(f"sherpa:{path}")


def test_a_model_that_gives_something_else_is_refused(tmp_path: Path, sample: Audio) -> None:
    path = write_model(tmp_path / "voice.onnx", {**WESPEAKER, "output_dim": 9})
    with pytest.raises(ModelError, match="in place of"):
        find_encoder(f"sherpa:{path}", num_threads=1).embed([sample.samples])


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "voice.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="no ONNX model"):
        find_encoder(f"sherpa:{tmp_path}")
    with pytest.raises(UnknownModelError, match=r"no \.onnx file"):
        find_encoder(f"sherpa:{Path(__file__).parent}")
    (tmp_path / "other.onnx").write_bytes(b"not a model")
    with pytest.raises(UnknownModelError, match="2 models"):
        find_encoder(f"sherpa:{tmp_path}")
