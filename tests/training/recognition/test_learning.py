"""From a manifest to a model that writes, as one command does it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from earshot.core.types import Audio
from earshot.engines.ctc import load_ctc
from earshot.models.card import read_card
from earshot.text.error_rate import character_error_rate
from tests.cli.command import earshot
from tests.training.recognition.conftest import Run
from tests.training.recognition.tiny_language import (
    LETTERS,
    sound_of,
    write_lines,
    write_sound,
    write_toml,
)


def rate_of(result: str) -> float:
    """Of letters, per cent, as the command tells."""
    found = re.search(r"errors +([\d.]+) % of letters", result)
    assert found is not None, result
    return float(found[1])


def test_it_learns_a_language_and_leaves_a_whole_model(trained: Run) -> None:
    assert rate_of(trained.output) < 20
    epochs = [json.loads(line) for line in (trained.folder / "log.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in epochs] == list(range(1, 9))
    assert epochs[-1]["loss"] < epochs[0]["loss"] / 4
    assert len(re.findall(r"^epoch ", trained.errors, re.MULTILINE)) == 8
    model = trained.folder / "model"
    assert {one.name for one in model.iterdir()} == {"model.onnx", "tokens.txt", "card.json"}
    card = read_card(model)
    assert card.engine == "ctc"
    assert card.languages == ("x-vowels",)
    assert card.licence == "CC0-1.0"
    assert card.metrics is not None
    assert 100 * card.metrics["character_error_rate"] == pytest.approx(rate_of(trained.output), abs=0.06)
    assert card.extra["alphabet"]["symbols"] == ["<blk>", "▁", *sorted(LETTERS)]
    assert card.extra["is_streaming"] is True
    assert card.extra["frame_shift"] == 640
    tokens = [line.split(" ") for line in (model / "tokens.txt").read_text().splitlines()]
    assert tokens == [[symbol, str(place)] for place, symbol in enumerate(card.extra["alphabet"]["symbols"])]


def test_the_engine_writes_what_an_unheard_speaker_says(trained: Run) -> None:
    recognizer = load_ctc(trained.folder / "model")
    texts = ["some tomato", "keso to mat", "okta metta ket"]
    sounds = [Audio(sound_of(text, seed=99 + place), 16_000) for place, text in enumerate(texts)]
    errors = [
        character_error_rate(text, heard.text)
        for text, heard in zip(texts, recognizer.transcribe_batch(sounds), strict=True)
    ]
    assert sum(one.num_errors for one in errors) < 0.2 * sum(map(len, texts))


def test_a_deployed_model_is_at_once_usable(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))
    done = earshot("train", "recognizer", trained.toml, "-o", trained.folder, "--resume", "--deploy", "vowels")
    assert done.status == 0, done.errors
    assert "earshot transcribe --engine ctc --model vowels" in done.output
    assert "epoch " not in done.errors, "a training that is over was gone on with"
    recording = write_sound(tmp_path / "said.wav", sound_of("some tomato", seed=5))
    heard = earshot("transcribe", "--engine", "ctc", "--model", "vowels", recording)
    assert heard.status == 0, heard.errors
    rate = character_error_rate("some tomato", heard.output.strip().lower().rstrip(".")).rate
    assert rate is not None
    assert rate < 0.4, heard.output


def test_the_page_tells_how_it_went(trained: Run) -> None:
    page = (trained.folder / "training.html").read_text()
    assert page.count("<svg") == 2
    assert page.count("<polyline") == 4
    assert "Epoch 8" in page


def test_pieces_of_words_are_learned_too(language: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "run.toml", language, alphabet={"kind": "bpe", "size": 14})
    done = earshot("train", "recognizer", toml, "-o", tmp_path / "run")
    assert done.status == 0, done.errors
    assert rate_of(done.output) < 40
    symbols = read_card(tmp_path / "run/model").extra["alphabet"]["symbols"]
    assert len(symbols) == 14
    assert any(len(one) > 1 and one != "<blk>" for one in symbols)
    heard = load_ctc(tmp_path / "run/model").transcribe(Audio(sound_of("tomato some", seed=7), 16_000))
    assert set(heard.text) <= {*LETTERS, " "}


def test_a_run_begun_with_another_keeps_the_letters_it_knows(
    trained: Run, language: Path, tmp_path: Path
) -> None:
    import torch

    more = [json.loads(line) for line in (language / "train.jsonl").read_text().splitlines()]
    for line in more:
        line["audio"] = str(language / line["audio"])
    more[0]["text"] += " bu"
    write_lines(tmp_path / "train.jsonl", more)
    toml = write_toml(
        tmp_path / "run.toml",
        language,
        data={"train": [str(tmp_path / "train.jsonl")]},
        # So small a rate that what was taken over is what is found.
        learning={"epochs": 1, "learning_rate": 1e-9},
    )
    done = earshot("train", "recognizer", toml, "-o", tmp_path / "run", "--init-from", trained.folder)
    assert done.status == 0, done.errors
    assert "9 of 11 symbols" in done.errors
    assert rate_of(done.output) == pytest.approx(rate_of(trained.output), abs=3)
    before, after = (
        torch.load(folder / "last.ckpt", weights_only=True)["earshot"]
        for folder in (trained.folder, tmp_path / "run")
    )
    old, new = before["alphabet"]["symbols"], after["alphabet"]["symbols"]
    assert set(new) - set(old) == {"b", "u"}
    rows = [new.index(symbol) for symbol in old]
    assert np.allclose(
        after["best"]["head.weight"][rows].numpy(), before["best"]["head.weight"].numpy(), atol=1e-6
    )


def test_another_kind_of_net_cannot_be_begun_with(trained: Run, language: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "run.toml", language, net={"name": "blstm", "options": {"sizes": [16]}})
    done = earshot("train", "recognizer", toml, "-o", tmp_path / "run", "--init-from", trained.folder)
    assert done.status == 1
    assert "holds another kind of net" in done.error_lines[-1]


def test_nets_and_features_are_listed() -> None:
    listed = earshot("train", "recognizer", "--list")
    assert listed.status == 0
    for name in ("blstm", "conformer", "lstm-streaming", "log-mel", "mfcc", "pncc"):
        assert name in listed.output
    assert max(map(len, listed.output.splitlines())) <= 130


def test_help_tells_every_option() -> None:
    told = earshot("train", "recognizer", "--help")
    assert told.status == 0
    options: list[str] = re.findall(r"^ +(?:-o, )?(--[a-z-]+)(.*)$", told.output, re.MULTILINE)
    assert len(options) >= 15
    assert all(len(line) <= 110 for line in told.output.splitlines())
