"""What is taken for a voice when somebody is enrolled, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from earshot.core.errors import SpeakerError
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.speakers.enrolment import check_same_voice, describe_voice, has_two_voices, speech_of
from tests.speakers.voices import MfccEncoder, voice


@pytest.fixture(scope="module")
def encoder() -> MfccEncoder:
    return MfccEncoder()


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def music(seconds: float) -> Samples:
    """A tune of pure tones with overtones."""
    rng = np.random.default_rng(3)
    notes = []
    for _ in range(round(seconds * 4)):
        time = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
        pitch = 220 * 2 ** (rng.integers(0, 25) / 12)
        notes.append(np.exp(-6 * time) * sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 7)))
    return (0.2 * np.concatenate(notes)).astype(np.float32)


def test_real_speech_becomes_a_vector_and_no_clip(sample: Audio, encoder: MfccEncoder) -> None:
    found = describe_voice("a.wav", [silence(3), sample.samples, silence(3)], [encoder])
    assert found.source == "a.wav"
    assert 6 < found.seconds < 11  # the silence does not count
    ((space, vector),) = found.vectors.items()
    assert (space.name, space.threshold) == (encoder.name, encoder.threshold)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert found.clip is None


def test_a_clip_is_kept_where_it_is_asked_for(sample: Audio, encoder: MfccEncoder) -> None:
    found = describe_voice("a.wav", [sample.samples], [encoder], keeps_clip=True)
    assert found.clip is not None
    samples, rate = soundfile.read(io.BytesIO(found.clip), dtype="float32")
    assert rate == SAMPLE_RATE
    assert len(samples) / rate == pytest.approx(found.seconds, abs=0.01)


@pytest.mark.parametrize("sound", [silence(10), silence(0), music(10)], ids=["silence", "nothing", "music"])
def test_what_is_no_speech(sound: Samples, encoder: MfccEncoder) -> None:
    with pytest.raises(SpeakerError, match=r"a\.wav holds (no|[01]\.\d s of) speech"):
        describe_voice("a.wav", [sound], [encoder])


def test_too_little_speech_is_told_with_its_length(sample: Audio, encoder: MfccEncoder) -> None:
    with pytest.raises(SpeakerError, match=r"holds 1\.\d s of speech: give at least 2 s"):
        describe_voice("a.wav", [sample.samples[SAMPLE_RATE : round(2.3 * SAMPLE_RATE)]], [encoder])


def test_the_speech_that_is_looked_at_is_bounded(sample: Audio) -> None:
    def endless() -> object:
        while True:
            yield sample.samples

    assert len(speech_of(endless())) == 120 * SAMPLE_RATE  # type: ignore[arg-type]


def test_two_voices_in_one_recording(encoder: MfccEncoder) -> None:
    one, other = voice(1, 8), voice(2, 8)
    assert has_two_voices(np.concatenate([one, other]), encoder)
    assert has_two_voices(np.concatenate([one[: 4 * SAMPLE_RATE], other, one[4 * SAMPLE_RATE :]]), encoder)
    assert not has_two_voices(np.concatenate([one, voice(1, 8, take=1)]), encoder)
    assert not has_two_voices(one[: 3 * SAMPLE_RATE], encoder)


def test_a_recording_of_somebody_else_among_the_others_is_named(encoder: MfccEncoder) -> None:
    from earshot.speakers.memory import Enrolment, VoiceSpace

    def enrolment(seed: int, take: int) -> Enrolment:
        vector = encoder.embed([voice(seed, 6, take=take)])[0]
        return Enrolment(f"{seed}-{take}.wav", 6.0, {VoiceSpace(encoder.name, encoder.threshold): vector})

    same = [enrolment(1, take) for take in range(3)]
    check_same_voice(same)
    check_same_voice(same[:1])
    with pytest.raises(SpeakerError, match=r"5-0\.wav seems to be of another voice.*--force"):
        check_same_voice([*same, enrolment(5, 0)])
    with pytest.raises(SpeakerError, match=r"5-0\.wav"):
        check_same_voice([enrolment(5, 0)], {encoder.name: same[0].vectors[VoiceSpace(encoder.name, 0.6)]})
