"""A server on loopback, and small folders that look like models."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.server import FileServer, serving

VOSK = {
    "am/final.mdl": b"acoustic model" * 100,
    "conf/mfcc.conf": b"--use-energy=false\n--sample-frequency=8000\n",
    "conf/model.conf": b"--beam=13.0\n",
    "graph/Gr.fst": bytes(range(256)) * 20,
}
WHISPER = {"model.bin": b"\x06\x00\x00\x00" + b"w" * 50_000, "vocabulary.txt": b"a\nb\n", "config.json": b"{}"}
MOONSHINE = {"encoder_model.ort": b"e" * 999, "decoder_model_merged.ort": b"d" * 999, "tokenizer.bin": b"t"}
SHERPA = {"tokens.txt": b"<blk> 0\n", "encoder.onnx": b"e", "decoder.onnx": b"d", "joiner.onnx": b"j"}
WAV2VEC2 = {
    "config.json": b'{"architectures": ["Wav2Vec2ForCTC"]}',
    "preprocessor_config.json": b'{"sampling_rate": 16000}',
    "model.safetensors": b"s" * 500,
    "vocab.json": b'{"a": 1}',
}


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(files: dict[str, bytes], *, top: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{top}/{name}" if top else name, data)
    return buffer.getvalue()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer()) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_network_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of whoever runs the tests must not reach them, nor the tests their models."""
    for name in ("EARSHOT_OFFLINE", "EARSHOT_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("a full disk is made with mount, which is not here")
    if done.returncode:
        pytest.skip("a full disk is made by mounting a small one, which needs root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
