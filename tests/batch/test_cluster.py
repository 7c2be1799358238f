"""Batches on real clusters of Ray: of one machine, of two nodes, and while their processes are being killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earshot.text.formats import read_transcript
from earshot.transcription import Transcriber, TranscriptionOptions
from tests.batch.conftest import STORE, environment, ledger_query, long_recording, processes
from tests.batch.test_run import is_whole, table
from tests.cli.command import install_engine

pytestmark = pytest.mark.alone
"""They end what others left behind, count what is left, and a busy machine starts nodes too slowly for Ray."""

NUM_KILLS = int(os.environ.get("EARSHOT_KILLS", "6"))

LOGGING_ENGINE = """
import hashlib, os, time
from earshot.engines import Engine
from earshot.engines.scripted import ScriptedRecognizer

class Logging(ScriptedRecognizer):
    def transcribe_batch(self, audios, **options):
        digest = hashlib.sha256(b"".join(audio.samples.tobytes() for audio in audios)).hexdigest()
        with open(os.environ["EARSHOT_TEST_LOG"], "a") as log:
            log.write(digest + "\\n")
        slow = os.environ["EARSHOT_TEST_LOG"] + ".slow"
        time.sleep(2.0 if os.path.exists(slow) else {seconds})
        return super().transcribe_batch(audios, **options)

ENGINE = Engine("logging", "tells what it was asked", lambda options: Logging(), has_default_model=True)
"""


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without cores, and two nodes with one each, as separate processes of this machine."""
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    for name, value in install_engine(
        tmp_path / "engine", "logging", LOGGING_ENGINE.format(seconds=0.4)
    ).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EARSHOT_TEST_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from earshot.batch.cluster import load_ray

    load_ray()
    from ray.cluster_utils import Cluster

    before = set(processes())
    cluster = Cluster()
    try:
        add_node(cluster, num_cpus=0, include_dashboard=False)  # the first is the head
        add_node(cluster)
        add_node(cluster)
        yield cluster
    finally:
        cluster.shutdown()
        end(before)


def add_node(cluster: Any, **options: Any) -> None:
    """A node gives up after 30 s, which a busy machine may take to start it."""
    for attempt in range(3):
        try:
            cluster.add_node(**{"num_cpus": 1, "object_store_memory": STORE, **options})
            return
        except Exception:
            if attempt == 2:
                raise


def end(before: set[int]) -> None:
    """End what a cluster left behind; a second is theirs to go by themselves."""
    time.sleep(1.0)
    for process, line in processes().items():
        if process not in before and ("raylet" in line or "ray::" in line or "/ray/" in line):
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)


def command(tmp_path: Path, address: str, *more: str) -> list[str]:
    arguments = [
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "out"),
        "--cluster",
        address,
        "--engine",
        "logging",
    ]
    return [sys.executable, "-m", "earshot", "batch", *arguments, "--no-punctuate", *more]


def heard_alone(path: Path) -> Any:
    with Transcriber(TranscriptionOptions(engine="scripted", punctuation=False)) as transcriber:
        return transcriber.transcribe(path)


