"""What a batch costs beside the bare recognizer, and what a second worker brings.

Run: python benchmarks/batch.py clips [--minutes 20] [--rounds 3]   10 s clips: bare, 1 worker, 2 workers
     python benchmarks/batch.py hours [--minutes 60] [--rounds 1]   a long file: bare on all cores, 2 workers
     python benchmarks/batch.py memory [--hours 10] [--engine NAME] the largest processes; is it equal?
     python benchmarks/batch.py resume                              100,000 units in the ledger
     python benchmarks/batch.py call                                one call of an actor, and its answer

Bare is ``Transcriber`` in processes of their own, as many as there are workers, one thread each, each with an
equal share of the clips; for one long file it is one process with as many threads as workers. Both sides are
timed from the first recording to the last result, without the loading of models and of Ray. All sides of a
comparison run in each round, one after the other, and the medians are told, with the load of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from earshot.audio.decode import read_audio
from earshot.batch import BatchOptions, BatchProgress, BatchRequest, ClusterOptions, run_batch
from earshot.text.formats import read_transcript
from earshot.transcription import Transcriber, TranscriptionOptions

RATE = 16_000
SPEECH = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))

BARE = """
import sys, time
from pathlib import Path
from earshot.transcription import Transcriber, TranscriptionOptions
paths = sys.argv[2:]
with Transcriber(TranscriptionOptions(num_threads=int(sys.argv[1]))) as transcriber:
    transcriber.transcribe(paths[0])
    print("ready", flush=True)
    sys.stdin.readline()
    spent = time.process_time()
    for path in paths:
        transcriber.transcribe(path)
    print(time.process_time() - spent, flush=True)
"""


def speech() -> Iterator[np.ndarray]:
    """Real clips, again and again."""
    paths = sorted((SPEECH / "librispeech").rglob("*.opus"))
    if not paths:
        sys.exit(f"no speech below {SPEECH}: set EARSHOT_SPEECH")
    while True:
        for path in paths:
            yield read_audio(path).samples


def write_clips(folder: Path, minutes: float, seconds: float) -> list[str]:
    """Flac files of ``seconds`` each."""
    folder.mkdir(parents=True, exist_ok=True)
    held = np.empty(0, np.float32)
    source, paths = speech(), []
    for number in range(max(2, round(60 * minutes / seconds))):
        while len(held) < seconds * RATE:
            held = np.concatenate([held, next(source), np.zeros(RATE // 2, np.float32)])
        size = round(seconds * RATE)
        paths.append(str(folder / f"clip-{number:05}.flac"))
        soundfile.write(paths[-1], held[:size], RATE)
        held = held[size:]
    return paths


def write_long(path: Path, minutes: float) -> str:
    """One wav, written piece by piece."""
    left = round(60 * minutes * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for samples in speech():
            file.write(samples[:left])
            file.write(np.zeros(min(RATE // 2, max(0, left - len(samples))), np.float32))
            left -= len(samples) + RATE // 2
            if left <= 0:
                break
    return str(path)


@dataclass(frozen=True, slots=True)
class Cost:
    """seconds: by the clock. cpu: seconds of processors, of all processes that take part."""

    seconds: float
    cpu: float


def bare(paths: list[str], num_processes: int, num_threads: int) -> Cost:
    """What all of them cost."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(num_threads)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BARE, str(num_threads), *paths[number::num_processes]],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(num_processes)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    started = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    cpu = 0.0
    for process in processes:
        assert process.stdout is not None
        cpu += float(process.stdout.readline())
    seconds = time.perf_counter() - started
    for process in processes:
        process.communicate()
    return Cost(seconds, cpu)


