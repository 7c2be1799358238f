"""Who spoke when: voices made of one recording, real mixtures where they are there, and what is no speech."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.audio.decode import read_audio
from earshot.core.errors import SpeakerError
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.speakers.diarization import DiarizationOptions, Diarizer, diarize
from earshot.speakers.encoder import SpeakerEncoder, find_encoder
from earshot.speakers.error_rate import DiarizationErrors, diarization_errors
from earshot.speakers.rttm import read_rttm
from earshot.speakers.segmentation import VoiceSegmenter
from earshot.speakers.turns import TurnOptions, turns_of
from earshot.speakers.types import Diarization
from tests.speakers.whistles import WhistleEncoder, conversation

LOW, MIDDLE, HIGH = 5300.0, 6200.0, 7200.0


@pytest.fixture(scope="module")
def speech_samples(sample_path: Path) -> Samples:
    return read_audio(sample_path).samples


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    return find_encoder("earshot", num_threads=1)


def by_whistle(samples: Samples, options: DiarizationOptions | None = None, block: int = 16_000) -> Diarization:
    """Diarize with voices told by their whistle, fed in blocks."""
    voices = WhistleEncoder()
    diarizer = Diarizer(options, encoder=voices, segmenter=VoiceSegmenter(voices, 0.7))
    for start in range(0, len(samples), block):
        diarizer.accept(samples[start : start + block])
    return diarizer.finish()


def test_two_voices_that_take_turns(speech_samples: Samples) -> None:
    samples, truth = conversation(speech_samples, [LOW, HIGH, LOW, HIGH], 5.0)
    found = by_whistle(samples)
    errors = diarization_errors(truth, found.turns)
    assert found.speakers == ("S1", "S2")
    assert errors.rate is not None
    assert errors.rate < 0.2
    assert errors.confusion < 1.0


def test_vectors_belong_to_the_labels(speech_samples: Samples) -> None:
    samples, _ = conversation(speech_samples, [LOW, HIGH], 6.0)
    found = by_whistle(samples)
    assert set(found.vectors) == set(found.speakers) == {"S1", "S2"}
    assert found.encoder == "whistle"
    first = WhistleEncoder().embed([samples[: 6 * SAMPLE_RATE]])[0]
    assert first @ found.vectors["S1"] > first @ found.vectors["S2"]
    for vector in found.vectors.values():
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@settings(max_examples=5, deadline=None)
@given(block=st.integers(200, 40_000))
def test_block_sizes_do_not_matter(speech_samples: Samples, block: int) -> None:
    samples, _ = conversation(speech_samples, [LOW, HIGH, LOW], 7.0)
    assert by_whistle(samples, block=block).turns == by_whistle(samples).turns


def test_a_given_number_of_speakers(speech_samples: Samples) -> None:
    samples, _ = conversation(speech_samples, [LOW, HIGH, MIDDLE, LOW], 5.0)
    for count in (1, 2, 3):
        assert len(by_whistle(samples, DiarizationOptions(num_speakers=count)).speakers) == count
    assert len(by_whistle(samples, DiarizationOptions(max_speakers=2)).speakers) <= 2


def test_turns_lie_within_the_recording(speech_samples: Samples) -> None:
    samples = speech_samples[: 9 * SAMPLE_RATE + 123]
    found = by_whistle(samples)
    assert found.turns
    for turn in found.turns:
        assert 0 <= turn.start < turn.end <= len(samples) / SAMPLE_RATE
    assert list(found.turns) == sorted(found.turns, key=lambda turn: turn.start)


def hum(seconds: float) -> Samples:
    """A chord that swells: music of a kind."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6))
    return (0.1 * tones * (1 + np.sin(time))).astype(np.float32)


NOT_SPEECH = {
    "nothing": np.zeros(0, np.float32),
    "one sample": np.zeros(1, np.float32),
    "silence": np.zeros(40 * SAMPLE_RATE, np.float32),
    "noise": np.random.default_rng(0).normal(0, 0.05, 20 * SAMPLE_RATE).astype(np.float32),
    "music": hum(20.0),
    "no numbers": np.full(5 * SAMPLE_RATE, np.nan, np.float32),
    "infinities": np.full(5 * SAMPLE_RATE, np.inf, np.float32),
}


