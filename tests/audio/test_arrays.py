from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from earshot.audio.arrays import from_array, from_pydub, to_librosa, to_pydub
from earshot.core.errors import AudioError
from earshot.core.types import Audio


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_numbers_of_any_type_are_the_same_sound(dtype: str) -> None:
    wave = 0.5 * np.sin(np.arange(4_000) / 9)
    kind = np.dtype(dtype)
    half = 1.0 if kind.kind == "f" else 2.0 ** (8 * kind.itemsize - 1)
    numbers = (wave * half + (half if kind.kind == "u" else 0)).astype(kind)
    audio = from_array(numbers, 8_000)
    assert audio.sample_rate == 8_000
    assert np.abs(audio.samples - wave).max() < 0.01


@pytest.mark.parametrize("is_channels_first", [True, False])
def test_channels_are_mixed_whichever_side_they_are_on(is_channels_first: bool) -> None:
    stereo = np.stack([np.ones(100), np.zeros(100)])
    assert np.allclose(from_array(stereo if is_channels_first else stereo.T, 16_000).samples, 0.5)


@pytest.mark.parametrize(
    ("numbers", "sample_rate"),
    [
        (np.zeros((2, 2, 2)), 16_000),
        (np.array(["a"]), 16_000),
        (np.zeros(3, complex), 16_000),
        (np.zeros(3), 0),
        (np.array([np.nan, 0.0]), 16_000),
    ],
)
def test_what_is_no_sound_is_refused(numbers: np.ndarray, sample_rate: int) -> None:
    with pytest.raises(AudioError):
        from_array(numbers, sample_rate)


def test_librosa_gets_a_copy() -> None:
    audio = Audio(np.ones(10, np.float32))
    samples, sample_rate = to_librosa(audio)
    samples[:] = 0
    assert sample_rate == 16_000
    assert audio.samples.all()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_segments_as_pydub_lays_them_out(width: int) -> None:
    full = 2 ** (8 * width - 1)
    frames = np.array([[full // 2, 0], [-full, -full]], f"<i{width}")
    segment = SimpleNamespace(sample_width=width, channels=2, frame_rate=8_000, raw_data=frames.tobytes())
    assert np.allclose(from_pydub(segment).samples, [0.25, -1.0], atol=0.01)
    with pytest.raises(AudioError, match="3 bytes"):
        from_pydub(SimpleNamespace(sample_width=3, channels=1, frame_rate=8_000, raw_data=b""))


def test_pydub_and_back() -> None:
    pytest.importorskip("pydub", reason="pydub is not installed: pip install pydub")
    audio = Audio((0.5 * np.sin(np.arange(1_600) / 9)).astype(np.float32))
    assert np.abs(from_pydub(to_pydub(audio)).samples - audio.samples).max() < 1e-4