def family_cpu() -> float:
    """Seconds of processors that this process and all that came from it have used."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
                used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    family = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used[process] for process in family)


def batched(source: Path, num_workers: int, engine: str = "moonshine", keep: Path | None = None) -> Cost:
    """From the moment that all workers have their models to the last result, Ray's own processes included."""
    seen: list[tuple[float, float, BatchProgress]] = []

    def look(progress: BatchProgress) -> None:
        seen.append((time.perf_counter(), family_cpu(), progress))

    with tempfile.TemporaryDirectory() as out:
        request = BatchRequest(
            str(source),
            out,
            BatchOptions(TranscriptionOptions(engine=engine, num_threads=1)),
            ClusterOptions(num_workers=num_workers, store_bytes=300 * 2**20),
        )
        result = run_batch(request, on_progress=look)
        assert result.num_done == result.num_files, result
        if keep is not None:
            next(Path(out).rglob("*.json")).rename(keep)
    start, cpu, before = next(moment for moment in seen if moment[2].num_workers == num_workers)
    total = seen[-1][2].seconds_done
    share = total / (total - before.seconds_done)  # some may have been done before all were ready
    return Cost(share * (seen[-1][0] - start), share * (seen[-1][1] - cpu))


def clips(minutes: float, rounds: int) -> None:
    """The table for short recordings."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        paths = write_clips(source, minutes, 10.0)
        sound = 10.0 * len(paths)
        sides: dict[str, Callable[[], Cost]] = {
            "bare, 1 process": lambda: bare(paths, 1, 1),
            "batch, 1 worker": lambda: batched(source, 1),
            "bare, 2 processes": lambda: bare(paths, 2, 1),
            "batch, 2 workers": lambda: batched(source, 2),
        }
        found = measured(sides, rounds, sound)
    one, two = found["batch, 1 worker"], found["batch, 2 workers"]
    bare_one, bare_two = found["bare, 1 process"], found["bare, 2 processes"]
    print(f"batch of bare, 1 worker: {told(bare_one, one)}")
    print(f"batch of bare, 2 workers: {told(bare_two, two)}")
    ratio = bare_one.seconds / bare_two.seconds
    print(f"1 → 2 workers: {one.seconds / two.seconds:.2f} × (bare: {ratio:.2f} ×)")


def told(bare_cost: Cost, batch_cost: Cost) -> str:
    """How much of the bare throughput is left."""
    clock, cpu = bare_cost.seconds / batch_cost.seconds, bare_cost.cpu / batch_cost.cpu
    return f"{clock:.1%} by the clock, {cpu:.1%} by the processors' time"


def hours(minutes: float, rounds: int) -> None:
    """The table for one long recording."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        source.mkdir()
        path = write_long(source / "long.wav", minutes)
        short = write_clips(Path(folder) / "warm", 0.2, 6.0)[0]
        sides: dict[str, Callable[[], Cost]] = {
            "bare, 1 process, 2 threads": lambda: bare([short, path], 1, 2),
            "batch, 2 workers": lambda: batched(source, 2),
        }
        found = measured(sides, rounds, 60 * minutes)
    print(f"batch of bare: {told(found['bare, 1 process, 2 threads'], found['batch, 2 workers'])}")


def measured(sides: dict[str, Callable[[], Cost]], rounds: int, sound: float) -> dict[str, Cost]:
    """The medians of each side, all sides in each round."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            cost = side()
            costs[name].append(cost)
            line = f"  {name}: {cost.seconds:.1f} s, processors {cost.cpu:.1f} s, load {os.getloadavg()[0]:.1f}"
            print(line, file=sys.stderr, flush=True)
    medians = {
        name: Cost(statistics.median(c.seconds for c in every), statistics.median(c.cpu for c in every))
        for name, every in costs.items()
    }
    for name, cost in medians.items():
        speed = sound / cost.seconds
        print(
            f"{name}: {cost.seconds:.1f} s, {speed:.1f} × real time, {sound / cost.cpu:.1f} × a core's second"
        )
    return medians


def memory(num_hours: float, engine: str) -> None:
    """Peak resident memory (without what is shared) of each kind of process over one long recording."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        source.mkdir()
        write_long(source / "long.wav", 60 * num_hours)
        peaks: dict[str, float] = {}
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.5):
                for name, peak in resident().items():
                    peaks[name] = max(peaks.get(name, 0.0), peak)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            cost = batched(source, 2, engine, Path(folder) / "joined.json")
        finally:
            stop.set()
            thread.join()
        with Transcriber(TranscriptionOptions(engine=engine, num_threads=1)) as transcriber:
            alone = transcriber.transcribe(source / "long.wav")
        is_equal = read_transcript(Path(folder) / "joined.json") == alone
        print(f"{len(alone.words):,} words, equal to the run on one machine: {is_equal}")
    print(f"{num_hours:g} h in {cost.seconds:.0f} s with {engine}")
    for name, peak in sorted(peaks.items()):
        print(f"  {name}: {peak:.0f} MB")


