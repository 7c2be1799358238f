"""Within one window: shapes, silence, two voices at once, and a net that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.core.errors import ModelError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.segmentation import NET, NetSegmenter, VoiceSegmenter, num_frames
from tests.speakers.whistles import WhistleEncoder, whistled


@pytest.fixture(scope="module")
def net() -> NetSegmenter:
    return NetSegmenter()


def everywhere(samples: Samples) -> np.ndarray:
    return np.ones(num_frames(len(samples)), np.bool_)


@pytest.mark.parametrize("length", [640, 641, 4_000, 16_000, 100_003, 256_000])
def test_a_row_for_each_40_ms(net: NetSegmenter, length: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.01, length).astype(np.float32)
    activity = net.activity(samples, everywhere(samples))
    assert activity.shape == (1 + length // 640, 3)
    assert activity.dtype == np.float32
    assert activity.min() >= 0
    assert activity.max() <= 1 + 1e-4


def test_where_there_is_no_speech_nobody_speaks(net: NetSegmenter, sample_path: Path) -> None:
    samples = read_audio(sample_path).samples[: 10 * SAMPLE_RATE]
    is_speech = everywhere(samples)
    is_speech[100:] = False
    assert not net.activity(samples, is_speech)[100:].any()


def test_one_real_voice_is_one_local_speaker(net: NetSegmenter, sample_path: Path) -> None:
    samples = read_audio(sample_path).samples[: 10 * SAMPLE_RATE]
    spoken = (net.activity(samples, everywhere(samples)) >= 0.5).sum(axis=0)
    assert spoken.max() > 0.6 * num_frames(len(samples))
    assert np.sort(spoken)[:2].sum() < 0.1 * spoken.max()


def test_without_the_net_voices_are_told_apart_by_the_encoder(sample_path: Path) -> None:
    speech = read_audio(sample_path).samples[: 5 * SAMPLE_RATE]
    samples = np.concatenate([whistled(speech, 5300.0), whistled(speech, 7200.0)])
    activity = VoiceSegmenter(WhistleEncoder(), 0.7).activity(samples, everywhere(samples))
    first, second = activity[:120].sum(axis=0).argmax(), activity[130:].sum(axis=0).argmax()
    assert first != second
    assert (activity.sum(axis=1) == 1).all()
    assert activity[:120, first].mean() > 0.95
    assert activity[130:, second].mean() > 0.95


def test_files_that_are_no_net(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no net")
    with pytest.raises(ModelError, match=r"a\.onnx cannot be loaded"):
        NetSegmenter(tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="cannot be loaded"):
        NetSegmenter(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="no segmentation net"):
        NetSegmenter(NET.parent / "voice.onnx")
