"""A run that was stopped, or killed, and taken up again ends as one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from earshot.core.errors import TrainingError
from earshot.training.recognition.options import RunOptions
from earshot.training.recognition.run import train_recognizer
from tests.cli.command import command, earshot
from tests.training.recognition.tiny_language import options_for, write_toml

EVERYTHING: Mapping[str, Mapping[str, Any]] = {
    "augmentation": {
        "speeds": [0.9, 1.0, 1.1],
        "volume_db": 6.0,
        "time_masks": 2,
        "max_frames": 8,
        "band_masks": 1,
        "max_bands": 3,
    },
    "learning": {"epochs": 3, "batch_seconds": 8, "curriculum_epochs": 1, "curriculum_letters": 14},
}
"""Short texts first, sounds changed by chance; the net drops out by chance besides."""


def losses_of(folder: Path) -> list[tuple[float, ...]]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(row["epoch"], row["step"], row["loss"], row["dev_loss"]) for row in rows]


def weights_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return found


def assert_ends_alike(one: Path, other: Path) -> None:
    for mine, theirs in zip(losses_of(one), losses_of(other), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)
    before, after = weights_of(one), weights_of(other)
    assert set(before) == set(after)
    for name, value in before.items():
        # Matrix products differ in their last bits with where their numbers lie in memory, and Adam divides by
        # roots of what may be next to nothing.
        assert torch.allclose(value, after[name], atol=1e-4), name


def interrupting(at: int) -> Callable[[object, object], None]:
    """Ctrl-C after that epoch: it is met in the next one, after a step."""

    def watch(result: Any, _judged: object) -> None:
        if result.epoch == at:
            signal.raise_signal(signal.SIGINT)

    return watch


@pytest.mark.parametrize("parts", [{"learning": {"epochs": 3, "batch_seconds": 8}}, EVERYTHING])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    parts: Mapping[str, Mapping[str, Any]], language: Path, tmp_path: Path
) -> None:
    options = RunOptions.from_dict(options_for(language, **parts))
    train_recognizer(options, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        train_recognizer(options, tmp_path / "parts", watch=interrupting(1))
    state = torch.load(tmp_path / "parts/last.ckpt", weights_only=True)["earshot"]
    assert state["start"] == [1, 1], "not in the middle of epoch 2"
    assert not (tmp_path / "parts/model").exists()
    with pytest.raises(KeyboardInterrupt):
        train_recognizer(options, tmp_path / "parts", is_resumed=True, watch=interrupting(2))
    train_recognizer(options, tmp_path / "parts", is_resumed=True)
    assert_ends_alike(tmp_path / "whole", tmp_path / "parts")
    assert len(losses_of(tmp_path / "parts")) == 3


def test_signals_are_handled_as_before_afterwards(language: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    options = RunOptions.from_dict(options_for(language, learning={"epochs": 1}))
    with pytest.raises(KeyboardInterrupt):
        train_recognizer(options, tmp_path, watch=interrupting(1))
    assert signal.getsignal(signal.SIGINT) is before


def test_what_changed_since_the_run_began_is_told(language: Path, tmp_path: Path) -> None:
    def run(*arguments: str, **parts: Mapping[str, Any]) -> str:
        parts = {"learning": {"epochs": 1}, **parts}
        toml = write_toml(tmp_path / "run.toml", language, **parts)
        done = earshot("train", "recognizer", toml, "-o", tmp_path / "run", *arguments)
        if done.status:
            assert done.status == 1
            assert len([line for line in done.error_lines if line.startswith("earshot: ")]) == 1
            return done.error_lines[-1]
        return ""

    assert not run()
    remembered = (tmp_path / "run/run.json").read_text()
    assert "the net changed" in run("--resume", net={"options": {"size": 32, "num_layers": 1}})
    assert "the features changed" in run("--resume", features={"name": "pncc"})
    changed = run("--resume", alphabet={"letters": "aekmosx"})
    assert "the alphabet changed" in changed
    assert "new x; gone t" in changed
    assert "--init-from" in changed
    assert "holds a training already" in run()
    assert (tmp_path / "run/run.json").read_text() == remembered
    assert not run("--resume", learning={"epochs": 2})
    assert len(losses_of(tmp_path / "run")) == 2


def test_broken_checkpoints_are_told(language: Path, tmp_path: Path) -> None:
    options = RunOptions.from_dict(options_for(language))
    with pytest.raises(TrainingError, match=r"there is no .*without --resume"):
        train_recognizer(options, tmp_path, is_resumed=True)
    for content in (b"", b"PK\x03\x04 half of it", os.urandom(2_000)):
        (tmp_path / "last.ckpt").write_bytes(content)
        with pytest.raises(TrainingError, match="is no checkpoint"):
            train_recognizer(options, tmp_path, is_resumed=True)
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(TrainingError, match="is no checkpoint of a recognizer"):
        train_recognizer(options, tmp_path, is_resumed=True)


def num_epochs(run: Path) -> int:
    return len(losses_of(run)) if (run / "log.jsonl").exists() else 0


def came_to(run: Path, epoch: int, *, is_alive: Callable[[], bool]) -> bool:
    """Waits until that epoch has been judged."""
    for _ in range(4_800):
        if num_epochs(run) >= epoch:
            return True
        if not is_alive():
            return False
        time.sleep(0.05)
    return False


def test_ctrl_c_says_how_to_go_on(language: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "run.toml", language, learning={"epochs": 1_000, "patience": 1_000})
    run, is_over = tmp_path / "run", threading.Event()

    def interrupt() -> None:
        if came_to(run, 1, is_alive=lambda: not is_over.is_set()):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    done = earshot("train", "recognizer", toml, "-o", run)
    is_over.set()
    thread.join()
    assert done.status == 130
    assert done.error_lines[-1] == "earshot: interrupted: go on with --resume"
    assert "KeyboardInterrupt" not in done.errors
    assert "\r" not in done.errors, "a bar was drawn where no terminal is"
    assert "\x1b" not in done.errors
    assert (run / "last.ckpt").exists()
    assert not list(run.glob(".last*"))


@pytest.mark.slow
def test_a_killed_process_loses_nothing_but_time(language: Path, tmp_path: Path) -> None:
    learning = {"epochs": 5, "batch_seconds": 4, "checkpoint_minutes": 0.003}
    toml = write_toml(tmp_path / "run.toml", language, **{**EVERYTHING, "learning": learning})
    run = tmp_path / "killed"
    train = ["train", "recognizer", str(toml), "-o"]
    process = subprocess.Popen(command(*train, run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert came_to(run, 2, is_alive=lambda: process.poll() is None)
    process.kill()
    process.wait()
    assert num_epochs(run) < 5, "it was over before it was killed"
    assert earshot(*train, run, "--resume").status == 0
    assert earshot(*train, tmp_path / "whole").status == 0
    assert_ends_alike(run, tmp_path / "whole")
