"""The same numbers as the libraries whose definitions we follow, on real speech and on awkward lengths."""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest

from earshot.core.types import Audio, Samples
from earshot.features import LogMel, MelOptions, Mfcc, MfccOptions, deltas
from earshot.features.filters import hz_to_mel, mel_filters, mel_to_hz

LENGTHS = [1, 100, 399, 400, 401, 559, 560, 561, 5_000, 160_000]


def peer(module: str, package: str) -> ModuleType:
    if find_spec(module) is None:
        pytest.skip(f"the peer is not installed: pip install {package}")
    return __import__(module)


@pytest.fixture(scope="module")
def kaldi() -> ModuleType:
    return peer("kaldi_native_fbank", "kaldi-native-fbank")


@pytest.fixture(scope="module")
def psf() -> ModuleType:
    return peer("python_speech_features", "python_speech_features")


@pytest.fixture(scope="module")
def librosa() -> ModuleType:
    return peer("librosa", "librosa")


def stretch(sample: Audio, length: int) -> Samples:
    start = 16_000 if length < 100_000 else 0
    return sample.samples[start : start + length]


def kaldi_fbank(
    kaldi: ModuleType, samples: Samples, num_mels: int, snip_edges: bool, sample_rate: int = 16_000
) -> np.ndarray:
    options = kaldi.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = sample_rate
    options.frame_opts.snip_edges = snip_edges
    options.mel_opts.num_bins = num_mels
    fbank = kaldi.OnlineFbank(options)
    fbank.accept_waveform(sample_rate, (samples * 32768).tolist())
    fbank.input_finished()
    frames = [fbank.get_frame(i) for i in range(fbank.num_frames_ready)]
    return np.array(frames, np.float32).reshape(-1, num_mels)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("num_mels", [23, 80])
def test_fbank_is_kaldis(
    kaldi: ModuleType, sample: Audio, length: int, snip_edges: bool, num_mels: int
) -> None:
    samples = stretch(sample, length)
    ours = LogMel(MelOptions.kaldi(num_mels, snip_edges=snip_edges))(samples)
    theirs = kaldi_fbank(kaldi, samples, num_mels, snip_edges)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    if len(ours):
        assert np.abs(ours - theirs).mean() < 2e-5


def test_fbank_is_kaldis_at_8_khz(kaldi: ModuleType, sample: Audio) -> None:
    samples = np.ascontiguousarray(sample.samples[::2])
    ours = LogMel(MelOptions.kaldi(40, sample_rate=8_000))(samples)
    np.testing.assert_allclose(ours, kaldi_fbank(kaldi, samples, 40, True, 8_000), atol=2e-3)


@pytest.mark.parametrize("length", LENGTHS)
def test_mfcc_is_python_speech_features(psf: ModuleType, sample: Audio, length: int) -> None:
    samples = stretch(sample, length)
    ours = Mfcc(MfccOptions.python_speech_features())(samples)
    theirs = psf.mfcc(samples.astype(np.float64) * 32768)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
def test_mfcc_is_python_speech_features_at_other_rates(
    psf: ModuleType, sample: Audio, sample_rate: int
) -> None:
    ours = Mfcc(MfccOptions.python_speech_features(sample_rate=sample_rate))(sample.samples)
    fft_length = 2048 if sample_rate == 44_100 else 512
    theirs = psf.mfcc(sample.samples.astype(np.float64) * 32768, sample_rate, nfft=fft_length)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=5e-4)


@pytest.mark.parametrize("length", LENGTHS)
def test_mfcc_is_librosas(librosa: ModuleType, sample: Audio, length: int) -> None:
    samples = stretch(sample, length)
    ours = Mfcc(MfccOptions.librosa())(samples)
    theirs = librosa.feature.mfcc(y=samples, sr=16_000, n_mfcc=20, n_fft=512, win_length=400, hop_length=160).T
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_mfcc_is_librosas_with_its_own_defaults(librosa: ModuleType, sample: Audio) -> None:
    options = MfccOptions.librosa(sample_rate=22_050, window_length=2048, hop_length=512, fft_length=2048)
    theirs = librosa.feature.mfcc(y=sample.samples, sr=22_050).T
    np.testing.assert_allclose(Mfcc(options)(sample.samples), theirs, atol=2e-3)


@pytest.mark.parametrize("top_db", [80.0, 20.0, None])
def test_log_mel_is_librosas(librosa: ModuleType, sample: Audio, top_db: float | None) -> None:
    ours = LogMel(MelOptions.librosa(64, top_db=top_db))(sample.samples)
    mel = librosa.feature.melspectrogram(
        y=sample.samples, sr=16_000, n_mels=64, n_fft=512, win_length=400, hop_length=160
    )
    np.testing.assert_allclose(ours, librosa.power_to_db(mel, top_db=top_db).T, atol=2e-3)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("has_unit_area", [False, True])
def test_filters_are_librosas(librosa: ModuleType, scale: str, has_unit_area: bool) -> None:
    ours = mel_filters(
        40,
        512,
        16_000,
        low=50,
        high=7_000,
        scale=scale,
        has_unit_area=has_unit_area,  # type: ignore[arg-type]
    )
    norm = "slaney" if has_unit_area else None
    theirs = librosa.filters.mel(
        sr=16_000, n_fft=512, n_mels=40, fmin=50, fmax=7_000, htk=scale == "htk", norm=norm
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scales_are_librosas_and_invert(librosa: ModuleType, scale: str) -> None:
    hertz = np.array([0.0, 50, 999, 1_000, 1_001, 4_000, 8_000])
    mel = hz_to_mel(hertz, scale)  # type: ignore[arg-type]
    np.testing.assert_allclose(mel, librosa.hz_to_mel(hertz, htk=scale == "htk"))
    np.testing.assert_allclose(mel_to_hz(mel, scale), hertz, atol=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("num_context", [1, 2, 4])
def test_deltas_are_those_of_both(
    psf: ModuleType, librosa: ModuleType, sample: Audio, num_context: int
) -> None:
    cepstra = Mfcc(MfccOptions.python_speech_features())(sample.samples)
    slopes = deltas(cepstra, num_context)
    np.testing.assert_allclose(slopes, psf.delta(cepstra, num_context), atol=1e-4)
    theirs = librosa.feature.delta(cepstra, width=2 * num_context + 1, axis=0, mode="nearest")
    np.testing.assert_allclose(slopes, theirs, atol=1e-4)
