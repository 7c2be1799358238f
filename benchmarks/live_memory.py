"""Peak memory of a live session by its length: hours replayed faster than real time, journal included.

Run: python benchmarks/live_memory.py [hours …]. Each length runs in a process of its own: real speech over and
over at 120 times real time, the scripted engine (a word each 0.4 s, an utterance each 3.6 s) or another, a
journal, and a spool of all segments. What counts is that the memory stays the same. Much faster than that the
journal's syncs cannot follow and what waits for them is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

_LISTEN = """
import json, resource, sys, time
from collections import deque
from pathlib import Path
import numpy as np
from earshot.cli._sample import sample_path
from earshot.audio.decode import read_audio
from earshot.core.types import Final
from earshot.live import PacedSound, Session
from earshot.live.spool import SegmentSpool
from earshot.transcription import TranscriptionOptions

hours, engine, home, speed = float(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])

class Repeated(PacedSound):
    def _pieces(self):
        for _ in range(max(1, round(hours * 3600 * 16000 / len(self._samples)))):
            yield from super()._pieces()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

started, num_finals, at_tenth = time.perf_counter(), 0, None
spool = SegmentSpool()
source = Repeated(read_audio(sample_path()).samples, speed=speed)
with Session(source, TranscriptionOptions(engine=engine), sinks=[spool], home=home) as session:
    for event in session:
        num_finals += isinstance(event, Final)
        if at_tenth is None and session.status.recorded > hours * 360:
            at_tenth = resident()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
figures = {"time": time.perf_counter() - started, "finals": num_finals, "recorded": session.status.recorded}
print(json.dumps({"peak": peak, "tenth": at_tenth, "end": resident(), **figures}))
"""


def listen(hours: float, engine: str, speed: float = 120.0) -> dict[str, float]:
    """Megabytes (peak, after a tenth, at the end), finals and seconds of work of one session."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-c", _LISTEN, str(hours), engine, home, str(speed)],
            capture_output=True,
            check=True,
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hours", nargs="*", type=float, default=[0.1, 1.0, 3.0])
    parser.add_argument("--engine", default="scripted")
    parser.add_argument("--speed", type=float, default=120.0, help="times real time")
    arguments = parser.parse_args()
    print("hours  utterances  peak MB  after a tenth  at the end  × real time")
    for hours in arguments.hours:
        row = listen(hours, arguments.engine, arguments.speed)
        print(
            f"{row['recorded'] / 3600:5.2f}  {row['finals']:10.0f}  {row['peak']:7.1f}  {row['tenth']:13.1f}"
            f"  {row['end']:10.1f}  {row['recorded'] / row['time']:11.0f}"
        )


if __name__ == "__main__":
    main()
