from __future__ import annotations

import threading

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.live.backlog import Backlog


def drained(backlog: Backlog, most: int) -> Samples:
    blocks = []
    while (block := backlog.take(most, 1.0)) is not None:
        assert len(block) <= most
        blocks.append(block)
    return np.concatenate([*blocks, np.empty(0, np.float32)])


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40 * SAMPLE_RATE), max_size=12),
    most=st.integers(SAMPLE_RATE // 10, 20 * SAMPLE_RATE),
)
def test_hours_of_waiting_sound_come_whole_through_little_memory(sizes: list[int], most: int) -> None:
    sound = np.arange(sum(sizes), dtype=np.float32)
    backlog = Backlog(lambda start, count: sound[start : start + count])
    start = 0
    for size in sizes:
        backlog.append(sound[start : start + size])
        start += size
    kept = sum(map(len, backlog._blocks))
    assert kept <= 160 * SAMPLE_RATE  # what it keeps, and the block that was put last
    assert backlog.seconds == len(sound) / SAMPLE_RATE
    backlog.close()
    np.testing.assert_array_equal(drained(backlog, most), sound)
    assert backlog.seconds == 0


def test_without_a_journal_everything_stays_in_memory() -> None:
    backlog = Backlog()
    blocks = [np.full(SAMPLE_RATE, i, np.float32) for i in range(300)]
    for block in blocks:
        backlog.append(block)
    backlog.close()
    np.testing.assert_array_equal(drained(backlog, SAMPLE_RATE // 5), np.concatenate(blocks))


def test_taking_waits_for_sound_and_ends_with_it() -> None:
    backlog = Backlog()
    nothing = backlog.take(100, timeout=0.01)
    assert nothing is not None
    assert len(nothing) == 0
    threading.Timer(0.1, lambda: backlog.append(np.ones(10, np.float32))).start()
    taken = backlog.take(100, timeout=30)
    assert taken is not None
    assert len(taken) == 10
    threading.Timer(0.1, backlog.close).start()
    assert backlog.take(100, timeout=30) is None
