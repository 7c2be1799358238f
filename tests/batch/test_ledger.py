"""What is done stays done: the ledger alone, with as many recordings as an archive has."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from earshot.batch.inputs import InputFile, list_inputs, safe_name, shown_name
from earshot.batch.ledger import Ledger
from earshot.batch.schedule import MOST_ATTEMPTS, Scheduler
from earshot.batch.tables import Record
from earshot.batch.tasks import FileOutcome, Parcel
from earshot.core.errors import AudioError, OutputError


def inputs(count: int, *, stamp: str = "1", seconds: float = 10.0) -> Iterator[InputFile]:
    for number in range(count):
        yield InputFile(f"/in/{number}.wav", f"{number}.wav", round(32_000 * seconds), stamp)


def done(file: int, **more: object) -> FileOutcome:
    return FileOutcome(file, "done", "hash", "1", 320_000, 10.0, 0.1, 1, {"a.json": "digest"}, b"rows", **more)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as one:
        yield one


def test_a_plan_counts_what_is_new_done_and_changed(ledger: Ledger) -> None:
    plan = ledger.plan("recipe", inputs(10), long_seconds=100.0)
    assert (plan.num_files, plan.num_new, plan.num_left) == (10, 10, 10)
    tasks = ledger.claim_short("recipe", "me", seconds=1e9, most=4)
    ledger.finish_files([done(task.id) for task in tasks], "worker", "model")
    again = ledger.plan("recipe", inputs(12), long_seconds=100.0)
    assert (again.num_new, again.num_done, again.num_changed, again.num_left) == (2, 4, 0, 8)
    changed = ledger.plan("recipe", inputs(12, stamp="2"), long_seconds=100.0)
    assert (changed.num_done, changed.num_left) == (0, 12)
    fewer = ledger.plan("recipe", inputs(1, stamp="2"), long_seconds=100.0)
    assert fewer.num_left == 1
    other = ledger.plan("other", inputs(12), long_seconds=100.0)
    assert other.num_left == 12


def test_nobody_claims_what_another_has(ledger: Ledger, tmp_path: Path) -> None:
    ledger.plan("recipe", inputs(10), long_seconds=100.0)
    with Ledger(tmp_path / "ledger.sqlite") as second:
        first_ids = {task.id for task in ledger.claim_short("recipe", "one", seconds=60.0, most=99)}
        second_ids = {task.id for task in second.claim_short("recipe", "two", seconds=60.0, most=99)}
        assert (len(first_ids), len(second_ids)) == (6, 4)
        assert not first_ids & second_ids
        second.release_all_but(["one"])
        assert {task.id for task in ledger.claim_short("recipe", "one", seconds=1e9, most=99)} >= second_ids


def test_names_that_are_no_utf8_come_back(ledger: Ledger) -> None:
    name = b"caf\xe9\n.wav".decode("utf-8", "surrogateescape")
    ledger.plan("recipe", [InputFile(f"/in/{name}", name, 1, "1")], long_seconds=100.0)
    [task] = ledger.claim_short("recipe", "me", seconds=1.0, most=1)
    assert (task.name, task.address) == (name, f"/in/{name}")
    assert shown_name(name) == "caf\\xe9\\n.wav"


def test_two_addresses_of_one_name_both_stay(ledger: Ledger) -> None:
    both = [InputFile("/a/x.wav", "x.wav", 1, "1"), InputFile("/b/x.wav", "x.wav", 1, "1")]
    assert ledger.plan("recipe", [*both, both[0]], long_seconds=100.0).num_files == 2


def test_records_read_again_give_the_same_tables(tmp_path: Path) -> None:
    records: list[Record] = []
    with Ledger(
        tmp_path / "first.sqlite", journal=lambda record: records.append(json.loads(json.dumps(record)))
    ) as one:
        one.plan("recipe", [*inputs(5), InputFile("/in/long.wav", "long.wav", 10**9, "1")], long_seconds=100.0)
        short = one.claim_short("recipe", "me", seconds=1e9, most=4)
        one.finish_files([done(task.id) for task in short], "worker", "model")
        long = one.claim_long("recipe", "me")
        assert long is not None
        one.begin_scan(long.id, "hash")
        for index in range(3):
            one.add_unit(long.id, index, [[(0, 5), (7, 9)]], 100.0)
        one.finish_unit(long.id, 1, worker="w", result=b"said", output_hash="h", work_seconds=1.0)
        one.quarantine(one.claim_short("recipe", "me", seconds=1.0, most=1)[0].id, "no sound")
        assert len(one.claim_part("part-1", "recipe", most=2)) == 2
        one.end_part("part-1", 2, "digest")
        with Ledger(tmp_path / "second.sqlite") as two:
            two.replay(records)
            assert two.counts("recipe") == {"done": 4, "quarantined": 1, "planned": 1}
            assert [row.outputs for row in two.rows(state="done")] == [
                row.outputs for row in one.rows(state="done")
            ]
            assert two.parts() == one.parts()
            assert sorted(two.names_in_part("part-1")) == sorted(one.names_in_part("part-1"))
            two.plan("recipe", [InputFile("/in/long.wav", "long.wav", 10**9, "1")], long_seconds=100.0)
            again = two.claim_long("recipe", "you")
            assert again is not None
            assert [(unit.index, unit.is_done, unit.spans) for unit in two.units(again.id)] == [
                (index, index == 1, [[(0, 5), (7, 9)]]) for index in range(3)
            ]
            assert two.unit_results(again.id) == [b"said"]


RESUME = """
import resource, sys, time
from pathlib import Path
from earshot.batch.inputs import InputFile
from earshot.batch.ledger import Ledger
def inputs():
    for number in range(100_000):
        yield InputFile(f"/in/{number}.wav", f"{number}.wav", 320_000, "1")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
