"""The server starts, tells how it is, and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from earshot.server.runner import Server


def test_it_tells_that_it_is_ready(serve: Callable[..., Server]) -> None:
    answer = httpx.get(serve().address + "/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
