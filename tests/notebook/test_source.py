from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from earshot.core.errors import DeviceError
from earshot.notebook.source import BrowserSource, Pulse


def block(value: float, length: int = 4) -> np.ndarray:
    return np.full(length, value, np.float32)


def test_what_is_put_comes_out_in_order_also_from_before_it_was_entered() -> None:
    source = BrowserSource("mic")
    source.put(block(1))
    with source:
        source.put(block(2, 0))
        source.put(block(3))
        source.stop()
        source.put(block(4))
        assert [part[0] for part in source] == [1, 3]


def test_it_waits_for_the_page() -> None:
    with BrowserSource("mic") as source:
        late = threading.Timer(0.1, lambda: (source.put(block(1)), source.stop()))
        late.start()
        assert [part[0] for part in source] == [1]
        late.join()


def test_a_page_that_is_gone_is_told_after_its_last_sound() -> None:
    with BrowserSource("mic", gone_after=0.05) as source:
        source.put(block(1))
        parts = iter(source)
        assert next(parts)[0] == 1
        with pytest.raises(DeviceError, match="gone"):
            next(parts)


def test_a_busy_kernel_does_not_take_the_page_for_gone() -> None:
    is_busy = threading.Event()
    is_busy.set()
    with BrowserSource("mic", is_responsive=lambda: not is_busy.is_set(), gone_after=0.05) as source:
        late = threading.Timer(1.2, lambda: (source.put(block(1)), source.stop()))
        late.start()
        assert [part[0] for part in source] == [1]
        late.join()


def test_after_a_stop_in_python_the_absence_of_the_page_is_no_error() -> None:
    with BrowserSource("mic") as source:
        source.put(block(1))
        source.end_within(0.05)
        assert [part[0] for part in source] == [1]


def test_the_pulse_tells_a_busy_loop_from_a_free_one() -> None:
    async def probe() -> tuple[bool, bool]:
        pulse = Pulse()
        pulse.is_free()
        await asyncio.sleep(0.05)
        is_free = await asyncio.to_thread(lambda: (pulse.is_free(), time.sleep(0.05), pulse.is_free())[2])
        thread_says: list[bool] = []
        thread = threading.Thread(target=lambda: thread_says.extend((pulse.is_free(), pulse.is_free())))
        thread.start()
        thread.join()  # blocks the loop, as a long computation in a cell does
        return is_free, thread_says[-1]

    assert asyncio.run(probe()) == (True, False)


def test_without_a_loop_the_pulse_counts_as_free() -> None:
    pulse = Pulse()
    assert pulse.is_free()
    assert pulse.is_free()
