"""Where a training was: written whole or not at all, read without running any code."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.plugins.io import CheckpointIO

from earshot.core.errors import ModelError, TrainingError
from earshot.core.files import atomic_binary
from earshot.decoding.alphabet import Alphabet

LAST = "last.ckpt"


class AtomicCheckpoints(CheckpointIO):
    """Checkpoints that are there whole or not at all: a full disk leaves the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, *_storage: Any, **_options: Any) -> None:
        """Raises OutputError."""
        content = io.BytesIO()  # torch hides in errors of its own why a file cannot be written
        torch.save(checkpoint, content)
        with atomic_binary(Path(path)) as file:
            file.write(content.getbuffer())

    def load_checkpoint(self, path: Any, *_place: Any, **_options: Any) -> Any:
        """Raises TrainingError when it is none."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes one."""
        Path(path).unlink(missing_ok=True)


class Checkpoints(lightning.Callback):
    """The last state, each so many minutes, and when it ends or is stopped."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path, self._seconds, self._last = path, 60 * minutes, time.monotonic()

    def on_train_batch_start(self, trainer: Any, *_of_the_batch: Any) -> None:
        """Saves where it is time; when a batch ends, the net has learned from it, but nobody has counted it."""
        is_due = time.monotonic() - self._last >= self._seconds
        if trainer.world_size > 1:
            is_due = trainer.strategy.reduce_boolean_decision(is_due, all=False)
        if is_due:
            self._save(trainer)

    def on_train_end(self, trainer: Any, *_module: Any) -> None:
        """Saves the last state."""
        self._save(trainer)

    def _save(self, trainer: Any) -> None:
        trainer.save_checkpoint(self._path)
        self._last = time.monotonic()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of ours, without running any code in it. Raises TrainingError."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"there is no {path}", fix="begin the training without --resume") from None
    except Exception as error:  # torch raises what zip, pickle and its own parser raise
        raise TrainingError(f"{path} is no checkpoint: {error}", fix="begin the training anew") from error
    if not isinstance(found, dict) or "earshot" not in found:
        raise TrainingError(f"{path} is no checkpoint of a recognizer", fix="name the folder of a training")
    return found


def alphabet_of(state: Mapping[str, Any]) -> Alphabet:
    """Of a checkpoint's part "earshot". Raises TrainingError."""
    try:
        return Alphabet.from_json(state.get("alphabet"))
    except ModelError as error:
        raise TrainingError(f"the checkpoint is broken: {error.message}", fix="begin anew") from error


def check_same(state: Mapping[str, Any], alphabet: Alphabet, facts: Mapping[str, Any]) -> None:
    """Raises TrainingError when a run was begun with another alphabet, or other facts of it changed since.

    state: a checkpoint's part "earshot".
    """
    for name, value in facts.items():
        if state.get("facts", facts).get(name) != value:
            raise TrainingError(
                f"the {name} changed since the run began",
                fix="take the options back as they were, or begin a new run with --init-from this one",
            )
    if (before := alphabet_of(state)) != alphabet:
        added = " ".join(sorted({*alphabet.symbols} - {*before.symbols})) or "none"
        gone = " ".join(sorted({*before.symbols} - {*alphabet.symbols})) or "none"
        raise TrainingError(
            f"the alphabet changed since the run began: new {added}; gone {gone}",
            fix="take the texts back as they were, or begin a new run with --init-from this one",
        )
