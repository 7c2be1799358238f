"""Units of a long recording, joined, are the run on one machine: no cluster is needed to tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.audio.decode import open_audio, read_audio
from earshot.audio.pieces import read_pieces
from earshot.batch.pieces import packed_regions, unpacked_regions
from earshot.batch.settings import BatchOptions
from earshot.batch.tasks import FileTask, FoundUnit, ScanEnd, WorkerJob
from earshot.batch.work import Scanner, Worker
from earshot.core.errors import AudioError
from earshot.engines.offline import gather
from earshot.text.formats import read_transcript
from earshot.transcription import Transcriber, TranscriptionOptions
from tests.batch.conftest import long_recording

ENGLISH = TranscriptionOptions(num_threads=1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, spoken: np.ndarray) -> Path:
    """Nine minutes, which are four windows of speech."""
    return long_recording(tmp_path_factory.mktemp("long") / "long.flac", 540.0, spoken)


def job(
    out: Path, recording: Path, options: TranscriptionOptions = ENGLISH, *, seconds: float = 100.0
) -> WorkerJob:
    from earshot.batch.identity import identify_model

    (out / "seen").parent.mkdir(parents=True, exist_ok=True)
    (out / "seen").touch()
    batch = BatchOptions(options, unit_seconds=seconds)
    return WorkerJob(batch, "recipe", str(out), "seen", identify_model(options).digest, str(recording.parent))


def task(path: Path) -> FileTask:
    from earshot.batch.inputs import input_stamp

    size, stamp = input_stamp(str(path))
    return FileTask(1, str(path), path.name, stamp, size, 600.0)


def cut(scanner: Scanner, file: FileTask) -> tuple[list[tuple[FoundUnit, np.ndarray]], ScanEnd]:
    status, _ = scanner.open(file)
    assert status == "done"
    units = []
    while True:
        found, samples = scanner.next()
        if isinstance(found, ScanEnd):
            return units, found
        units.append((found, samples))


@pytest.mark.slow
@pytest.mark.parametrize("ships_samples", [True, False], ids=["samples shipped", "worker reads them"])
def test_joined_units_equal_the_run_on_one_machine(
    recording: Path, tmp_path: Path, ships_samples: bool
) -> None:
    pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'earshot[batch]'")
    worker = Worker(job(tmp_path, recording))
    report = worker.prepare()
    assert report.problem is None
    file = task(recording)
    units, end = cut(Scanner(job(tmp_path, recording), report.longest_region, report.cut_options), file)
    assert len(units) > 2
    outcomes = [
        worker.recognize_piece(file, unit.index, unit.spans, samples if ships_samples else None)
        for unit, samples in reversed(units)
    ]
    results = [outcome.result for outcome in reversed(outcomes)]
    done = worker.assemble(file, results, "hash", end.seconds, end.warnings)
    assert done.status == "done", done.error
    [written] = tmp_path.rglob("*.json")
    with Transcriber(ENGLISH) as transcriber:
        alone = transcriber.transcribe(recording)
    assert len(alone.words) > 500
    assert read_transcript(written) == alone


@pytest.mark.parametrize(
    ("suffix", "rate"), [("wav", 16_000), ("flac", 16_000), ("wav", 44_100), ("mp3", 16_000)]
)
def test_pieces_hold_the_very_samples_of_the_whole(
    tmp_path: Path, spoken: np.ndarray, suffix: str, rate: int
) -> None:
    import soxr

    sound = soxr.resample(spoken, 16_000, rate) if rate != 16_000 else spoken
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.stack([sound, 0.5 * sound], axis=1), rate)
    whole = read_audio(path).samples
    spans = [(1, 5), (16_000, 32_000), (100_001, 7), (len(whole) - 9, 9)]
    for (start, length), piece in zip(spans, read_pieces(path, spans), strict=True):
        np.testing.assert_array_equal(piece, whole[start : start + length])
    [late] = read_pieces(path, spans[-1:], channel=2)
    np.testing.assert_array_equal(late, read_audio(path, channel=2).samples[-9:])


def test_a_piece_in_the_middle_of_a_wav_costs_no_decoding_of_what_lies_before(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * 16_000, np.float32))
    from earshot.audio.pieces import _opened_at

    start, reader = _opened_at(path, 3_500 * 16_000, None)
    with reader:
        assert start == 3_500 * 16_000
        assert sum(map(len, reader)) == 100 * 16_000


def test_a_recording_that_became_shorter_is_an_error(tmp_path: Path, spoken: np.ndarray) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, spoken[:16_000], 16_000)
    with pytest.raises(AudioError, match="shorter"):
        read_pieces(path, [(15_000, 2_000)])


def test_what_was_heard_survives_packing_to_the_last_digit(recording: Path) -> None:
    from earshot.audio.cutting import SpeechRegion
    from earshot.engines.offline import RecognizedRegion

    with Transcriber(TranscriptionOptions(engine="scripted")) as transcriber, open_audio(recording) as reader:
        samples = next(iter(reader))
        heard = transcriber.hear([SpeechRegion(1_234_567, np.tile(samples, 4), np.empty(0, np.float32))])
    assert isinstance(heard[0], RecognizedRegion)
    again = unpacked_regions(packed_regions(heard))
    assert [region.segments for region in again] == [region.segments for region in heard]
    assert [region.region.end for region in again] == [region.region.end for region in heard]
    assert gather(again) == gather(heard)
