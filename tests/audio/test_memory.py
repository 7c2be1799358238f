from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("resource", reason="peak memory is asked of POSIX")

READ = """
import json, resource, sys
from earshot.audio.cutting import cut_speech
from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled

with open_audio(sys.argv[1]) as reader:
    blocks = resampled(reader, reader.info.sample_rate)
    if sys.argv[2] == "cut":
        length = sum(len(region.samples) for region in cut_speech(blocks, max_duration=15))
    else:
        length = sum(len(block) for block in blocks)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(json.dumps([peak, length]))
"""


def write_long(path: Path, minutes: int, piece: np.ndarray, **options: str) -> Path:
    with soundfile.SoundFile(path, "w", 8_000, 1, **options) as file:
        for _ in range(minutes * 60 * 8_000 // len(piece)):
            file.write(piece)
    return path


def read(path: Path, mode: str) -> tuple[float, int]:
    """Peak megabytes of a process of its own, and samples."""
    done = subprocess.run([sys.executable, "-c", READ, str(path), mode], capture_output=True, check=True)
    peak, length = json.loads(done.stdout)
    return peak, length


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "subtype", "minutes"), [("flac", "PCM_16", 120), ("wav", "PCM_16", 120), ("ogg", "OPUS", 30)]
)
def test_hours_take_the_memory_of_minutes(tmp_path: Path, suffix: str, subtype: str, minutes: int) -> None:
    piece = np.random.default_rng(0).uniform(-0.1, 0.1, 60 * 8_000).astype(np.float32)
    short = read(write_long(tmp_path / f"short.{suffix}", 5, piece, subtype=subtype), "read")
    long = read(write_long(tmp_path / f"long.{suffix}", minutes, piece, subtype=subtype), "read")
    assert long[1] == pytest.approx(minutes * 60 * 16_000, rel=1e-4)
    # Half an hour would be 110 MB in memory, two hours 440 MB.
    assert long[0] < short[0] + 25


@pytest.mark.slow
def test_cutting_an_hour_of_speech_takes_the_memory_of_ten_minutes(tmp_path: Path, sample_path: Path) -> None:
    samples, rate = soundfile.read(sample_path, dtype="float32")
    piece = np.pad(samples[:: rate // 8_000], (0, 16_000))
    short = read(write_long(tmp_path / "short.flac", 10, piece), "cut")
    long = read(write_long(tmp_path / "long.flac", 60, piece), "cut")
    assert long[1] > 5 * short[1] > 0
    assert long[0] < short[0] + 25
