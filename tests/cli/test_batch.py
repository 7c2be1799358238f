"""``earshot batch`` as people type it."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import (
    SLOW_ENGINE,
    Result,
    assert_one_line_error,
    command,
    earshot,
    earshot_process,
    install_engine,
    write_speech,
)

pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'earshot[batch]'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(4):
        write_speech(tmp_path / "in" / f"talk {index}.wav", 2.0 + index)
    return tmp_path / "in"


def batch(folder: Path | str, *more: str | Path) -> Result:
    place = Path(folder).parent / "out"
    return earshot("batch", folder, "--out", place, "--cluster", "none", "--engine", "scripted", *more)


def test_a_folder_becomes_a_table_and_the_pipe_stays_quiet(folder: Path, tmp_path: Path) -> None:
    done = batch(folder, "-f", "json,srt")
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert len(list((tmp_path / "out").rglob("*.srt"))) == 4
    assert list((tmp_path / "out").rglob("*.parquet"))
    status = earshot("batch", "status", tmp_path / "out")
    assert "4 recordings" in status.output
    about = json.loads(earshot("batch", "status", tmp_path / "out", "--json").output)
    assert [one["num_done"] for one in about["recipes"]] == [4]
    assert earshot("batch", "verify", tmp_path / "out").status == 0


def test_bad_recordings_end_in_status_1_and_can_be_listed_and_retried(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.wav").write_bytes(b"nothing")
    done = batch(folder)
    assert done.status == 1
    assert done.error_lines[0].startswith("earshot: error: bad.wav: ")
    assert "1 of 5" in done.error_lines[-1]
    assert "export-errors" in done.error_lines[-1]
    listed = earshot("batch", "export-errors", tmp_path / "out")
    assert listed.output.splitlines()[0] == "file,address,error,recipe"
    assert "bad.wav" in listed.output
    [line] = earshot("batch", "export-errors", tmp_path / "out", "--format", "jsonl").output.splitlines()
    assert json.loads(line)["audio"] == str(folder / "bad.wav")
    write_speech(folder / "bad.wav", 2.0)
    assert earshot("batch", "retry", tmp_path / "out", "--cluster", "none").status == 0
    assert "5 recordings" in earshot("batch", "status", tmp_path / "out").output


def test_damaged_results_are_told_and_mended(folder: Path, tmp_path: Path) -> None:
    batch(folder)
    next((tmp_path / "out").rglob("talk 2*.json")).write_text("{}")
    told = earshot("batch", "verify", tmp_path / "out")
    assert told.status == 1
    assert "talk 2.wav.json has changed" in told.output
    earshot("batch", "verify", "--mend", tmp_path / "out")
    assert batch(folder).status == 0
    assert earshot("batch", "verify", tmp_path / "out").status == 0


def test_progress_for_machines(folder: Path, tmp_path: Path) -> None:
    done = batch(
        folder, "--progress-json", "-", "--prometheus", tmp_path / "metrics.prom", "--price-per-hour", "0.1"
    )
    events = [json.loads(line) for line in done.output.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["plan", "end"]
    assert events[-1]["num_done"] == 4
    progress = [event for event in events if event["event"] == "progress"]
    assert all(event["price"] is not None for event in progress)
    metrics = (tmp_path / "metrics.prom").read_text()
    assert "earshot_batch_files_done{recipe=" in metrics
    assert metrics.splitlines()[-1].startswith("earshot_batch_price_total")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["absent"], ["there is no absent"]),
        (["."], ["no recordings"]),
        ([".", "--engine", "nowhere"], ["there is no engine"]),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], parts: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line_error(earshot("batch", *arguments, "--out", "out", "--cluster", "none"), *parts)


def test_verbs_on_a_folder_without_a_ledger_are_told(tmp_path: Path) -> None:
    for verb in ("status", "verify", "export-errors"):
        assert_one_line_error(earshot("batch", verb, tmp_path), "no ledger")
    assert_one_line_error(earshot("batch", "retry", tmp_path, "--cluster", "none"), "no ledger")


@pytest.mark.parametrize(
    "address", ["ray://127.0.0.1:{port}", "127.0.0.1:{port}", "ray://no.such.host.invalid:1"]
)
def test_a_cluster_that_does_not_answer_is_told_at_once(folder: Path, tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = address.format(port=free.getsockname()[1])
    out = tmp_path / "out"
    done = earshot("batch", folder, "--out", out, "--cluster", address, "--engine", "scripted")
    assert_one_line_error(done, "no cluster answers", address)


@pytest.mark.parametrize("address", ["nonsense", "ray://host", "ray://host:99999999"])
def test_what_is_no_address_is_told(folder: Path, tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    done = earshot("batch", folder, "--out", tmp_path / "out", "--cluster", address, "--engine", "scripted")
    assert done.status == 1
    assert len(done.error_lines) == 1


def test_a_second_batch_refuses_and_a_killed_one_is_taken_over(folder: Path, tmp_path: Path) -> None:
    variables = install_engine(tmp_path / "engine", "slow", SLOW_ENGINE.format(seconds=30))
    import os

    arguments = [str(folder), "--out", str(tmp_path / "out"), "--cluster", "none", "--engine", "slow"]
    first = subprocess.Popen(command("batch", *arguments), env={**os.environ, **variables})
    lock = tmp_path / "out" / ".earshot"
    deadline = time.monotonic() + 60
    while not list(lock.glob("batch-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    second = earshot_process("batch", *arguments, environment=variables)
    assert_one_line_error(second, "at work", str(first.pid), "--join")
    assert "at work: process" in earshot("batch", "status", tmp_path / "out").output
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert batch(folder).status == 0
    assert "at work" not in earshot("batch", "status", tmp_path / "out").output


def test_a_full_disk_ends_the_batch_in_one_line_and_the_rest_is_done_later(
    folder: Path, tmp_path: Path, small_disk: Path
) -> None:
    out = small_disk / "out"
    filler = small_disk / "filler"
    arguments = [folder, "--out", out, "--cluster", "none", "--engine", "scripted"]
    assert earshot("batch", *arguments).status == 0
    for index in range(4, 8):
        write_speech(folder / f"talk {index}.wav", 3.0)
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1024)):
            pass
    full = earshot("batch", *arguments)
    assert full.status == 1
    assert "full" in full.errors
    assert "Traceback" not in full.errors
    filler.unlink()
    assert earshot("batch", *arguments).status == 0
    assert earshot("batch", "verify", out).status == 0


@pytest.fixture
def web_server() -> Iterator[int]:
    """Something that listens and is no cluster."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_something_else_that_listens_is_told(folder: Path, tmp_path: Path, web_server: int) -> None:
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    out = tmp_path / "out"
    address = f"ray://127.0.0.1:{web_server}"
    done = earshot_process("batch", folder, "--out", out, "--cluster", address, "--engine", "scripted")
    assert_one_line_error(done, "127.0.0.1")