@pytest.mark.slow
def test_the_same_command_runs_on_two_nodes(two_nodes: Any, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "log.slow").touch()
    done = subprocess.run(
        command(tmp_path, two_nodes.address, "--unit-minutes", "0.1"),
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    [(num_workers,)] = ledger_query(tmp_path / "out", "SELECT count(DISTINCT worker) FROM files")
    assert num_workers >= 2
    assert len({row["file"] for row in table(tmp_path / "out")}) == 6
    assert is_whole(tmp_path / "out")


@pytest.mark.slow
def test_a_node_without_the_engine_is_named_and_the_others_go_on(
    two_nodes: Any, clips: Path, tmp_path: Path
) -> None:
    add_node(two_nodes, env_vars={"PYTHONPATH": ""})
    (tmp_path / "log.slow").touch()
    arguments = command(tmp_path, two_nodes.address, "--unit-minutes", "0.1")
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert "takes no part: there is no engine 'logging'" in done.stderr
    assert is_whole(tmp_path / "out")


VERSIONS = """
import sys
import ray
ray.__version__ = "1.2.3"
from earshot.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.slow
def test_another_version_of_ray_is_named(two_nodes: Any, clips: Path, tmp_path: Path) -> None:
    arguments = command(tmp_path, two_nodes.address)
    arguments[1:3] = ["-c", VERSIONS]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment())
    assert done.returncode == 1
    import ray

    [line] = done.stderr.splitlines()
    assert f"the cluster runs Ray {ray.__version__}" in line
    assert "this machine Ray 1.2.3" in line


@pytest.mark.slow
def test_a_third_machine_drives_a_cluster_through_its_client_port(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    pytest.importorskip("grpc", reason="no grpcio: pip install 'earshot[batch]'")
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, client = free.getsockname()[1], other.getsockname()[1]
    before = set(processes())
    start = [
        str(Path(sys.executable).parent / "ray"),
        "start",
        "--head",
        "--block",
        "--include-dashboard=false",
    ]
    start += [f"--port={port}", f"--ray-client-server-port={client}", "--num-cpus=2"]
    start += [f"--object-store-memory={STORE}", "--node-ip-address=127.0.0.1", "--disable-usage-stats"]
    head = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", client), 1).close()
                break
            time.sleep(0.5)
        address = f"ray://127.0.0.1:{client}"
        arguments = command(tmp_path, address)
        arguments[arguments.index("logging")] = "scripted"
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr
        assert is_whole(tmp_path / "out")
    finally:
        head.terminate()
        head.wait(60)
        end(before)


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_kills_at_random_moments_lose_nothing_and_double_nothing(
    two_nodes: Any, tmp_path: Path, spoken: np.ndarray
) -> None:
    """Set EARSHOT_KILLS for more of them."""
    chance = random.Random(8)
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(30 + 14 * NUM_KILLS):
        start = 1_000 * index
        soundfile.write(folder / f"clip {index:03}.wav", spoken[start : start + 80_000], 16_000)
    long_recording(folder / "long.wav", 900.0, spoken)
    arguments = command(tmp_path, two_nodes.address, "--unit-minutes", "0.1")
    killed: Counter[str] = Counter()
    driver = subprocess.Popen(arguments, env=environment(), stderr=subprocess.DEVNULL)
    kinds = ["driver", "actor", "scanner", "node"]
    pending = [kinds[i % len(kinds)] for i in range(NUM_KILLS)]
    chance.shuffle(pending)
    while pending:
        wait_for_progress(tmp_path, driver, chance.uniform(0.5, 3.0))
        if driver.poll() is not None:
            if driver.returncode == 0:
                break  # all was done before the last kills
            driver = subprocess.Popen(arguments, env=environment(), stderr=subprocess.DEVNULL)
            continue
        kind = pending.pop()
        if not kill(kind, driver, two_nodes, chance):  # no scanner is at work at this moment
            pending.append("actor")
            continue
        killed[kind] += 1
    status = driver.wait()
    if status != 0:
        done = subprocess.run(arguments, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    print(f"killed: {dict(killed)}")
    out = tmp_path / "out"
    assert is_whole(out)
    names = {path.name for path in folder.iterdir()}
    assert {row["file"] for row in table(out)} == names
    for path in folder.iterdir():
        [written] = out.rglob(f"{path.name}.json")
        assert read_transcript(written).segments == heard_alone(path).segments
    asked = Counter((tmp_path / "log").read_text().split())
    num_repeated = sum(asked.values()) - len(asked)
    print(f"{num_repeated} of {len(asked)} units done again after {sum(killed.values())} kills")
    assert num_repeated <= 2 * sum(killed.values())
    assert "quarantined" not in {row[0] for row in ledger_query(out, "SELECT DISTINCT state FROM files")}


def wait_for_progress(tmp_path: Path, driver: subprocess.Popen[bytes], seconds: float) -> None:
    """Until the driver has been at work for so long, or is over."""
    log = tmp_path / "log"
    before = log.stat().st_size if log.exists() else 0
    while driver.poll() is None and (not log.exists() or log.stat().st_size <= before):
        time.sleep(0.1)
    end = time.monotonic() + seconds
    while driver.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


def kill(kind: str, driver: subprocess.Popen[bytes], cluster: Any, chance: random.Random) -> int:
    if kind == "driver":
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        return 1
    if kind == "node":
        nodes = [node for node in cluster.worker_nodes if node.all_processes]
        cluster.remove_node(chance.choice(nodes), allow_graceful=False)
        add_node(cluster)
        return 1
    name = "Worker" if kind == "actor" else "Scanner"
    found = [process for process, line in processes().items() if line.startswith(f"ray::{name}")]
    if not found:
        return 0
    os.kill(chance.choice(found), signal.SIGKILL)
    return 1


@pytest.mark.slow
def test_a_killed_driver_leaves_no_process_behind(clips: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    variables = install_engine(tmp_path / "engine", "logging", LOGGING_ENGINE.format(seconds=5))
    before = set(processes())
    variables["EARSHOT_TEST_LOG"] = str(tmp_path / "log")
    driver = subprocess.Popen(command(tmp_path, "local", "--store-mb", "100"), env=environment(**variables))
    while driver.poll() is None and not (tmp_path / "log").exists():
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 90
    left: dict[int, str] = {}
    while time.monotonic() < deadline:
        left = {pid: line for pid, line in processes().items() if pid not in before and "ray" in line}
        if not left:
            break
        time.sleep(0.5)
    assert not left
