"""A run as a TOML file describes it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from earshot.core.errors import TrainingError
from earshot.training.recognition.options import RunOptions


def read(folder: Path, text: str) -> RunOptions:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.toml").write_text(text)
    return RunOptions.from_toml(folder / "run.toml")


def test_a_file_says_what_is_not_as_usual(tmp_path: Path) -> None:
    options = read(
        tmp_path,
        """
        [data]
        train = ["a.jsonl", "/elsewhere/b.jsonl"]
        dev = "dev.jsonl"
        [net]
        name = "blstm"
        options = {sizes = [64], stacking = 2}
        [augmentation]
        noise = "street"
        speeds = [1]
        [learning]
        epochs = 3
        learning_rate = 1
        """,
    )
    assert options.data.train == (str(tmp_path / "a.jsonl"), "/elsewhere/b.jsonl")
    assert options.data.dev == (str(tmp_path / "dev.jsonl"),)
    assert options.augmentation.noise == str(tmp_path / "street")
    assert options.net.options == {"sizes": [64], "stacking": 2}
    assert options.learning.learning_rate == 1.0
    assert options.alphabet == RunOptions().alphabet


def test_options_survive_a_card() -> None:
    options = RunOptions()
    assert RunOptions.from_dict(options.to_dict()) == options
    changed = dataclasses.replace(
        options, learning=dataclasses.replace(options.learning, epochs=4, minutes=2.5)
    )
    assert RunOptions.from_dict(changed.to_dict()) == changed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[learning]\nepoch = 3", "no option 'learning.epoch'.*did you mean 'epochs'"),
        ("[lerning]\nepochs = 3", "no option 'lerning'.*did you mean 'learning'"),
        ("[learning]\nepochs = 'three'", "learning.epochs is 'three', not int"),
        ("[learning]\nepochs = true", "learning.epochs is True, not int"),
        ("[learning]\nepochs = 2.5", "learning.epochs is 2.5, not int"),
        ("[learning]\noptimizer = 'sgd'", "learning.optimizer is 'sgd', not 'adam' or 'adamw'"),
        ("[learning]\nlearning_rate = 0", "learning_rate lies between"),
        ("[learning]\nlearning_rate = nan", "learning_rate is nan, not float"),
        ("[learning]\nepochs = 0", "epochs is 1 or more"),
        ("[learning]\nminutes = -1", "minutes is over 0"),
        ("[learning]\nbatch_seconds = 0", "batch_seconds is over 0"),
        ("[augmentation]\nspeeds = []", "speeds has one factor"),
        ("[augmentation]\nspeeds = [0.1]", r"speeds lie in \[0.5, 2\]"),
        ("[augmentation]\nspeeds = 'fast'", "augmentation.speeds is 'fast'"),
        ("[augmentation]\nnoise_share = 2", "noise_share"),
        ("[augmentation]\ntime_masks = -1", "time_masks"),
        ("[augmentation]\nmax_frames = -4", "max_frames"),
        ("[augmentation]\nleast_db = 30.0", "least_db"),
        ("[learning]\nclip = -1", "clip"),
        ("[learning]\nseed = -1", "seed"),
        ("[learning]\npatience = -1", "patience"),
        ("[features]\nnum_features = 0", "num_features"),
        ("[data]\nmin_duration = 30.0", "min_duration < data.max_duration"),
        ("[alphabet]\nkind = 'words'", "alphabet.kind is 'words', not 'letters' or 'bpe'"),
        ("[alphabet]\nsize = 1", "alphabet.size"),
        ("data = 3", "data is 3"),
        ("[net]\noptions = 3", "net.options is 3"),
        ("learning = [", "no TOML"),
        ("[learning]\nepochs = 3\nepochs = 4", "no TOML"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        read(tmp_path, text)
    assert re.search(told, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.fix


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        RunOptions.from_toml(tmp_path / "absent.toml")
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingError, match="UTF-8"):
        RunOptions.from_toml(tmp_path / "run.toml")
    with pytest.raises(TrainingError, match="cannot be read"):
        RunOptions.from_toml(tmp_path)
