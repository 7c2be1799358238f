"""The workers on a small cluster of Ray in this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earshot.text.formats import read_transcript
from earshot.transcription import Transcriber
from tests.batch.conftest import SCRIPTED, Runner, long_recording
from tests.batch.test_run import is_whole

pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_two_workers_on_ray_do_what_one_does_alone(
    ray_batch: Runner, clips: Path, tmp_path: Path, spoken: np.ndarray
) -> None:
    path = long_recording(clips / "long.flac", 500.0, spoken)
    (clips / "bad.wav").write_bytes(b"no sound")
    result = ray_batch(unit_seconds=60.0)
    assert (result.num_done, result.num_quarantined, result.num_left) == (7, 1, 0)
    with Transcriber(SCRIPTED) as transcriber:
        alone = transcriber.transcribe(path)
    [written] = (tmp_path / "out").rglob("long.flac.json")
    assert read_transcript(written) == alone
    assert is_whole(tmp_path / "out")


@pytest.mark.slow
def test_a_worker_without_the_model_is_named(ray: Any, ray_batch: Runner, clips: Path, tmp_path: Path) -> None:
    from earshot.batch.cluster import Cluster, ClusterOptions
    from earshot.batch.settings import BatchOptions
    from earshot.batch.tasks import WorkerJob
    from earshot.batch.work import Worker

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "seen").touch()
    job = WorkerJob(BatchOptions(SCRIPTED), "recipe", str(tmp_path / "out"), "seen", "another digest")
    with Cluster(ClusterOptions()) as cluster:
        actor = cluster.start(Worker, job, is_worker=True)
        report = ray.get(actor.prepare.remote())
        ray.kill(actor)
    assert "another model" in report.problem
    assert report.machine
