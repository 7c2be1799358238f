"""What nets run on: the cores of this machine, and sessions of onnxruntime."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earshot.core.errors import ModelError


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_verified(path: Path, sha256: str, *, fix: str) -> bytes:
    """A file's content. Raises ModelError when it cannot be read, or is not the one of this SHA-256 (hex)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}", fix=fix) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{path} is damaged: its SHA-256 differs from the card's", fix=fix)
    return content


def load_onnx(
    path: Path,
    content: bytes | None = None,
    *,
    num_threads: int = 1,
    inputs: Sequence[str] = (),
    kind: str = "model of this kind",
    fix: str,
) -> Any:
    """An ``onnxruntime.InferenceSession`` on the processor, with no thread that spins while it waits.

    path: of the file, for messages alone where its ``content`` is given. inputs: names that it must have, in
    order; empty takes any. kind: what it is then, in words. fix: what to do when it is damaged.
    Raises ModelError when it is no model that runs here, or has other inputs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    # Plans of memory are kept for every combination of shapes, of which speech has no end: 200 MB an hour.
    options.enable_mem_pattern = False
    try:
        source = str(path) if content is None else content
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises types of its own that it does not export
        raise ModelError(
            f"{path} cannot be loaded, as no ONNX model that runs here: {error}", fix=fix
        ) from error
    found = [item.name for item in session.get_inputs()]
    if inputs and found != list(inputs):
        raise ModelError(f"{path} is no {kind}: it reads {', '.join(found)}", fix=fix)
    return session
