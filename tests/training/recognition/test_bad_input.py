"""What is wrong with data, options or machine is told in one line, and nothing that was there is lost."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.cli.command import Result, earshot
from tests.training.recognition.conftest import Run
from tests.training.recognition.tiny_language import (
    sound_of,
    write_lines,
    write_sound,
    write_toml,
)

SHORT: Mapping[str, Any] = {"epochs": 1}


def lines_of(language: Path, name: str) -> list[dict[str, Any]]:
    """Of a manifest, with recordings wherever it is put."""
    found = [json.loads(line) for line in (language / name).read_text().splitlines()]
    return [{**one, "audio": str(language / one["audio"])} for one in found]


def trained_on(
    lines: Sequence[Mapping[str, Any] | str],
    language: Path,
    folder: Path,
    *arguments: str,
    dev: Sequence[Mapping[str, Any] | str] | None = None,
    **parts: Mapping[str, Any],
) -> Result:
    """One epoch on such a manifest."""
    data = {"train": [str(write_lines(folder / "train.jsonl", lines))]}
    if dev is not None:
        data["dev"] = [str(write_lines(folder / "dev.jsonl", dev))]
    toml = write_toml(folder / "run.toml", language, data=data, **{"learning": SHORT, **parts})
    return earshot("train", "recognizer", toml, "-o", folder / "run", *arguments)


def told(result: Result, *parts: str, status: int = 1) -> None:
    """It ended with one line that holds these parts."""
    assert result.status == status, result
    errors = [line for line in result.error_lines if line.startswith("earshot: ")]
    assert errors == [result.error_lines[-1]], result.errors
    assert "Traceback" not in result.errors
    assert "internal error" not in result.errors
    for part in parts:
        assert part in errors[0], errors[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "JSON"),
        ('{"duration": 1.0, "text": "mat"}', "audio"),
        ('{"audio": "../../../etc/passwd", "duration": 1.0, "text": "mat"}', "leads out of"),
        ('{"audio": "absent.wav", "duration": 1.0, "text": "mat"}', "absent.wav"),
        ('{"audio": "here.wav", "duration": -1, "text": "mat"}', "duration"),
        ('{"audio": "here.wav", "duration": 1.0, "text": ["mat"]}', "text"),
    ],
)
def test_a_bad_line_is_named_or_left_out(line: str, reason: str, language: Path, tmp_path: Path) -> None:
    lines: list[Any] = lines_of(language, "train.jsonl")[:6]
    lines.insert(2, line)
    write_sound(tmp_path / "here.wav", sound_of("mat"))
    told(trained_on(lines, language, tmp_path), "train.jsonl, line 3", reason)
    done = trained_on(lines, language, tmp_path, "--skip-bad")
    assert done.status == 0, done.errors
    assert "left out: 1 × bad line" in done.errors
    assert "train.jsonl, line 3" in done.errors


def test_recordings_that_teach_nothing_are_counted(language: Path, tmp_path: Path) -> None:
    lines: list[Any] = lines_of(language, "train.jsonl")[:8]
    usual = dict(lines[0])

    def add(name: str, sound: Any = None, content: bytes | None = None, **fields: Any) -> None:
        path = tmp_path / f"{name}.wav"
        if sound is not None:
            write_sound(path, sound)
        else:
            path.write_bytes(content or b"")
        lines.append({**usual, "audio": path.name, "duration": 1.0, **fields})

    whole = (language / "000.wav").read_bytes()
    add("hasty", sound_of("ma"), text="tomato some keso okta metta assam soma")
    add("long", np.tile(sound_of("mat"), 50), duration=21.0)
    add("brief", sound_of("m"), duration=0.15)
    add("empty", content=b"")
    add("noise", content=os.urandom(3_000))
    add("headless", content=whole[:20])
    add("wordless", sound_of("mat"), text="")
    add("marks", sound_of("mat"), text="…!")
    add("foreign", sound_of("mat"), text="mat ßßŋ")
    add("foreign2", sound_of("mat"), text="ŋ mat")
    import soundfile

    soundfile.write(
        tmp_path / "nan.wav", np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT", format="WAV"
    )
    lines.append({**usual, "audio": "nan.wav", "duration": 1.0})
    add("silent", np.zeros(24_000, np.float32), duration=1.5, text="mat")
    # What is left of it is learned from.
    add("cut", content=whole[: len(whole) // 2], text="mat")
    done = trained_on(lines, language, tmp_path, alphabet={"letters": "aekmost"})
    assert done.status == 0, done.errors
    assert "learns from   9 utterances" in done.errors
    for line in (
        "left out: 1 × too short for its text (first:",
        "left out: 2 × not 0.2 to 20 s long (first:",
        "left out: 2 × no text (first:",
        "left out: 2 × with letters outside the alphabet (first:",
        "letters outside the alphabet: ß 2 · ŋ 2",
        "left out: 5 × recording without sound (first:",
    ):
        assert line in done.errors, done.errors
    assert "train.jsonl, line 9)" in done.errors


def test_nothing_to_learn_from_is_told(language: Path, tmp_path: Path) -> None:
    lines = [{**one, "text": ""} for one in lines_of(language, "train.jsonl")[:5]]
    told(trained_on(lines, language, tmp_path), "the texts hold no letters")
    told(trained_on([], language, tmp_path), "no utterance stands in", "train.jsonl")
    brief = [{**one, "duration": 0.15} for one in lines_of(language, "train.jsonl")[:5]]
    told(trained_on(brief, language, tmp_path), "no utterance is left to learn from", "5 × not 0.2")
    dev = [{**one, "text": "xyz"} for one in lines_of(language, "dev.jsonl")[:5]]
    usual = lines_of(language, "train.jsonl")[:5]
    result = trained_on(usual, language, tmp_path, dev=dev)
    told(result, "no utterance is left to judge by", "x 5 · y 5 · z 5")


def test_a_tenth_is_set_apart_or_it_is_told(language: Path, tmp_path: Path) -> None:
    data = {"train": [str(language / "all.jsonl")], "dev": []}
    toml = write_toml(tmp_path / "run.toml", language, data=data, learning=SHORT)
    done = earshot("train", "recognizer", toml, "-o", tmp_path / "run")
    assert done.status == 0, done.errors
    one = write_lines(tmp_path / "one.jsonl", lines_of(language, "train.jsonl")[:1])
    told(
        earshot("train", "recognizer", "--train", one, "-o", tmp_path / "run2"),
        "too little to set a tenth apart",
        "--dev",
    )


def test_speakers_on_both_sides_are_warned_of(language: Path, tmp_path: Path) -> None:
    lines = lines_of(language, "train.jsonl")
    done = trained_on(lines[:8], language, tmp_path, dev=lines[8:12])
    assert done.status == 0, done.errors
    (warning,) = [line for line in done.error_lines if line.startswith("warning")]
    assert "low" in warning
    assert "high" in warning


def test_a_net_that_must_stream_hears_no_whole_utterances(language: Path, tmp_path: Path) -> None:
    lines = lines_of(language, "train.jsonl")[:5]
    result = trained_on(lines, language, tmp_path, features={"name": "moonshine"})
    told(result, "looks at whole utterances", "log-mel")


@pytest.mark.parametrize(
    ("parts", "parts_told"),
    [
        ({"features": {"name": "mfc"}}, ["no features 'mfc'"]),
        ({"features": {"name": "mfcc", "num_features": 5_000}}, ["features 'mfcc'"]),
        ({"net": {"name": "blstn"}}, ["no net 'blstn'", "blstm"]),
        ({"net": {"name": "blstm", "options": {"widths": [3]}}}, ["no option 'widths'"]),
        ({"augmentation": {"noise": "absent", "noise_share": 1}}, ["absent", "folder"]),
    ],
)
def test_options_that_cannot_be_are_told(
    parts: Mapping[str, Mapping[str, Any]], parts_told: Sequence[str], language: Path, tmp_path: Path
) -> None:
    told(trained_on(lines_of(language, "train.jsonl")[:5], language, tmp_path, **parts), *parts_told)


def test_usage_is_told(language: Path, tmp_path: Path) -> None:
    told(earshot("train", "recognizer"), "--output", status=2)
    told(earshot("train", "recognizer", "-o", tmp_path / "run"), "--train", status=2)
    told(earshot("train", "recognizer", tmp_path / "no.toml", "-o", tmp_path / "run"), "cannot be read")
    absent = tmp_path / "no.jsonl"
    told(earshot("train", "recognizer", "--train", absent, "-o", tmp_path / "run"), "no.jsonl")
    toml = write_toml(tmp_path / "run.toml", language, learning=SHORT)
    (tmp_path / "file").write_text("")
    told(earshot("train", "recognizer", toml, "-o", tmp_path / "file"), "file")
    told(earshot("train", "recognizer", toml, "-o", tmp_path / "file/run"), "file")
    told(earshot("train", "recognizer", toml, "-o", tmp_path / "run", "--resume"), "without --resume")
    nowhere = tmp_path / "nowhere"
    told(earshot("train", "recognizer", toml, "-o", tmp_path / "run", "--init-from", nowhere), "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(language: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "run.toml", language, learning=SHORT)
    (tmp_path / "closed").mkdir(mode=0o500)
    told(earshot("train", "recognizer", toml, "-o", tmp_path / "closed/run"), "permission denied")


def test_a_loss_that_is_no_number_stops_it_and_names_the_batch(
    trained: Run, language: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    state = torch.load(trained.folder / "last.ckpt", weights_only=True)
    state["earshot"]["best"]["head.bias"][2] = float("nan")
    torch.save(state, broken / "last.ckpt")
    lines = lines_of(language, "train.jsonl")[:6]
    result = trained_on(lines, language, tmp_path, "--init-from", str(broken))
    told(result, "of batch 1 of epoch 1 is no number: 00")
    assert not (tmp_path / "run/last.ckpt").exists(), "what cannot be gone on with was kept"
    assert not (tmp_path / "run/model").exists()


def test_learning_too_fast_keeps_the_last_good_checkpoint(language: Path, tmp_path: Path) -> None:
    learning = {"epochs": 1, "schedule": "constant", "average": 0.5}
    lines = lines_of(language, "train.jsonl")
    assert trained_on(lines, language, tmp_path, learning=learning).status == 0
    good = (tmp_path / "run/last.ckpt").read_bytes()
    # A weight so large that slopes through it are no numbers.
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)
    for name, value in state["state_dict"].items():
        if name == "net.enter.weight":
            value.fill_(3e38)
    torch.save(state, tmp_path / "run/last.ckpt")
    bad = (tmp_path / "run/last.ckpt").read_bytes()
    result = trained_on(lines, language, tmp_path, "--resume", learning={**learning, "epochs": 2})
    told(result, "of batch 1 of epoch 2 is no number")
    assert (tmp_path / "run/last.ckpt").read_bytes() == bad
    (tmp_path / "run/last.ckpt").write_bytes(good)
    assert trained_on(lines, language, tmp_path, "--resume", learning={**learning, "epochs": 2}).status == 0


@contextlib.contextmanager
def files_end_at(num_bytes: int) -> Iterator[None]:
    """As on a full disk; what is said of it differs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_checkpoint_before(language: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    toml = write_toml(tmp_path / "run.toml", language, learning=SHORT)
    assert earshot("train", "recognizer", toml, "-o", run).status == 0
    before = (run / "last.ckpt").read_bytes()
    write_toml(tmp_path / "run.toml", language, learning={"epochs": 2})
    with files_end_at(len(before) // 2):
        told(earshot("train", "recognizer", toml, "-o", run, "--resume"), "cannot write", "last.ckpt")
    assert (run / "last.ckpt").read_bytes() == before
    assert not list(run.glob(".last*")), "half a checkpoint was left behind"
    assert earshot("train", "recognizer", toml, "-o", run, "--resume").status == 0


def test_a_name_that_no_model_may_have_is_told_before_training(language: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "run.toml", language, learning=SHORT)
    told(earshot("train", "recognizer", toml, "-o", tmp_path / "run", "--deploy", "a/b"), "a/b")
    assert not (tmp_path / "run").exists()
