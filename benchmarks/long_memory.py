"""Peak memory of ``earshot transcribe`` on recordings of growing length: decoded, recognized, timed, written.

Run: python benchmarks/long_memory.py [minutes …] [--engine NAME] [--format NAME]. Each length is transcribed by
the command in a process of its own, from a FLAC that repeats 44 s of real speech. What a minute more costs is
the slope between the shortest and the longest; the last line says what it means for ten hours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import soundfile
import soxr

RATE = 16_000
HOURS = 10
LIMIT_MB = 600


def write_recording(path: Path, minutes: float) -> None:
    """Written piece by piece, so that the length costs disk alone."""
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    samples, rate = soundfile.read(Path(spec.origin).parent / "assets" / "two_cities.wav", dtype="float32")
    piece = soxr.resample(samples, rate, RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        left = round(60 * minutes * RATE)
        while left > 0:
            file.write(piece[:left])
            left -= len(piece)


def measure(recording: Path, engine: str, output_format: str) -> tuple[float, float]:
    """Peak resident memory in MB and seconds of one run of the command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "earshot", "transcribe", str(recording), "--engine", engine]
        started = time.perf_counter()
        process = subprocess.Popen([*command, "-f", output_format, "-o", folder])
        _, status, usage = os.wait4(process.pid, 0)  # the figures of this child alone
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"earshot transcribe ended with status {process.returncode}")
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return peak, time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="*", type=float, default=[20, 60, 120])
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--format", default="json", help="json has the words with their times")
    options = parser.parse_args()
    peaks: dict[float, float] = {}
    print(f"{'minutes':>8} {'peak MB':>8} {'seconds':>8} {'RTF':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for minutes in sorted(options.minutes):
            recording = Path(folder) / "long.flac"
            write_recording(recording, minutes)
            peaks[minutes], seconds = measure(recording, options.engine, options.format)
            print(
                f"{minutes:8.0f} {peaks[minutes]:8.1f} {seconds:8.1f} {seconds / (60 * minutes):8.5f}",
                flush=True,
            )
    shortest, longest = min(peaks), max(peaks)
    if longest > shortest:
        slope = (peaks[longest] - peaks[shortest]) / (longest - shortest)
        expected = peaks[longest] + max(0.0, slope) * (60 * HOURS - longest)
        print(f"{60 * slope:.1f} MB an hour more; {HOURS} hours: {expected:.0f} MB (limit {LIMIT_MB})")


if __name__ == "__main__":
    main()
