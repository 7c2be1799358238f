"""Peak memory and time of reading, resampling and cutting recordings of growing length.

Run: python benchmarks/audio_memory.py [minutes …]. Each length is read in a process of its own, from a FLAC
at 8 kHz that repeats a real sentence; what counts is that the memory stays the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 8_000

_READ = """
import json, resource, sys, time
from earshot.audio.cutting import cut_speech
from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled

started, seconds, num_regions = time.perf_counter(), 0.0, 0
with open_audio(sys.argv[1]) as reader:
    blocks = resampled(reader, reader.info.sample_rate)
    if sys.argv[2] == "cut":
        for region in cut_speech(blocks, max_duration=15):
            num_regions += 1
            seconds += region.duration
    else:
        seconds = sum(len(block) for block in blocks) / 16_000
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
figures = {"time": time.perf_counter() - started, "seconds": seconds, "regions": num_regions}
print(json.dumps({"peak": peak, **figures}))
"""


def sentence() -> np.ndarray:
    """Ten seconds of speech at 8 kHz and three of silence."""
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    samples, rate = soundfile.read(Path(spec.origin).parent / "assets" / "two_cities.wav", frames=480_000)
    speech = soxr.resample(samples, rate, RATE)
    return np.concatenate([speech, np.zeros(3 * RATE)]).astype(np.float32)


def write_recording(path: Path, minutes: float) -> None:
    """Written piece by piece, so that the length costs disk alone."""
    piece = sentence()
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        left = round(60 * minutes * RATE)
        while left > 0:
            file.write(piece[:left])
            left -= len(piece)


def measure(path: Path, mode: str) -> dict[str, float]:
    """mode: "read" (decode and resample) or "cut" (and find speech). Megabytes and seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path), mode], capture_output=True, text=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="*", type=float, default=[10, 120])
    parser.add_argument("--mode", choices=("read", "cut"), default="cut")
    options = parser.parse_args()
    print(f"{'minutes':>8} {'peak MB':>8} {'seconds':>8} {'RTF':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            path = Path(folder) / "long.flac"
            write_recording(path, minutes)
            figures = measure(path, options.mode)
            factor = figures["time"] / (60 * minutes)
            print(f"{minutes:8.0f} {figures['peak']:8.1f} {figures['time']:8.1f} {factor:8.5f}")


if __name__ == "__main__":
    main()
