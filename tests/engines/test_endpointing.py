from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from earshot.audio.decode import read_audio
from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.errors import ModelError
from earshot.core.types import Word
from earshot.engines.endpointing import UNKNOWN, EndpointPredictor, read_weights
from earshot.engines.moonshine import embedded_folder
from earshot.engines.moonshine_model import Frames, MoonshineModel

SENTENCE = tuple(Word(text) for text in ("It", "was", "the", "best", "of", "times."))
NUM_SILENT = 5
LONG_UTTERANCE = 248  # frames of the detector: 8 s


@pytest.fixture(scope="module")
def predictor() -> EndpointPredictor:
    return EndpointPredictor()


@dataclass(frozen=True)
class Pause:
    """What a stream knows at a pause of the sample, and the words before it."""

    frames: Frames
    words: tuple[Word, ...]
    log_probs: tuple[float, ...]

    def completeness(self, predictor: EndpointPredictor) -> float:
        return predictor.completeness(self.frames, NUM_SILENT, self.words, self.log_probs)


def pauses_of(path: Path) -> list[Pause]:
    """The pauses of at least 0.22 s in a recording, its end among them."""
    samples = read_audio(path).samples
    speech = np.flatnonzero(VoiceActivityDetector().probabilities(samples) >= 0.2).tolist()
    model = MoonshineModel(embedded_folder(), num_threads=1)
    found, start = [], 0
    for before, after in pairwise([*speech, len(samples) // FRAME]):
        if after - before <= 7:
            continue
        frames = model.encode(samples[start * FRAME : (before + 1 + NUM_SILENT) * FRAME])
        heard = model.decode_draft(frames, ())
        words = tuple(Word(text) for text, _ in model.tokenizer.words(heard.tokens))
        found.append(Pause(frames, words, heard.log_probs))
        if after - start > LONG_UTTERANCE:
            start = max(0, after - 9)
    return found


@pytest.fixture(scope="module")
def pauses(sample_path: Path) -> list[Pause]:
    """One long sentence: "It was the best of times, … in the superlative degree of comparison only."."""
    return pauses_of(sample_path)


@pytest.fixture(scope="module")
def short_sentences(sample_path: Path) -> list[Pause]:
    """Nothing but sentence ends: "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."."""
    return pauses_of(sample_path.with_name("beckett.wav"))


def test_sentence_ends_look_more_complete_than_pauses_within(
    predictor: EndpointPredictor, pauses: list[Pause], short_sentences: list[Pause]
) -> None:
    is_end = ["only" in pause.words[-1].text for pause in pauses]
    assert sum(is_end) == 1
    of_long = next(p.completeness(predictor) for p, end in zip(pauses, is_end, strict=True) if end)
    ends = [of_long, *(pause.completeness(predictor) for pause in short_sentences)]
    within = [
        pause.completeness(predictor)
        for pause, end in zip(pauses, is_end, strict=True)
        if not end and len(pause.words) > 1
    ]
    assert of_long > max(within)
    assert np.mean(ends) > np.mean(within)


def test_the_same_pause_gives_the_same_answer(predictor: EndpointPredictor, pauses: list[Pause]) -> None:
    assert pauses
    again = EndpointPredictor()
    assert [p.completeness(predictor) for p in pauses] == [p.completeness(again) for p in pauses]


def test_answers_are_probabilities_that_differ(predictor: EndpointPredictor, pauses: list[Pause]) -> None:
    answers = [pause.completeness(predictor) for pause in pauses]
    assert all(0 <= answer <= 1 for answer in answers)
    assert max(answers) - min(answers) > 0.1


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float32, st.tuples(st.just(1), st.integers(0, 60), st.just(288))),
    st.integers(-3, 100),
    st.lists(st.text(max_size=6), max_size=4),
)
def test_any_input_gives_a_probability(frames: Frames, num_silent_frames: int, texts: list[str]) -> None:
    words = tuple(Word(text) for text in texts)
    assert 0 <= EndpointPredictor().completeness(frames, num_silent_frames, words, [-0.1]) <= 1


@pytest.mark.parametrize(
    "frames",
    [np.ones((1, 0, 288), np.float32), np.ones((1, 9, 288), np.float32), np.ones((1, 90, 416), np.float32)],
    ids=["nothing", "hardly any speech", "frames of another model"],
)
def test_too_little_to_judge_is_unknown(predictor: EndpointPredictor, frames: Frames) -> None:
    assert predictor.completeness(frames, NUM_SILENT, SENTENCE) == UNKNOWN


def test_frames_without_words_are_unknown(predictor: EndpointPredictor, pauses: list[Pause]) -> None:
    assert predictor.completeness(pauses[0].frames, NUM_SILENT, ()) == UNKNOWN


def test_frames_that_are_no_numbers_are_unknown(predictor: EndpointPredictor) -> None:
    frames = np.full((1, 90, 288), np.nan, np.float32)
    assert predictor.completeness(frames, NUM_SILENT, SENTENCE) == UNKNOWN


@pytest.mark.parametrize("last", ["the.", "a", "and,", "The", "my."])
def test_no_sentence_ends_with_an_article_or_and(
    predictor: EndpointPredictor, pauses: list[Pause], last: str
) -> None:
    for pause in pauses:
        assert predictor.completeness(pause.frames, NUM_SILENT, (*SENTENCE[:-1], Word(last))) <= 0.1


def test_a_comma_speaks_against_an_end(predictor: EndpointPredictor, pauses: list[Pause]) -> None:
    for pause in pauses:
        stop, comma = (
            predictor.completeness(pause.frames, NUM_SILENT, (*SENTENCE[:-1], Word("times" + mark)))
            for mark in ".,"
        )
        assert comma < stop


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 and no more", b"\x93NUMPY"], ids=["empty", "cut off", "something else"]
)
def test_damaged_weights_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        read_weights(content)


def test_weights_of_another_shape_are_refused() -> None:
    stream = io.BytesIO()
    np.savez(stream, sound=np.zeros((2, 288)), text=np.zeros(8), bias=np.float64(0))
    with pytest.raises(ModelError):
        read_weights(stream.getvalue())
