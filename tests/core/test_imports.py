"""What loading Earshot costs and touches, seen from a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "sounddevice",
    "onnxruntime",
    "moonshine_voice",
    "pocketsphinx",
    "vosk",
    "faster_whisper",
    "sherpa_onnx",
    "matplotlib",
    "scipy",
    "soundfile",
    "av",
    "rich",
    "requests",
    "urllib3",
    "flask",
    "fastapi",
    "aiohttp",
    "http.server",
)

PROBE = """
import json, sys
sockets = []
sys.addaudithook(lambda event, arguments: sockets.append(event) if event.startswith("socket.") else None)
{code}
heavy = [name for name in {heavy!r} if name in sys.modules]
print(json.dumps({{"heavy": heavy, "sockets": sockets}}))
"""


def probe(code: str) -> dict[str, list[str]]:
    """The heavy modules that running ``code`` loads, and the socket events that it causes."""
    script = PROBE.format(code=code, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import earshot",
        "import earshot; dir(earshot); earshot.Audio",
        "from earshot.engines import engine_names; assert 'moonshine' in engine_names()",
        "from earshot.cli import run; assert run(['--version']) == 0",
        "from earshot.cli import run; assert run(['--help']) == 0",
    ],
    ids=["import", "names", "engines", "version", "help"],
)
def test_a_start_loads_nothing_heavy_and_opens_no_socket(code: str) -> None:
    assert probe(code) == {"heavy": [], "sockets": []}


def test_the_probe_sees_what_it_looks_for() -> None:
    seen = probe("import rich, socket; socket.socket().close()")
    assert seen["heavy"] == ["rich"]
    assert seen["sockets"] == ["socket.__new__"]


def test_every_public_name_can_be_had() -> None:
    import earshot

    for name in earshot.__all__:
        assert getattr(earshot, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'transcribed'"):
        _ = earshot.transcribed  # type: ignore[attr-defined]