def resident() -> dict[str, float]:
    """MB of the processes that matter: private, and with shared memory (units of sound that lie there)."""
    found: dict[str, float] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            line = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
            if entry.name == str(os.getpid()):
                line = "driver"
            elif not line.startswith(("ray::Worker", "ray::Scanner")):
                continue
            rows = (entry / "status").read_text().splitlines()
            status = dict(row.split(":", 1) for row in rows if row.startswith("Rss"))
            name = line.split(".")[0].split("(")[0].strip()
            private = int(status["RssAnon"].split()[0]) / 1024
            shared = private + int(status["RssShmem"].split()[0]) / 1024
            found[name] = max(found.get(name, 0.0), private)
            found[f"{name} with shared memory"] = max(found.get(f"{name} with shared memory", 0.0), shared)
    return found


def resume() -> None:
    """The planning of a batch of which most is done."""
    from earshot.batch.inputs import InputFile
    from earshot.batch.ledger import Ledger
    from earshot.batch.tasks import FileOutcome

    def inputs() -> Iterator[InputFile]:
        for number in range(100_000):
            yield InputFile(f"/in/{number}.wav", f"{number}.wav", 320_000, "1")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger(path) as ledger:
            ledger.plan("recipe", inputs(), long_seconds=1e9)
            tasks = ledger.claim_short("recipe", "me", seconds=1e12, most=60_000)
            ledger.finish_files(
                (
                    FileOutcome(task.id, "done", "hash", "1", 320_000, 10.0, outputs={"a": "b"})
                    for task in tasks
                ),
                "worker",
                "model",
            )
        times = []
        for _ in range(5):
            started = time.perf_counter()
            with Ledger(path) as ledger:
                plan = ledger.plan("recipe", inputs(), long_seconds=1e9)
            times.append(time.perf_counter() - started)
    print(f"100,000 units, {plan.num_left:,} left: {statistics.median(times):.2f} s (median of 5)")


def call() -> None:
    """What the driver pays for one task."""
    from earshot.batch.cluster import Cluster

    class Echo:
        def answer(self, files: tuple[int, ...]) -> bytes:  # noqa: ARG002 - what a parcel is like
            return bytes(20_000)

    with Cluster(ClusterOptions(num_workers=2, store_bytes=100 * 2**20)) as cluster:
        actors = [cluster.start(Echo, is_worker=True) for _ in range(2)]
        cluster.ray.get([actor.answer.remote(()) for actor in actors])
        spent = time.process_time()
        started = time.perf_counter()
        for _ in range(1_000):
            refs: list[Any] = [actor.answer.remote(tuple(range(24))) for actor in actors]
            while refs:
                ready, refs = cluster.ray.wait(refs, num_returns=1)
                cluster.ray.get(ready)
        wall, cpu = time.perf_counter() - started, time.process_time() - spent
    print(f"one call: {1000 * wall / 2000:.2f} ms, {1000 * cpu / 2000:.2f} ms of the driver's processor")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["clips", "hours", "memory", "resume", "call"])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="moonshine")
    given = parser.parse_args()
    match given.what:
        case "clips":
            clips(given.minutes or 20.0, given.rounds)
        case "hours":
            hours(given.minutes or 60.0, given.rounds)
        case "memory":
            memory(given.hours, given.engine)
        case "resume":
            resume()
        case "call":
            call()


if __name__ == "__main__":
    main()
