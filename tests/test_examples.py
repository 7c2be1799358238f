"""The examples of the README do what it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from earshot.corpora import read_manifest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_toy_language_is_a_corpus_of_twelve_voices(tmp_path: Path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    command = [sys.executable, str(EXAMPLES / "toy_language.py"), str(tmp_path), "--sentences", "13"]
    subprocess.run(command, check=True, timeout=120)
    manifest = read_manifest(tmp_path / "manifest.jsonl")
    assert len(manifest) == 13
    assert len({one.speaker for one in manifest}) == 12
    assert all(one.text and 2 <= len(one.text.split()) <= 5 for one in manifest)
    assert all(0.3 < (one.duration or 0) < 10 for one in manifest)
