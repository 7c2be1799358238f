from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def mounted_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("a full disk is made by mounting a small one, which needs root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
