from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earshot.audio.decode import read_audio
from earshot.batch import BatchOptions, BatchRequest, BatchResult, ClusterOptions, run_batch
from earshot.transcription import TranscriptionOptions
from tests.conftest import speech_folder

STORE = 100 * 2**20
SCRIPTED = TranscriptionOptions(engine="scripted", num_threads=1, punctuation=False)
Runner = Callable[..., BatchResult]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """One small cluster for the tests of a file; a batch uses the one that it finds."""
    pytest.importorskip("ray", reason="no Ray: pip install 'earshot[batch]'")
    pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'earshot[batch]'")
    from earshot.batch.cluster import load_ray

    module = load_ray()
    module.init(
        address="local",
        num_cpus=2,
        object_store_memory=STORE,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        _node_ip_address="127.0.0.1",
    )
    yield module
    module.shutdown()


def runner(tmp_path: Path, cluster: ClusterOptions) -> Runner:
    pytest.importorskip("pyarrow", reason="no pyarrow: pip install 'earshot[batch]'")

    def run(source: Path | str | None = None, out: Path | str | None = None, **changes: Any) -> BatchResult:
        names = ("on_notice", "on_plan", "on_progress")
        callbacks = {name: changes.pop(name) for name in names if name in changes}
        joins = changes.pop("joins", False)
        options = BatchOptions(**{"transcription": SCRIPTED, **changes})
        source, out = str(source or tmp_path / "in"), str(out or tmp_path / "out")
        return run_batch(BatchRequest(source, out, options, cluster, joins), **callbacks)

    return run


@pytest.fixture
def batch(tmp_path: Path) -> Runner:
    """Runs a batch of ``tmp_path/in`` into ``tmp_path/out`` with the scripted engine, in this process."""
    return runner(tmp_path, ClusterOptions("none"))


@pytest.fixture
def ray_batch(ray: Any, tmp_path: Path) -> Runner:
    """The same with two workers on Ray."""
    return runner(tmp_path, ClusterOptions(num_workers=2))


@pytest.fixture(scope="session")
def spoken(sample_path: Path) -> np.ndarray:
    """44 s of real speech at 16 kHz."""
    return read_audio(sample_path).samples


@pytest.fixture
def clips(tmp_path: Path, spoken: np.ndarray) -> Path:
    """Six recordings of two to seven seconds, one in a folder of its own."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    for index in range(6):
        place = folder / "more" if index == 5 else folder
        soundfile.write(place / f"clip {index}.wav", spoken[: 16_000 * (2 + index)], 16_000)
    return folder


def long_recording(path: Path, seconds: float, spoken: np.ndarray, *, rate: int = 16_000) -> Path:
    """Real clips one after the other with pauses, else the same speech again and again."""
    parts: list[np.ndarray] = []
    missing = round(seconds * 16_000)
    for clip in _clips(spoken):
        parts += [clip, np.zeros(9_600, np.float32)]
        missing -= len(clip) + 9_600
        if missing <= 0:
            break
    samples = np.concatenate(parts)[: round(seconds * 16_000)]
    if rate != 16_000:
        import soxr

        samples = soxr.resample(samples, 16_000, rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def _clips(spoken: np.ndarray) -> Iterator[np.ndarray]:
    folder = speech_folder()
    if folder is not None:
        for path in sorted((folder / "librispeech").rglob("*.opus")):
            with contextlib.suppress(ValueError):
                yield read_audio(path).samples
    while True:
        yield spoken


def ledger_query(out: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    import sqlite3

    with contextlib.closing(sqlite3.connect(out / "ledger.sqlite")) as db:
        return db.execute(query, values).fetchall()


def processes() -> dict[int, str]:
    """Command lines by process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
    return found


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **more}
