"""Labels while speech goes on: they stay, they find known voices again, and they do not depend on blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.core.errors import SpeakerError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.diarization import DiarizationOptions
from earshot.speakers.error_rate import diarization_errors
from earshot.speakers.online import OnlineDiarizer
from earshot.speakers.segmentation import VoiceSegmenter
from earshot.speakers.types import Turn, Vector
from tests.speakers.whistles import WhistleEncoder, conversation, whistled

LOW, MIDDLE, HIGH = 5300.0, 6200.0, 7200.0


@pytest.fixture(scope="module")
def speech_samples(sample_path: Path) -> Samples:
    return read_audio(sample_path).samples


def tracker(
    options: DiarizationOptions | None = None, known: dict[str, Vector] | None = None
) -> OnlineDiarizer:
    voices = WhistleEncoder()
    return OnlineDiarizer(options, known, encoder=voices, segmenter=VoiceSegmenter(voices, 0.7))


def follow(online: OnlineDiarizer, samples: Samples, block: int, asked: float) -> list[Turn]:
    """Feed a stream and ask after every ``asked`` seconds: all that was told."""
    told: list[Turn] = []
    done = 0.0
    for start in range(0, len(samples), block):
        online.accept(samples[start : start + block])
        heard = min(len(samples), start + block) / SAMPLE_RATE
        while heard >= done + asked:
            told += online.turns(done, done + asked)
            done += asked
    return [*told, *online.turns(done, len(samples) / SAMPLE_RATE)]


def test_two_voices_that_take_turns(speech_samples: Samples) -> None:
    samples, truth = conversation(speech_samples, [LOW, HIGH, LOW, HIGH], 5.5)
    told = follow(tracker(), samples, 1600, 6.0)
    errors = diarization_errors(truth, told)
    assert {turn.speaker for turn in told} == {"S1", "S2"}
    assert errors.rate is not None
    assert errors.rate < 0.3


def test_what_was_told_is_never_told_otherwise(speech_samples: Samples) -> None:
    samples, _ = conversation(speech_samples, [LOW, HIGH, MIDDLE, LOW, HIGH], 4.0)
    online, early = tracker(), []
    for start in range(0, len(samples), SAMPLE_RATE):
        online.accept(samples[start : start + SAMPLE_RATE])
        second = start / SAMPLE_RATE
        early.append((second, online.turns(second, second + 1), online.label(second, second + 1)))
    for second, turns, label in early:
        again = online.turns(second, second + 1)
        assert [(round(t.start, 6), round(t.end, 6), t.speaker) for t in again] == [
            (round(t.start, 6), round(t.end, 6), t.speaker) for t in turns
        ]
        assert online.label(second, second + 1) == label


def test_block_sizes_do_not_matter(speech_samples: Samples) -> None:
    samples, _ = conversation(speech_samples, [LOW, HIGH, LOW], 5.0)
    # Each question comes when the sound of its end is there, and not more.
    assert follow(tracker(), samples, 800, 5.5) == follow(tracker(), samples, 8800, 5.5)


def test_known_voices_are_called_by_name(speech_samples: Samples) -> None:
    low, high = whistled(speech_samples, HIGH), whistled(speech_samples, LOW)
    anna = WhistleEncoder().embed([low[-10 * SAMPLE_RATE :]])[0]
    online = tracker(known={"Anna": anna})
    online.accept(low[: 5 * SAMPLE_RATE])
    assert online.label(0.0, 5.0) == "Anna"
    online.accept(high[: 5 * SAMPLE_RATE])
    assert online.label(5.0, 10.0) == "S1"
    online.accept(low[5 * SAMPLE_RATE : 9 * SAMPLE_RATE])
    assert online.label(10.5, 14.0) == "Anna"
    assert set(online.vectors) == {"Anna", "S1"}


def test_a_known_name_that_looks_like_a_label(speech_samples: Samples) -> None:
    stranger = np.zeros(WhistleEncoder.dim, np.float32)
    stranger[0] = 1
    online = tracker(known={"S1": stranger})
    online.accept(speech_samples[: 5 * SAMPLE_RATE])
    assert online.label(0.0, 5.0) == "S2"


def test_no_more_labels_than_allowed(speech_samples: Samples) -> None:
    samples, _ = conversation(speech_samples, [LOW, HIGH, MIDDLE, 7700.0], 5.0)
    told = follow(tracker(DiarizationOptions(num_speakers=2)), samples, 1600, 5.5)
    assert {turn.speaker for turn in told} <= {"S1", "S2"}


def test_silence_noise_and_what_is_no_number() -> None:
    online = tracker()
    online.accept(np.zeros(0, np.float32))
    assert online.turns(0.0, 1.0) == ()
    online.accept(np.zeros(5 * SAMPLE_RATE, np.float32))
    online.accept(np.full(SAMPLE_RATE, np.nan, np.float32))
    assert online.turns(0.0, 6.0) == ()
    assert online.label(0.0, 6.0) is None


def test_questions_beyond_what_was_heard(speech_samples: Samples) -> None:
    online = tracker()
    online.accept(speech_samples[: 4 * SAMPLE_RATE])
    assert online.label(0.0, 100.0) == "S1"
    assert online.turns(50.0, 60.0) == ()
    assert online.turns(3.0, 2.0) == ()


def test_after_minutes_without_a_question(speech_samples: Samples) -> None:
    online = tracker()
    for _ in range(5):
        online.accept(speech_samples[: 20 * SAMPLE_RATE])
    assert online.turns(0.0, 20.0) == ()
    assert online.label(90.0, 99.0) == "S1"


@pytest.mark.parametrize("vector", [np.zeros(32), np.ones(31), np.full(32, np.nan), np.ones((2, 32))])
def test_a_known_vector_of_another_encoder(vector: Vector) -> None:
    with pytest.raises(SpeakerError, match="the voice of 'Anna' is no vector of the encoder whistle"):
        tracker(known={"Anna": vector})
