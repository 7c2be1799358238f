"""The offline pipeline as a program uses it: what it says of damage, and how it finishes bare text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.core.types import Audio, Grammar, Segment, Transcript, Word
from earshot.engines.scripted import ScriptedRecognizer
from earshot.transcription import Transcriber, TranscriptionOptions, transcribe
from earshot.transcription.processors import BareTextPunctuation

SCRIPTED = TranscriptionOptions(engine="scripted", punctuation=False)
BARE = "where do you come from i have lived in london for twenty five years my name is john"


def said(audio: Audio, **options: object) -> Transcript:
    recognizer = ScriptedRecognizer(BARE)
    with Transcriber(TranscriptionOptions(engine="scripted", **options), recognizer=recognizer) as transcriber:  # type: ignore[arg-type]
        return transcriber.transcribe(audio)


def bare(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def test_damage_is_told_and_the_rest_is_read(sample: Audio, tmp_path: Path) -> None:
    samples = sample.samples.copy()
    samples[8_000:8_010] = np.nan
    soundfile.write(tmp_path / "talk.wav", samples, 16_000, subtype="FLOAT")
    whole = (tmp_path / "talk.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    warnings: list[str] = []
    transcript = transcribe(tmp_path / "cut.wav", options=SCRIPTED, on_warning=warnings.append)
    assert transcript.text
    assert len(warnings) == 2
    assert "ends early" in warnings[0]
    assert "not numbers" in warnings[1]
    with Transcriber(SCRIPTED) as transcriber:
        segments = list(transcriber.segments(tmp_path / "cut.wav", on_warning=warnings.append))
    assert tuple(segments) == transcript.segments
    assert warnings[2:] == warnings[:2]


def test_nothing_is_told_of_a_sound_recording(sample_path: Path) -> None:
    warnings: list[str] = []
    transcribe(sample_path, options=SCRIPTED, on_warning=warnings.append)
    assert warnings == []


def test_bare_text_gets_marks_and_capitals_and_keeps_its_words(sample: Audio) -> None:
    plain, finished = said(sample, punctuation=False), said(sample)
    assert plain.text == plain.text.lower()
    assert finished.text != plain.text
    assert finished.text[0].isupper()
    assert bare(finished.text) == bare(plain.text)
    assert [word.start for word in finished.words] == [word.start for word in plain.words]


def test_a_recording_does_not_continue_the_one_before(sample: Audio) -> None:
    with Transcriber(TranscriptionOptions(), recognizer=ScriptedRecognizer(BARE)) as transcriber:
        first, second = transcriber.transcribe(sample), transcriber.transcribe(sample)
    assert first == second


def test_what_fits_a_grammar_stays_as_the_grammar_has_it(sample: Audio) -> None:
    class Commands(ScriptedRecognizer):
        def transcribe_batch(
            self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
        ) -> list[Transcript]:
            return super().transcribe_batch(audios)

    options = TranscriptionOptions(engine="scripted", grammar=Grammar(("where do you come from",)))
    with Transcriber(options, recognizer=Commands(BARE)) as transcriber:
        text = transcriber.transcribe(sample).text
    assert text == text.lower()


@pytest.mark.parametrize(("numbers", "part"), [("digits", "25 years"), (None, "twenty five years")])
def test_numbers_are_written_as_asked(sample_path: Path, numbers: str | None, part: str) -> None:
    with Transcriber(
        TranscriptionOptions(engine="scripted", model=BARE, numbers=numbers, punctuation=False)  # type: ignore[arg-type]
    ) as transcriber:
        assert part in transcriber.transcribe(sample_path).text


def test_text_of_an_unknown_language_stays_as_it_is() -> None:
    segment = Segment("where do you come from", 0.0, 2.0, (Word("where"),))
    assert BareTextPunctuation()(segment) is segment
    assert BareTextPunctuation(language="en")(segment).text != segment.text
    assert BareTextPunctuation(language="xx")(segment) is segment
