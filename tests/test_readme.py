"""What README.md shows is run as it stands there, in a folder with the recordings that it names."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from earshot.core.types import Audio
from tests.conftest import SAMPLE_TEXT

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = Path(__file__).parents[1] / "examples"


def blocks(language: str, heading: str) -> list[str]:
    """The blocks of code of one section."""
    section = re.split(rf"^## {re.escape(heading)}\n", README, maxsplit=1, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def lines_of(heading: str) -> list[str]:
    lines = [line.split(" #")[0].strip() for block in blocks("sh", heading) for line in block.splitlines()]
    return [line for line in lines if line]


def write_m4a(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def normal(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


@pytest.fixture
def folder(tmp_path: Path, sample: Audio, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every recording that the section names, each the same ten seconds."""
    write_m4a(tmp_path / "talk.m4a", sample.samples)
    write_m4a(tmp_path / "talk.mov", sample.samples)
    write_m4a(tmp_path / "interviews" / "first.m4a", sample.samples)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_example_prints_the_words(folder: Path) -> None:
    (example,) = blocks("python", "Recordings to text")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    text, *words = done.stdout.splitlines()
    assert normal(text).startswith(SAMPLE_TEXT)
    assert len(words) == len(text.split())
    start, end, confidence = map(float, words[0].rsplit(maxsplit=3)[1:])
    assert 0 <= start < end
    assert 0 <= confidence <= 1


def shell_lines() -> list[str]:
    return [line for line in lines_of("Recordings to text") if "earshot " in line]


@pytest.mark.parametrize("line", shell_lines())
def test_every_command_works_as_it_stands(folder: Path, line: str) -> None:
    if line.startswith("ffmpeg") and shutil.which("ffmpeg") is None:
        pytest.skip("this line shows the program ffmpeg: apt install ffmpeg")
    if "inspect" in line and find_spec("matplotlib") is None:
        pytest.skip("pictures need matplotlib: pip install 'earshot[plot]'")
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("these are lines for a shell")
    line = line.replace("earshot ", f"{shlex.quote(sys.executable)} -m earshot ")
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr.replace("\r", "")) == (0, "") or "ffmpeg" in line, done.stderr
    assert done.returncode == 0
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in re.findall(r"(?:>|-o) (\S+\.\w+)", line):
        assert (folder / name).stat().st_size > 0
    if "texts" in line:
        assert {"texts/first.txt", "texts/first.json"} <= written
        assert normal((folder / "texts" / "first.txt").read_text()).startswith(SAMPLE_TEXT)
    elif "> talk.srt" in line:
        assert "-->" in (folder / "talk.srt").read_text()
    elif "transcribe" in line:
        assert normal(done.stdout).startswith(SAMPLE_TEXT)


@pytest.mark.slow
def test_the_training_section_ends_with_a_model_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "pytorch_lightning", "onnx"):
        if find_spec(module) is None:
            pytest.skip(f"training needs {module}: pip install 'earshot[train]'")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    lines = [line for line in lines_of("Teach it a language") if not line.startswith("pip ")]
    changes = {
        "python examples": f"{shlex.quote(sys.executable)} {shlex.quote(str(EXAMPLES))}",
        "toy_language.py toy": "toy_language.py toy --sentences 48",
        "--minutes 2 ": "--minutes 0.3 ",  # it need not be good, only there
        "listen ": "listen --no-journal --from-file toy/audio/0005.wav --speed 0 ",
        "earshot ": f"{shlex.quote(sys.executable)} -m earshot ",
    }
    for before, after in changes.items():
        assert any(before in line for line in lines)
        lines = [line.replace(before, after) for line in lines]
    for line in lines:
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, (line, done.stderr)
    assert (tmp_path / "home" / "earshot" / "models" / "toy" / "model.onnx").is_file()
    assert "CER" in done.stdout
    assert "data:audio/" in (tmp_path / "page.html").read_text()
