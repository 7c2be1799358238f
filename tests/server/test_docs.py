"""docs/server.md: what it shows of clients is run as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from earshot.core.optional import is_installed
from earshot.core.types import Audio
from tests.conftest import SAMPLE_TEXT
from tests.server.sounds import letters, recording

if TYPE_CHECKING:
    from earshot.server.runner import Server

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|bash)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NAMES = ["openai", "speakers", "curl", "realtime", "vosk", "wyoming"]


@pytest.fixture
def server(moonshine_server: Server) -> Server:
    return moonshine_server


def test_there_is_a_block_for_every_client() -> None:
    assert len(BLOCKS) == len(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "code"), BLOCKS, ids=NAMES)
def test_a_client_hears_what_was_said(
    server: Server, sample: Audio, tmp_path: Path, kind: str, code: str, request: pytest.FixtureRequest
) -> None:
    if kind == "bash" and shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt install curl")
    if "openai" in code and not is_installed("openai"):
        pytest.skip("openai is not installed: pip install 'earshot[dev]'")
    if "known_speaker" in code:
        request.getfixturevalue("voices")
    (tmp_path / "meeting.wav").write_bytes(recording(sample.samples))
    (tmp_path / "anna.wav").write_bytes(recording(sample.samples[16_000:96_000]))
    for named, actual in (("8321", server.port), ("2700", server.vosk_port), ("10300", server.wyoming_port)):
        code = code.replace(f"127.0.0.1:{named}", f"127.0.0.1:{actual}")
    command = (
        [sys.executable, "-W", "error::ResourceWarning", "-c", code]
        if kind == "python"
        else ["bash", "-c", code]
    )
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [re.sub(r"^ *[0-9.]+ Anna: ", "", line) for line in done.stdout.splitlines()]
    spoken = " ".join(line for line in lines if "-->" not in line)
    assert letters(spoken).startswith(SAMPLE_TEXT)


def test_every_option_that_it_names_exists() -> None:
    from earshot.cli.serve import serve

    known = {option for parameter in serve.params for option in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert named <= known
