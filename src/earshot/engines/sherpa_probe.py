"""Try a sherpa-onnx model in a process of its own: where something is amiss, the library ends its process.

``python -m earshot.engines.sherpa_probe`` reads one JSON object from standard input (see ``probe``), loads the
model, decodes a second of faint noise and leaves with status 0.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot.core.errors import ModelError
from earshot.core.types import SAMPLE_RATE

_LONGEST = 600.0
"""Seconds that a model may take to load; the largest known, 1 GB from a slow disk, takes one."""

_PLACE = re.compile(r"^\S+\.(?:cc|h|cpp):\S*\s+|\x1b\[[0-9;]*m")
"""What sherpa-onnx and onnxruntime print before a message: file, function, line; colours."""


def probe(folder: Path, recognizer: str, factory: str, arguments: Mapping[str, Any]) -> None:
    """Load and run the model elsewhere first. Raises ModelError with what the library said last.

    recognizer: the class of sherpa_onnx; factory: its class method; arguments: of that method.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return  # no interpreter of our own to ask; a broken model then ends this process
    request = json.dumps({"recognizer": recognizer, "factory": factory, "arguments": dict(arguments)})
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],  # -P: nothing is imported from the current folder
            input=request.encode(),
            capture_output=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"sherpa-onnx did not finish loading {folder} within {_LONGEST / 60:.0f} minutes",
            fix="check the files: earshot models verify",
        ) from error
    except OSError as error:
        raise ModelError(f"{folder} cannot be tried: {error.strerror}") from error
    if done.returncode:
        raise ModelError(
            f"sherpa-onnx cannot use the model in {folder}: {_last_words(done.stderr, done.returncode)}",
            fix="check the files (earshot models verify), or update: pip install -U sherpa-onnx",
        )


def _last_words(stderr: bytes, status: int) -> str:
    """The most telling line: the first one that sherpa-onnx itself printed, else the last of a traceback."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    own = [_PLACE.sub("", line) for line in lines if _PLACE.match(line)]
    own = [line for line in own if line]
    if own:
        return own[0][:300]
    if lines:
        return _PLACE.sub("", lines[-1])[:300]
    return f"its process ended with status {status}"


def _run(request: Mapping[str, Any]) -> None:
    import numpy as np
    import sherpa_onnx

    recognizer_class = getattr(sherpa_onnx, request["recognizer"])
    recognizer = getattr(recognizer_class, request["factory"])(**request["arguments"])
    noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
    stream = recognizer.create_stream()
    stream.accept_waveform(SAMPLE_RATE, noise)
    if request["recognizer"] == "OfflineRecognizer":
        recognizer.decode_stream(stream)
        str(stream.result)
        return
    stream.accept_waveform(SAMPLE_RATE, np.zeros(2 * SAMPLE_RATE, np.float32))
    stream.input_finished()
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    recognizer.get_result_all(stream)


if __name__ == "__main__":
    _run(json.loads(sys.stdin.buffer.read()))
