"""Voices as vectors: the encoders that can be had, and how they stand up to what they get."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earshot.core.errors import AudioError, MissingExtraError, ModelError, SpeakerError, UnknownModelError
from earshot.core.types import Audio, Samples
from earshot.models.store import ModelStore
from earshot.speakers import ge2e_weights
from earshot.speakers.encoder import SpeakerEncoder, find_encoder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(home))


@pytest.fixture(params=["earshot", "ge2e"])
def encoder(request: pytest.FixtureRequest) -> SpeakerEncoder:
    if request.param == "ge2e" and ge2e_weights.wheel_weights() is None:
        pytest.skip(f"no weights of GE2E: {ge2e_weights.HOW_TO_INSTALL}")
    return find_encoder(request.param, num_threads=1)


@pytest.fixture
def clip(sample: Audio) -> Samples:
    return sample.samples


def test_vectors_are_unit_rows_and_one_voice_stays_together(encoder: SpeakerEncoder, clip: Samples) -> None:
    parts = [clip[:48_000], clip[48_000:96_000], clip[96_000:144_000]]
    vectors = encoder.embed(parts)
    assert vectors.shape == (3, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines.min() > encoder.threshold


def test_a_voice_played_faster_is_another(encoder: SpeakerEncoder, clip: Samples) -> None:
    import soxr

    other = np.asarray(soxr.resample(clip, 16_000, 12_000), np.float32)  # a third higher
    first, again, higher = encoder.embed([clip[:64_000], clip[64_000:128_000], other[:64_000]])
    assert first @ again > first @ higher


def test_the_level_makes_little_difference(encoder: SpeakerEncoder, clip: Samples) -> None:
    loud, quiet = encoder.embed([clip[:64_000], clip[:64_000] * np.float32(0.05)])
    assert loud @ quiet > 0.99


def test_clips_do_not_depend_on_their_company(encoder: SpeakerEncoder, clip: Samples) -> None:
    alone = encoder.embed([clip[:40_000]])[0]
    among = encoder.embed([clip, clip[:40_000], clip[5_000:30_000]])[1]
    np.testing.assert_allclose(alone, among, atol=1e-4)


def test_windows_are_near_what_the_clips_alone_give(encoder: SpeakerEncoder, clip: Samples) -> None:
    starts = list(range(0, len(clip) - 24_000, 12_000))
    windows = encoder.embed_windows(clip, starts, 24_000)
    clips = encoder.embed([clip[start : start + 24_000] for start in starts])
    assert windows.shape == clips.shape
    assert (windows * clips).sum(axis=1).min() > 0.9


def test_long_windows_and_windows_over_the_end(encoder: SpeakerEncoder, clip: Samples) -> None:
    long = encoder.embed_windows(clip, [0, 16_000, len(clip) - 8_000], 80_000)
    assert long.shape == (3, encoder.dim)
    assert np.isfinite(long).all()
    assert long[0] @ long[1] > encoder.threshold
    with pytest.raises(SpeakerError, match="too short"):
        encoder.embed_windows(clip, [len(clip) - 100], 24_000)


def test_nothing_in_nothing_out(encoder: SpeakerEncoder, clip: Samples) -> None:
    assert encoder.embed([]).shape == (0, encoder.dim)
    assert encoder.embed_windows(clip, [], 24_000).shape == (0, encoder.dim)


def test_silence_noise_and_the_shortest_clip_give_finite_unit_vectors(encoder: SpeakerEncoder) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 1_600).astype(np.float32)
    vectors = encoder.embed([np.zeros(20_000, np.float32), noise, np.full(5_000, 1e-30, np.float32)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_is_no_voice_is_refused(encoder: SpeakerEncoder) -> None:
    with pytest.raises(SpeakerError, match="too short"):
        encoder.embed([np.zeros(100, np.float32)])
    with pytest.raises(AudioError):
        encoder.embed([np.full(20_000, np.nan, np.float32)])


def test_names_that_do_not_exist() -> None:
    with pytest.raises(UnknownModelError, match="ge2e"):
        find_encoder("g2e")
    with pytest.raises(UnknownModelError):
        find_encoder("sherpa:/no/such/file.onnx")


def test_the_encoder_that_ships_needs_nothing_installed() -> None:
    code = (
        "import sys\n"
        "from earshot.speakers.encoder import find_encoder\n"
        "encoder = find_encoder('earshot', num_threads=1)\n"
        "assert find_encoder(encoder.name).name == encoder.name\n"
        "assert not {'torch', 'librosa', 'sklearn', 'resemblyzer', 'onnx'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_weights_the_command_that_brings_them_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])  # no distribution can be found
    with pytest.raises(MissingExtraError, match="--no-deps Resemblyzer"):
        find_encoder("ge2e")
    assert find_encoder(num_threads=1).name == find_encoder("earshot", num_threads=1).name


def test_ge2e_is_converted_once_and_then_a_model_like_others(clip: Samples) -> None:
    if ge2e_weights.wheel_weights() is None:
        pytest.skip(f"no weights of GE2E: {ge2e_weights.HOW_TO_INSTALL}")
    find_encoder("ge2e", num_threads=1)
    store = ModelStore()
    assert [result.problems for result in store.verify(["ge2e"])] == [()]
    card = store.get("ge2e").card
    assert card is not None
    assert card.licence == "Apache-2.0"
    before = (store.get("ge2e").path / ge2e_weights.WEIGHTS).stat().st_mtime_ns
    assert find_encoder(num_threads=1).name == "ge2e"
    assert (store.get("ge2e").path / ge2e_weights.WEIGHTS).stat().st_mtime_ns == before


def test_a_damaged_conversion_says_what_to_do(tmp_path: Path) -> None:
    from earshot.speakers.ge2e import Ge2eEncoder

    graph = Path(ge2e_weights.__file__).parent / "data" / ge2e_weights.GRAPH
    (tmp_path / ge2e_weights.GRAPH).write_bytes(graph.read_bytes())
    (tmp_path / ge2e_weights.WEIGHTS).write_bytes(b"too little")
    with pytest.raises(ModelError, match="remove ge2e"):
        Ge2eEncoder(tmp_path)


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('code of a checkpoint was run')",)


@pytest.mark.parametrize("place", ["first", "model"])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, place: str) -> None:
    objects = [0x1950A86A20F9469CFC6C, 1001, {}, {"model_state": _Runs()}, []]
    path = tmp_path / "pretrained.pt"
    content = [_Runs()] if place == "first" else objects
    path.write_bytes(b"".join(pickle.dumps(item, 2) for item in content))
    with pytest.raises(ModelError, match="no weights need"):
        ge2e_weights.read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}", b"PK\x03\x04" + bytes(100), bytes(1000)])
def test_a_broken_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pretrained.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"pretrained\.pt"):
        ge2e_weights.read_checkpoint(path)


def test_the_converted_net_computes_what_torch_does(tmp_path: Path) -> None:
    try:
        import torch
    except ImportError:
        pytest.skip("torch is not installed: pip install 'earshot[wav2vec2]'")
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    state = {f"lstm.{k}": v.detach() for k, v in lstm.state_dict().items()}
    state |= {f"linear.{k}": v.detach() for k, v in linear.state_dict().items()}
    path = tmp_path / "pretrained.pt"
    torch.save({"model_state": state}, path, _use_new_zipfile_serialization=False)
    ge2e_weights.convert(path, tmp_path)

    import onnxruntime

    mel = np.random.default_rng(0).random((3, 120, 40)).astype(np.float32)
    with torch.no_grad():
        wanted = torch.relu(linear(lstm(torch.from_numpy(mel))[1][0][-1])).numpy()
    session = onnxruntime.InferenceSession(tmp_path / ge2e_weights.GRAPH)
    found = session.run(None, {"mels": np.ascontiguousarray(mel.transpose(1, 0, 2))})[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
