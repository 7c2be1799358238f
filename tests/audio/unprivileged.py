"""Root may read and write everything: tests of refusals step down for a moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

_NOBODY = 65_534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Run as an ordinary user; skips visibly where there are no users of this kind."""
    if not hasattr(os, "geteuid"):
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
