"""Loading engines by name, with options that not every engine can follow."""

from __future__ import annotations

import pytest

from earshot.core.errors import UnknownEngineError, UnsupportedError
from earshot.core.types import Audio, Event, Final
from earshot.engines import EngineOptions, Recognizer, load_engine


def finals_of(recognizer: Recognizer, audio: Audio) -> list[str]:
    with recognizer.stream() as stream:
        events: list[Event] = [*stream.accept(audio.samples), *stream.finish()]
    return [event.segment.text for event in events if isinstance(event, Final)]


def test_a_longer_pause_cuts_less(sample: Audio) -> None:
    hasty, calm = load_engine("moonshine"), load_engine("moonshine", EngineOptions(max_pause=2.5))
    assert 1 <= len(finals_of(calm, sample)) < len(finals_of(hasty, sample))


def test_an_engine_that_minds_its_own_pauses_says_so() -> None:
    with pytest.raises(UnsupportedError, match="'scripted' decides by itself when a sentence ends"):
        load_engine("scripted", EngineOptions(max_pause=1.0))


def test_an_engine_that_only_transcribes_names_one_that_translates() -> None:
    with pytest.raises(UnsupportedError, match="'moonshine' does not translate: use whisper"):
        load_engine("moonshine", EngineOptions(task="translate"))


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownEngineError, match="moonshine"):
        load_engine("moonshien")