with Ledger(Path(sys.argv[1])) as ledger:
    plan = ledger.plan("recipe", inputs(), long_seconds=1e9)
seconds = time.perf_counter() - started
print(plan.num_left, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_hundred_thousand_units_resume_soon_and_in_flat_memory(ledger: Ledger, tmp_path: Path) -> None:
    ledger.plan("recipe", inputs(100_000), long_seconds=1e9)
    tasks = ledger.claim_short("recipe", "me", seconds=1e12, most=60_000)
    ledger.finish_files((done(task.id) for task in tasks), "worker", "model")
    ledger.claim_short("recipe", "me", seconds=1e12, most=10)
    ledger.close()
    arguments = [sys.executable, "-c", RESUME, str(tmp_path / "ledger.sqlite")]
    left, seconds, grown_mb = subprocess.run(
        arguments, capture_output=True, text=True, check=True
    ).stdout.split()
    print(f"resume of 100,000 units: {float(seconds):.2f} s, {float(grown_mb):.0f} MB more")
    assert int(left) == 40_000
    assert float(grown_mb) < 60


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_meta("version", "99")
    with pytest.raises(OutputError, match="version 99"):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_file_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("this is no database" * 99)
    with pytest.raises(OutputError, match="ledger"):
        Ledger(tmp_path / "ledger.sqlite")


# --- the scheduler, without a cluster ------------------------------------------------------------------------


def test_a_recording_that_kills_its_workers_is_put_aside_and_no_other_with_it(ledger: Ledger) -> None:
    plan = ledger.plan("recipe", inputs(20), long_seconds=100.0)
    scheduler = Scheduler(ledger, "recipe", "me", seconds_left=plan.seconds_left)
    scheduler.next_scan()
    num_workers = 0
    while not scheduler.is_over:
        if not scheduler.num_workers:
            num_workers += 1
            scheduler.add_worker(f"worker-{num_workers}")
        given = scheduler.next_tasks()
        scheduler.next_scan()
        for worker, task in given:
            assert isinstance(task, Parcel)
            if any(file.name == "7.wav" for file in task.files):
                scheduler.drop_worker(worker)
                break
            scheduler.files_done(worker, task, [done(file.id) for file in task.files])
    assert ledger.counts("recipe") == {"done": 19, "quarantined": 1}
    [row] = ledger.rows(state="quarantined")
    assert row.name == "7.wav"
    assert "died" in (row.error or "")
    assert num_workers <= MOST_ATTEMPTS + 2


def test_workers_without_work_come_before_reserves(ledger: Ledger) -> None:
    plan = ledger.plan("recipe", inputs(3, seconds=50.0), long_seconds=100.0)
    scheduler = Scheduler(ledger, "recipe", "me", seconds_left=plan.seconds_left)
    for worker in ("a", "b", "c"):
        scheduler.add_worker(worker)
    assert [worker for worker, _ in scheduler.next_tasks()] == ["a", "b", "c"]


# --- what INPUT may be ---------------------------------------------------------------------------------------


def test_folders_globs_manifests_and_tables_name_the_same_recordings(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow: pip install 'earshot[batch]'")
    import pyarrow

    (tmp_path / "deep").mkdir()
    for name in ("a.wav", "deep/b.mp3", ".hidden.wav", "notes.txt.bak"):
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("a.wav\n# a remark\n\ndeep/b.mp3\n")
    (tmp_path / "list.jsonl").write_text('{"audio": "a.wav", "text": "x"}\n"deep/b.mp3"\n')
    (tmp_path / "list.csv").write_text("id,path\n1,a.wav\n2,deep/b.mp3\n")
    parquet.write_table(pyarrow.table({"Path": ["a.wav", "deep/b.mp3"]}), tmp_path / "list.parquet")
    for given in (".", "list.txt", "list.jsonl", "list.csv", "list.parquet", "**/*.[wm][ap][v3]"):
        found = {file.name for file in list_inputs(str(tmp_path / given))}
        assert found == {"a.wav", "deep/b.mp3"}, given


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("list.jsonl", "{broken", "line 1"),
        ("list.jsonl", '{"other": 1}', "names no recording"),
        ("list.csv", "a,b\n1,2\n", "no column"),
        ("list.parquet", "PAR1", "no Parquet"),
    ],
)
def test_a_bad_manifest_is_told(tmp_path: Path, name: str, text: str, part: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AudioError, match=part):
        list(list_inputs(str(tmp_path / name)))


def test_names_of_results_stay_below_their_folder() -> None:
    for name in ("../../etc/x.wav", "/etc/x.wav", "a/../../x.wav", "./x.wav", "~/x.wav", ".x.wav", "x" * 500):
        safe = Path(safe_name(name))
        assert not safe.is_absolute()
        assert ".." not in safe.parts
        assert all(len(part.encode()) <= 255 - 40 for part in safe.parts)


def test_a_million_recordings_are_listed_one_by_one(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    with manifest.open("w") as file:
        file.writelines(f'"s3://bucket/{number}.wav"\n' for number in range(1_000_000))
        file.write("no JSON\n")
    found = list_inputs(str(manifest))
    assert next(found).address == "s3://bucket/0.wav"  # before the last line is read
    with pytest.raises(AudioError, match="1000001"):
        deque(found, maxlen=0)
    assert threading.active_count() < 50
