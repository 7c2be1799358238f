"""Batches on a real cluster of one small machine."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earshot.batch import BatchOptions, BatchRequest, ClusterOptions, run_batch
from earshot.batch.check import verify
from earshot.batch.run import read_output
from earshot.core.errors import AudioError, EarshotError, ModelError, OutputError
from earshot.text.formats import read_transcript
from earshot.transcription import Transcriber, TranscriptionOptions
from tests.batch.conftest import SCRIPTED, Runner, ledger_query, long_recording


def table(out: Path) -> list[dict[str, Any]]:
    import pyarrow.dataset

    found = pyarrow.dataset.dataset(out / "segments", partitioning="hive").to_table()
    return found.sort_by([("recipe", "ascending"), ("file", "ascending"), ("segment", "ascending")]).to_pylist()


def is_whole(out: Path) -> bool:
    with read_output(str(out)) as (storage, ledger):
        return not list(verify(storage, ledger))


def test_a_folder_becomes_transcripts_and_one_table(batch: Runner, clips: Path, tmp_path: Path) -> None:
    result = batch(formats=("json", "srt"))
    assert (result.num_files, result.num_done, result.num_quarantined) == (6, 6, 0)
    rows = table(tmp_path / "out")
    assert {row["file"] for row in rows} == {f"clip {i}.wav" for i in range(5)} | {"more/clip 5.wav"}
    assert {row["recipe"] for row in rows} == {result.recipe}
    with Transcriber(SCRIPTED) as transcriber:
        for path in sorted(clips.rglob("*.wav")):
            name = path.relative_to(clips).as_posix()
            alone = transcriber.transcribe(path)
            place = tmp_path / "out" / "transcripts" / result.recipe / name
            assert read_transcript(place.with_name(place.name + ".json")) == alone
            assert place.with_name(place.name + ".srt").is_file()
            said = [row for row in rows if row["file"] == name]
            assert [(row["start"], row["end"], row["text"]) for row in said] == [
                (segment.start, segment.end, segment.text) for segment in alone.segments
            ]
            assert [word["start"] for row in said for word in row["words"]] == [w.start for w in alone.words]
    assert is_whole(tmp_path / "out")


def test_the_same_command_again_does_nothing_and_starts_no_cluster(
    batch: Runner, clips: Path, tmp_path: Path
) -> None:
    batch()
    before = table(tmp_path / "out")
    request = BatchRequest(
        str(clips), str(tmp_path / "out"), BatchOptions(SCRIPTED), ClusterOptions("nowhere.invalid:1")
    )
    result = run_batch(request)  # which would have to connect
    assert (result.num_done, result.num_worked_on) == (6, 0)
    assert table(tmp_path / "out") == before


def test_only_what_is_new_or_changed_is_done_again(
    batch: Runner, clips: Path, tmp_path: Path, spoken: np.ndarray
) -> None:
    batch()
    first = table(tmp_path / "out")
    soundfile.write(clips / "new.wav", spoken[:32_000], 16_000)
    soundfile.write(clips / "clip 3.wav", spoken[: 16_000 * 9], 16_000)
    os.utime(clips / "clip 4.wav", ns=(1, 1))  # touched, but the same
    result = batch()
    assert (result.plan.num_new, result.plan.num_changed, result.num_worked_on) == (1, 2, 3)
    rows = table(tmp_path / "out")
    others = [row for row in rows if row["file"] not in ("new.wav", "clip 3.wav")]
    assert others == [row for row in first if row["file"] != "clip 3.wav"]
    assert max(row["end"] for row in rows if row["file"] == "clip 3.wav") > 8
    assert len({(row["file"], row["segment"]) for row in rows}) == len(rows)
    assert is_whole(tmp_path / "out")
    assert batch().num_worked_on == 0


def test_another_model_makes_results_beside_the_old_ones(batch: Runner, clips: Path, tmp_path: Path) -> None:
    first = batch()
    other = TranscriptionOptions(engine="scripted", model="other words", num_threads=1)
    second = batch(transcription=other)
    assert first.recipe != second.recipe
    rows = table(tmp_path / "out")
    for recipe, word in ((first.recipe, "quick"), (second.recipe, "other")):
        own = [row for row in rows if row["recipe"] == recipe]
        assert len({row["file"] for row in own}) == 6
        assert all(word in row["text"] for row in own if len(row["words"]) > 3)


def test_bad_recordings_are_put_aside_with_their_reasons(batch: Runner, clips: Path, tmp_path: Path) -> None:
    (clips / "noise.wav").write_bytes(b"no sound at all")
    (clips / "empty.mp3").touch()
    result = batch()
    assert (result.num_done, result.num_quarantined, result.num_left) == (6, 2, 0)
    with read_output(str(tmp_path / "out")) as (_, ledger):
        errors = {row.name: row.error or "" for row in ledger.rows(state="quarantined")}
    assert set(errors) == {"noise.wav", "empty.mp3"}
    assert "no recording" in errors["noise.wav"]
    assert "empty" in errors["empty.mp3"]
    assert batch().num_worked_on == 0


def test_a_mended_recording_is_taken_up(batch: Runner, clips: Path, tmp_path: Path, spoken: np.ndarray) -> None:
    (clips / "bad.wav").write_bytes(b"no sound at all")
    assert batch().num_quarantined == 1
    soundfile.write(clips / "bad.wav", spoken[:48_000], 16_000)
    result = batch()
    assert (result.num_done, result.num_quarantined) == (7, 0)


STRANGE = [
    b"sp ace.wav",
    b"quo'te\".wav",
    b"new\nline.wav",
    b"caf\xe9.wav",
    "на́звание.wav".encode(),
    b"-dash.wav",
]


def test_any_name_is_taken(batch: Runner, tmp_path: Path, spoken: np.ndarray) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    plain = tmp_path / "plain.wav"
    soundfile.write(plain, spoken[:32_000], 16_000)
    for name in STRANGE:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(plain.read_bytes())
    assert batch().num_done == len(STRANGE)
    assert {row["file"] for row in table(tmp_path / "out")} == {
        "sp ace.wav",
        "quo'te\".wav",
        "new\\nline.wav",
        "caf\\xe9.wav",
        "на́звание.wav",
        "-dash.wav",
    }
    assert is_whole(tmp_path / "out")


@pytest.mark.slow
def test_a_long_recording_is_cut_and_joined_exactly(batch: Runner, tmp_path: Path, spoken: np.ndarray) -> None:
    path = long_recording(tmp_path / "in" / "long.mp3", 400.0, spoken)
    result = batch(unit_seconds=60.0)
    assert result.num_done == 1
    [(num_units,)] = ledger_query(tmp_path / "out", "SELECT count(*) FROM units WHERE state = 'done'")
    assert num_units > 2
    with Transcriber(SCRIPTED) as transcriber:
        alone = transcriber.transcribe(path)
    [written] = (tmp_path / "out").rglob("*.json")
    assert read_transcript(written) == alone
    assert is_whole(tmp_path / "out")


@pytest.mark.slow
def test_a_long_recording_goes_on_where_a_batch_was_interrupted(
    batch: Runner, tmp_path: Path, spoken: np.ndarray
) -> None:
    path = long_recording(tmp_path / "in" / "long.flac", 420.0, spoken)

    def stop(progress: Any) -> None:
        if progress.seconds_done > 100:
            raise KeyboardInterrupt

    slow = TranscriptionOptions(engine="scripted", num_threads=1, punctuation=False)
    with pytest.raises(KeyboardInterrupt):
        batch(transcription=slow, unit_seconds=60.0, on_progress=stop)
    query = "SELECT idx, output_hash, worker FROM units WHERE state = 'done' ORDER BY idx"
    before = ledger_query(tmp_path / "out", query)
    assert before
    batch(transcription=slow, unit_seconds=60.0)
    after = ledger_query(tmp_path / "out", query)
    assert set(before) <= set(after)
    with Transcriber(slow) as transcriber:
        alone = transcriber.transcribe(path)
    [written] = (tmp_path / "out").rglob("*.json")
    assert read_transcript(written) == alone


def test_a_long_recording_that_is_damaged_is_put_aside(
    batch: Runner, tmp_path: Path, spoken: np.ndarray
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "large.mp3").write_bytes(bytes(5_000_000))
    soundfile.write(folder / "good.wav", spoken[:48_000], 16_000)
    result = batch()
    assert (result.num_done, result.num_quarantined) == (1, 1)


def test_silence_is_done_and_leaves_no_rows(batch: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "hush.wav", np.zeros(48_000, np.float32), 16_000)
    assert batch().num_done == 1
    assert batch().num_worked_on == 0
    assert is_whole(tmp_path / "out")


def test_a_folder_without_recordings_is_told(batch: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(AudioError, match="no recordings"):
        batch()
    with pytest.raises(AudioError, match="there is no"):
        batch(tmp_path / "absent")


def test_a_model_that_is_not_there_is_told_before_a_cluster_starts(batch: Runner, clips: Path) -> None:
    with pytest.raises(ModelError, match="nothere"):
        batch(transcription=TranscriptionOptions(engine="moonshine", model="nothere"))


def test_an_engine_that_fails_to_load_is_told_in_one_line(batch: Runner, clips: Path) -> None:
    with pytest.raises(EarshotError, match="CPU"):
        batch(transcription=TranscriptionOptions(engine="moonshine", device="abacus"))


def test_a_second_batch_on_one_output_refuses(batch: Runner, clips: Path, tmp_path: Path) -> None:
    refusals = []

    def second(recipe: str, plan: object) -> None:
        with pytest.raises(OutputError, match="at work") as caught:
            batch()
        refusals.append(str(caught.value))

    batch(on_plan=second)
    [line] = refusals
    assert str(os.getpid()) in line
    assert "--join" in line


def test_a_second_batch_may_join(batch: Runner, clips: Path, tmp_path: Path) -> None:
    joined = []
    batch(on_plan=lambda recipe, plan: joined.append(batch(joins=True)))
    assert joined[0].num_done == 6
    rows = table(tmp_path / "out")
    assert len({(row["file"], row["segment"]) for row in rows}) == len(rows)
    assert {row["file"] for row in rows} == {f"clip {i}.wav" for i in range(5)} | {"more/clip 5.wav"}


def test_progress_is_told_and_ends_at_all(batch: Runner, clips: Path) -> None:
    seen: list[Any] = []
    batch(on_progress=seen.append)
    assert seen[-1].num_done == seen[-1].num_files == 6
    assert seen[-1].seconds_done == pytest.approx(27.0)
    assert seen[-1].seconds_left == pytest.approx(0.0, abs=1e-6)
    assert seen[-1].speed > 0
    assert json.dumps(seen[-1].to_json())


def test_results_that_were_damaged_are_found_and_done_again(batch: Runner, clips: Path, tmp_path: Path) -> None:
    from earshot.batch.check import mend
    from earshot.batch.run import open_output

    batch()
    whole = table(tmp_path / "out")
    next((tmp_path / "out").rglob("clip 1*.json")).write_text("{}")
    next((tmp_path / "out").rglob("clip 2*.json")).unlink()
    [part] = (tmp_path / "out").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    with open_output(str(tmp_path / "out")) as output:
        problems = list(verify(output.storage, output.ledger))
        assert {problem.what.split()[-1] for problem in problems} >= {"missing", "changed"}
        mend(output.storage, output.ledger, problems)
    batch()
    assert table(tmp_path / "out") == whole
    assert is_whole(tmp_path / "out")


@pytest.mark.slow
def test_a_recording_that_changes_while_it_is_read_is_never_a_mixture(
    batch: Runner, tmp_path: Path, spoken: np.ndarray
) -> None:
    path = long_recording(tmp_path / "in" / "long.wav", 420.0, spoken)
    is_changed = []

    def change(progress: Any) -> None:
        if progress.seconds_done > 0 and not is_changed:
            is_changed.append(True)
            time.sleep(0.01)
            long_recording(path, 400.0, spoken[::-1].copy())

    batch(unit_seconds=60.0, on_progress=change)
    if not is_changed:
        pytest.skip("the recording was done before it could change")
    batch(unit_seconds=60.0)
    with Transcriber(SCRIPTED) as transcriber:
        alone = transcriber.transcribe(path)
    [written] = (tmp_path / "out").rglob("*.json")
    assert read_transcript(written) == alone
