from __future__ import annotations

import sys

import pytest
from benchmarks.live_memory import listen


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_an_hour_takes_the_memory_of_minutes() -> None:
    short, long = listen(0.1, "scripted"), listen(1.0, "scripted")
    assert long["finals"] > 9 * short["finals"]
    assert long["end"] < long["tenth"] + 20
    # An hour of sound is 115 MB in 16 bits. At 400 times real time a slow disk lets some of it wait in memory.
    assert long["peak"] < short["peak"] + 60
