from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.audio.ring import SampleRing


@given(
    capacity=st.integers(1, 40),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60),
)
def test_what_goes_in_comes_out_in_order(capacity: int, steps: list[tuple[bool, int]]) -> None:
    ring = SampleRing(capacity)
    kept: list[float] = []
    taken: list[float] = []
    num_lost = 0
    clock = 0
    for is_write, count in steps:
        if is_write:
            block = np.arange(clock, clock + count, dtype=np.float32)
            clock += count
            room = capacity - (len(kept) - len(taken))
            kept += block[:room].tolist()
            num_lost += max(0, count - room)
            ring.write(block)
        else:
            taken += ring.read(count).tolist()
        assert taken == kept[: len(taken)]
        assert ring.num_lost == num_lost
    taken += ring.read().tolist()
    assert taken == kept
    assert len(ring) == 0


def test_a_reader_is_never_handed_what_is_not_written_yet() -> None:
    ring = SampleRing(1_000)
    total = 30_000

    def write() -> None:
        sent = 0
        while sent < total:
            room = ring.capacity - len(ring)
            block = np.arange(sent, min(total, sent + room), dtype=np.float32)
            ring.write(block)
            sent += len(block)

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while seen < total:
        block = ring.read(137)
        np.testing.assert_array_equal(block, np.arange(seen, seen + len(block), dtype=np.float32))
        seen += len(block)
    writer.join()
    assert ring.num_lost == 0


def test_a_ring_without_room_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        SampleRing(0)