@pytest.mark.parametrize("kind", NOT_SPEECH)
def test_no_speech_has_no_turns(kind: str) -> None:
    found = by_whistle(NOT_SPEECH[kind])
    assert found.turns == ()
    assert dict(found.vectors) == {}
    assert found.encoder == "whistle"


@pytest.mark.parametrize("kind", NOT_SPEECH)
def test_no_speech_has_no_turns_with_the_net_either(kind: str) -> None:
    assert diarize(Audio(NOT_SPEECH[kind])).turns == ()


def test_speech_with_damaged_samples(speech_samples: Samples) -> None:
    samples = speech_samples[: 10 * SAMPLE_RATE].copy()
    samples[::1000] = np.nan
    samples[5::3000] = 1e30
    assert by_whistle(samples).speakers


def test_a_blink_of_speech_after_much_silence(speech_samples: Samples) -> None:
    silence = np.zeros(30 * SAMPLE_RATE, np.float32)
    found = by_whistle(np.concatenate([silence, speech_samples[16_000:32_000], silence]))
    assert all(turn.start > 29 and turn.end < 32 for turn in found.turns)


@pytest.mark.parametrize(
    "options",
    [
        {"num_speakers": 0},
        {"num_speakers": -3},
        {"num_speakers": 1000},
        {"min_speakers": 0},
        {"min_speakers": 5, "max_speakers": 4},
        {"num_threads": 0},
        {"threshold": 2.0},
        {"threshold": float("nan")},
    ],
)
def test_options_that_make_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(SpeakerError):
        DiarizationOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"threshold": 0.2, "end_threshold": 0.5}, {"padding": -1.0}])
def test_turn_options_that_make_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(SpeakerError):
        TurnOptions(**options)


def test_turns_of_frames() -> None:
    shares = np.zeros((100, 2), np.float32)
    shares[10:30, 0] = 0.9
    shares[35:60, 0] = 0.45  # unsure, and too far from what is sure
    shares[55:90, 1] = 0.7
    shares[60:64, 1] = 0.0
    shares[97:99, 1] = 0.9
    options = TurnOptions(max_pause=0.45, min_turn=0.2, padding=0.0)
    assert turns_of(shares, 0.1, 10.0, options) == [(0.95, 2.95, 0), (5.45, 8.95, 1), (9.65, 9.85, 1)]
    padded = turns_of(shares, 0.1, 9.7, TurnOptions(max_pause=0.5, min_turn=0.2, padding=0.25))
    assert padded == [(0.7, 3.2, 0), (5.2, 9.2, 1), (9.4, 9.7, 1)]


# --- real voices ---------------------------------------------------------------------------------------------


def test_one_real_voice_is_one_speaker(speech_samples: Samples, encoder: SpeakerEncoder) -> None:
    diarizer = Diarizer(encoder=encoder)
    diarizer.accept(speech_samples)
    found = diarizer.finish()
    assert found.speakers == ("S1",)
    assert sum(turn.duration for turn in found.turns) > 0.7 * len(speech_samples) / SAMPLE_RATE


def test_another_sample_rate(speech_samples: Samples, encoder: SpeakerEncoder) -> None:
    import soxr

    audio = Audio(soxr.resample(speech_samples[: 8 * SAMPLE_RATE], 16_000, 8_000).astype(np.float32), 8_000)
    assert diarize(audio, DiarizationOptions(encoder=encoder.name)).speakers == ("S1",)


@pytest.fixture(scope="module")
def mixes(speech: Path) -> list[Path]:
    return [
        speech / "two_speaker_mixes" / json.loads(line)["audio"]
        for line in (speech / "two_speaker_mixes" / "manifest.jsonl").read_text().splitlines()
    ][1::6]


def test_real_mixtures_of_two(mixes: list[Path], encoder: SpeakerEncoder) -> None:
    errors = DiarizationErrors()
    counts = []
    for path in mixes:
        diarizer = Diarizer(encoder=encoder)
        diarizer.accept(read_audio(path).samples)
        found = diarizer.finish()
        counts.append(len(found.speakers))
        errors += diarization_errors(next(iter(read_rttm(path.with_suffix(".rttm")).values())), found.turns)
    assert errors.rate is not None
    assert errors.rate < 0.2
    assert sum(count == 2 for count in counts) >= 0.8 * len(counts)
