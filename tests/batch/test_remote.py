"""An S3 on the loopback address: input, output, ledger and lock far away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earshot.batch import BatchOptions, BatchRequest, ClusterOptions, run_batch
from earshot.batch.check import verify
from earshot.batch.journal import read_journal, segment_names
from earshot.batch.lock import RemoteLock
from earshot.batch.run import read_output
from earshot.batch.storage import open_storage
from earshot.core.errors import AudioError, EarshotError, OutputError
from tests.batch.conftest import SCRIPTED, long_recording

IN, OUT = "s3://archive/in", "s3://archive/out"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="no moto: pip install 'earshot[dev]'")
    pytest.importorskip("s3fs", reason="no s3fs: pip install 'earshot[batch-s3]'")
    pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'earshot[batch]'")
    one = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    one.start()
    host, port = one.get_host_and_port()
    yield f"http://{host}:{port}"
    one.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3
    import s3fs

    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": server,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = boto3.resource("s3").create_bucket(Bucket="archive")
    yield store
    store.objects.all().delete()
    store.delete()
    s3fs.S3FileSystem.clear_instance_cache()


def upload(bucket: Any, folder: Path) -> None:
    for path in sorted(folder.rglob("*.*")):
        bucket.upload_file(str(path), f"in/{path.relative_to(folder).as_posix()}")


def run(source: str = IN, **changes: Any) -> Any:
    callbacks = {name: changes.pop(name) for name in ("on_progress",) if name in changes}
    options = BatchOptions(**{"transcription": SCRIPTED, **changes})
    return run_batch(BatchRequest(source, OUT, options, ClusterOptions("none")), **callbacks)


def rows(bucket: Any) -> list[dict[str, Any]]:
    import pyarrow.dataset
    import s3fs

    table = pyarrow.dataset.dataset("archive/out/segments", filesystem=s3fs.S3FileSystem(), partitioning="hive")
    return table.to_table().to_pylist()


@pytest.mark.slow
def test_a_bucket_becomes_a_table_in_a_bucket(bucket: Any, clips: Path, spoken: Any) -> None:
    long_recording(clips / "long.flac", 400.0, spoken)
    upload(bucket, clips)
    result = run(unit_seconds=60.0)
    assert (result.num_files, result.num_done) == (7, 7)
    said = rows(bucket)
    assert {row["file"] for row in said} >= {"clip 0.wav", "more/clip 5.wav", "long.flac"}
    assert {row["recipe"] for row in said} == {result.recipe}
    keys = {item.key for item in bucket.objects.all()}
    assert f"out/transcripts/{result.recipe}/more/clip 5.wav.json" in keys
    with read_output(OUT) as (storage, ledger):
        assert not list(verify(storage, ledger))
    again = run(unit_seconds=60.0)
    assert (again.num_done, again.num_worked_on) == (7, 0)
    assert len(rows(bucket)) == len(said)


def test_only_changed_objects_are_done_again(bucket: Any, clips: Path) -> None:
    upload(bucket, clips)
    run()
    bucket.upload_file(str(clips / "clip 4.wav"), "in/clip 0.wav")
    result = run()
    assert (result.plan.num_changed, result.num_worked_on) == (1, 1)
    said = rows(bucket)
    assert len({(row["file"], row["segment"]) for row in said}) == len(said)
    assert max(row["end"] for row in said if row["file"] == "clip 0.wav") > 5


@pytest.mark.slow
def test_a_batch_that_was_interrupted_goes_on(bucket: Any, clips: Path, spoken: Any) -> None:
    long_recording(clips / "long.flac", 500.0, spoken)
    upload(bucket, clips)

    def stop(progress: Any) -> None:
        if progress.seconds_done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(unit_seconds=60.0, on_progress=stop)
    done = [record for record in read_journal(open_storage(OUT)) if record["kind"] == "unit"]
    before = {record["index"] for record in done if record["state"] == "done"}
    assert before
    run(unit_seconds=60.0)
    finished = [
        record["index"]
        for record in read_journal(open_storage(OUT))
        if record["kind"] == "unit" and record["state"] == "done"
    ]
    assert len(finished) == len(set(finished)), "no unit was done twice"


def test_the_ledger_is_only_ever_added_to(bucket: Any, clips: Path) -> None:
    upload(bucket, clips)
    run()
    storage = open_storage(OUT)
    first = {name: storage.read(f"ledger/{name}") for name in segment_names(storage)}
    bucket.upload_file(str(clips / "clip 4.wav"), "in/another.wav")
    run()
    after = {name: storage.read(f"ledger/{name}") for name in segment_names(storage)}
    assert len(after) > len(first)
    assert {name: after[name] for name in first} == first


def test_a_second_batch_refuses_while_the_beat_of_the_first_moves(bucket: Any) -> None:
    storage = open_storage(OUT)
    with (
        RemoteLock(storage, "first", period=0.2),
        pytest.raises(OutputError, match="at work"),
        RemoteLock(storage, "second", period=0.2),
    ):
        pass
    with RemoteLock(storage, "third", period=0.2):
        pass


def test_a_lock_of_nobody_is_taken_over_whatever_its_clock_said(bucket: Any) -> None:
    storage = open_storage(OUT)
    stale = {"owner": "dead", "beat": 7, "started": "2999-01-01 00:00:00"}
    storage.write(RemoteLock.NAME, json.dumps(stale).encode())
    started = time.monotonic()
    with RemoteLock(storage, "next", period=0.2):
        assert time.monotonic() - started >= 0.7


def test_whoever_lost_its_lock_is_told(bucket: Any) -> None:
    storage = open_storage(OUT)
    with RemoteLock(storage, "first", period=0.1) as lock:
        storage.write(RemoteLock.NAME, json.dumps({"owner": "other", "beat": 1}).encode())
        deadline = time.monotonic() + 10
        while not lock.is_lost and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(OutputError, match="taken"):
            lock.check()


def test_missing_credentials_and_buckets_are_told_in_one_line(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    with pytest.raises(EarshotError, match="no-such-bucket"):
        run("s3://no-such-bucket/in")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(AudioError, match="credentials"):
        run()


def test_recordings_of_a_web_server_named_in_a_manifest(
    bucket: Any, clips: Path, tmp_path: Path, server: str
) -> None:
    upload(bucket, clips)
    for name in ("clip 1.wav", "clip 2.wav"):
        bucket.Object(f"in/{name}").Acl().put(ACL="public-read")
    manifest = tmp_path / "list.txt"
    manifest.write_text(
        f"{server}/archive/in/clip%201.wav\n{server}/archive/in/clip%202.wav\n{server}/archive/in/no.wav\n"
    )
    result = run(str(manifest))
    assert (result.num_done, result.num_quarantined) == (2, 1)
