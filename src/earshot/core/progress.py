"""How long work tells how far it is: through a callback, so that the library itself never prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

ProgressCallback: TypeAlias = Callable[[float, float | None], None]
"""Called with what is done and what there is in all (None while unknown), in the work's own unit:
seconds of audio for recognition, bytes for downloads."""
