from __future__ import annotations

from tests.live.conftest import _daemon, small_disk, virtual_microphone

__all__ = ["_daemon", "small_disk", "virtual_microphone"]
