"""Batches that tell speakers apart: short recordings, and long ones that are cut into units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from earshot.batch import BatchOptions
from earshot.batch.identity import ModelIdentity
from earshot.batch.settings import from_plain, to_plain
from earshot.text.formats import read_transcript
from earshot.transcription import SpeakerOptions, Transcriber
from tests.batch.conftest import SCRIPTED, Runner
from tests.speakers.people import conversation, require_encoder, spoken, write

TWO = replace(SCRIPTED, speakers=SpeakerOptions(num_speakers=2, has_names=False))


@pytest.fixture(autouse=True)
def encoder() -> None:
    require_encoder()


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    conversation(folder / "talk.wav")
    return folder


def test_transcripts_and_table_say_who_speaks(batch: Runner, talks: Path, tmp_path: Path) -> None:
    import pyarrow.dataset

    result = batch(transcription=TWO, formats=("json", "rttm"))
    assert (result.num_done, result.num_quarantined) == (1, 0)
    place = tmp_path / "out" / "transcripts" / result.recipe
    transcript = read_transcript(place / "talk.wav.json")
    assert {segment.speaker for segment in transcript.segments} == {"S1", "S2"}
    rows = pyarrow.dataset.dataset(tmp_path / "out" / "segments", partitioning="hive").to_table().to_pylist()
    assert sorted(row["speaker"] for row in rows) == sorted(s.speaker or "" for s in transcript.segments)
    with Transcriber(TWO) as transcriber:
        assert transcriber.transcribe(talks / "talk.wav") == transcript


def test_a_recording_in_units_has_the_same_speakers_throughout(
    batch: Runner, talks: Path, tmp_path: Path
) -> None:
    parts = [spoken("deep", 1, 7), spoken("high", 1, 6)] * 4
    write(talks / "talk.wav", *parts)
    result = batch(transcription=TWO, unit_seconds=10.0)
    assert result.num_done == 1
    transcript = read_transcript(tmp_path / "out" / "transcripts" / result.recipe / "talk.wav.json")
    with Transcriber(TWO) as transcriber:
        assert transcriber.transcribe(talks / "talk.wav") == transcript
    first = {s.speaker for s in transcript.segments if s.end < 7.2}
    last = {s.speaker for s in transcript.segments if s.start > 42.5 and s.end < 49.4}
    assert first == last == {"S1"}


def test_what_results_depend_on_names_the_recipe() -> None:
    model = ModelIdentity("scripted", "0")
    recipes = {
        BatchOptions(replace(SCRIPTED, speakers=speakers)).recipe(model)
        for speakers in (None, SpeakerOptions(), SpeakerOptions(2), SpeakerOptions(encoder="ge2e"))
    }
    assert len(recipes) == 4
    options = BatchOptions(TWO)
    assert from_plain(to_plain(options)) == options
    plain = to_plain(BatchOptions(SCRIPTED))
    del plain["transcription"]["speakers"]  # as a batch wrote it that knew no speakers
    assert from_plain(plain) == BatchOptions(SCRIPTED)
