from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.disks import mounted_disk
from tests.live.virtual_microphone import VirtualMicrophone, start_virtual_microphone


@pytest.fixture(scope="module")
def _daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    yield from start_virtual_microphone(tmp_path_factory.mktemp("pa"))


@pytest.fixture
def virtual_microphone(_daemon: VirtualMicrophone, tmp_path: Path) -> VirtualMicrophone:
    """Plugged in, and nobody plays; sessions and settings go to a folder of the test's own."""
    if not _daemon.is_plugged_in:
        _daemon.plug_in()
    _daemon.environment["EARSHOT_HOME"] = str(tmp_path / "earshot")
    return _daemon


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB: half a minute of sound."""
    yield from mounted_disk(tmp_path / "disk")
