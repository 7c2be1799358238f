from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.audio.decode import open_audio
from earshot.core.errors import AudioError
from earshot.core.types import Audio, Samples
from earshot.visual import Survey, excerpt, survey


def write(path: Path, samples: Samples, sample_rate: int = 16_000) -> Path:
    soundfile.write(path, samples, sample_rate, subtype="FLOAT")
    return path


def look(path: Path, *, has_pictures: bool = False) -> Survey:
    with open_audio(path) as reader:
        return survey(reader, has_pictures=has_pictures)


@pytest.fixture(scope="module")
def between_silence(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of faint noise, four of speech, three of noise."""
    noise = 1e-4 * np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    noise[48_000:112_000] += sample.samples[19_000:83_000]
    return write(tmp_path_factory.mktemp("survey") / "talk.wav", noise)


def test_speech_is_where_it_is(between_silence: Path) -> None:
    report = look(between_silence).report
    assert report.regions[0].start == pytest.approx(3.0, abs=0.4)
    assert report.regions[-1].end == pytest.approx(7.0, abs=0.4)
    assert report.speech_share == pytest.approx(0.4, abs=0.1)
    assert report.duration == 10


@pytest.mark.parametrize("ratio", [5, 15, 25])
def test_the_signal_to_noise_ratio_is_about_right(sample: Audio, tmp_path: Path, ratio: int) -> None:
    speech = np.zeros(192_000, np.float32)
    speech[32_000:160_000] = sample.samples[19_000:147_000]
    power = float(np.mean(np.square(speech[32_000:160_000])))
    noise = np.random.default_rng(1).standard_normal(len(speech)) * np.sqrt(power / 10 ** (ratio / 10))
    report = look(write(tmp_path / "noisy.wav", (speech + noise).astype(np.float32))).report
    assert report.signal_to_noise is not None
    assert report.signal_to_noise == pytest.approx(ratio, abs=3)


def test_without_pauses_or_speech_there_is_no_ratio(sample: Audio, tmp_path: Path) -> None:
    hum = 0.01 * np.sin(2 * np.pi * 50 * np.arange(48_000) / 16_000).astype(np.float32)
    assert look(write(tmp_path / "hum.wav", hum)).report.signal_to_noise is None
    assert look(write(tmp_path / "talk.wav", sample.samples[20_000:36_000])).report.signal_to_noise is None


def test_silence_around_speech_is_no_noise(sample: Audio, tmp_path: Path) -> None:
    padded = np.concatenate([np.zeros(32_000, np.float32), sample.samples[20_000:60_000]])
    report = look(write(tmp_path / "padded.wav", padded)).report
    assert report.signal_to_noise == np.inf


@pytest.mark.parametrize(("sample_rate", "expected"), [(8_000, 4_000), (16_000, 8_000), (48_000, 24_000)])
def test_white_noise_fills_the_band(tmp_path: Path, sample_rate: int, expected: int) -> None:
    noise = 0.1 * np.random.default_rng(2).standard_normal(sample_rate).astype(np.float32)
    report = look(write(tmp_path / "noise.wav", noise, sample_rate)).report
    assert report.bandwidth == pytest.approx(expected, abs=50)


def test_a_resampled_telephone_call_is_found_out(sample: Audio, tmp_path: Path) -> None:
    import soxr

    call = soxr.resample(soxr.resample(sample.samples, 16_000, 8_000), 8_000, 44_100)
    report = look(write(tmp_path / "call.wav", call, 44_100)).report
    assert report.bandwidth is not None
    assert 3_000 < report.bandwidth < 4_200


def test_pictures_share_the_time_axis(between_silence: Path) -> None:
    pictures = look(between_silence, has_pictures=True).pictures
    assert pictures is not None
    for image in (pictures.envelope, pictures.speech, pictures.spectrogram, pictures.log_mel, pictures.mfcc):
        assert image.start == pytest.approx(0, abs=0.03)
        assert image.end == pytest.approx(10, abs=0.04)
        assert np.isfinite(image.columns).all()
    # The loudest column of each lies within the speech.
    for image in (pictures.envelope, pictures.spectrogram, pictures.log_mel):
        column = int(image.columns.max(axis=1).argmax())
        time = image.start + (column + 0.5) * (image.end - image.start) / len(image.columns)
        assert 3 < time < 7


def test_a_full_scale_sine_is_zero_decibels(tmp_path: Path) -> None:
    sine = np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 16_000).astype(np.float32)
    pictures = look(write(tmp_path / "sine.wav", sine), has_pictures=True).pictures
    assert pictures is not None
    assert pictures.spectrogram.columns[100:-100].max() == pytest.approx(0, abs=0.1)


def test_a_long_recording_has_no_more_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "long.wav", np.zeros(8_000 * 60, np.float32), 8_000)
    pictures = look(path, has_pictures=True).pictures
    assert pictures is not None
    assert len(pictures.log_mel.columns) <= 3_200
    assert len(pictures.envelope.columns) <= 3_200


def test_an_empty_recording_is_measured_as_nothing(tmp_path: Path) -> None:
    report = look(write(tmp_path / "empty.wav", np.zeros(0, np.float32))).report
    assert report.duration == 0
    assert report.speech_share is None
    assert report.bandwidth is None
    assert report.regions == ()


@pytest.mark.parametrize(
    ("start", "duration"), [(0, 1.5), (2.5, None), (3.0, 2.0), (9.0, 60.0), (0.0001, 1e-9)]
)
def test_an_excerpt_is_the_same_samples(between_silence: Path, start: float, duration: float | None) -> None:
    with open_audio(between_silence) as reader:
        whole = np.concatenate(list(reader))
    first = round(start * 16_000)
    last = None if duration is None else first + max(1, round(duration * 16_000))
    with excerpt(open_audio(between_silence), start, duration, name="talk.wav") as reader:
        part = np.concatenate(list(reader))
        assert reader.info.duration is not None
        assert reader.info.duration == pytest.approx(len(part) / 16_000, abs=1e-4)
    np.testing.assert_array_equal(part, whole[first:last])


def test_an_excerpt_after_the_end_says_where_the_end_is(between_silence: Path) -> None:
    with (
        excerpt(open_audio(between_silence), 11, None, name="talk.wav") as reader,
        pytest.raises(AudioError, match=r"talk\.wav ends at 10\.00 s.*--start"),
    ):
        list(reader)


def test_measuring_loads_no_matplotlib(between_silence: Path) -> None:
    code = (
        "import sys\n"
        "from earshot.audio.decode import open_audio\n"
        "from earshot.visual import survey\n"
        f"with open_audio({str(between_silence)!r}) as reader: survey(reader)\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
