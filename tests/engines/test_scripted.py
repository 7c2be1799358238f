from __future__ import annotations

import numpy as np
import pytest

from earshot.core.types import SAMPLE_RATE, Audio
from earshot.engines.scripted import ScriptedRecognizer
from tests.engines.conformance import Conformance


class TestScripted(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def recognizer(cls) -> ScriptedRecognizer:
        return ScriptedRecognizer()


def test_it_says_its_script_at_its_pace() -> None:
    recognizer = ScriptedRecognizer("one two three", seconds_per_word=0.5, words_per_segment=2)
    transcript = recognizer.transcribe(Audio(np.zeros(round(1.6 * SAMPLE_RATE), np.float32)))
    assert [s.text for s in transcript.segments] == ["one two", "three"]
    assert transcript.segments[1].start == 1.0
