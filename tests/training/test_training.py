from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earshot.commands.dataset import read_clips, split_by_speaker
from earshot.commands.front_ends import load_front_end
from earshot.commands.net import CommandNet
from earshot.core.errors import EarshotError, ModelError, TrainingError
from earshot.training.batches import Batch, FixedBatches

torch = pytest.importorskip("torch", reason="torch: pip install 'earshot[train]'")
pytest.importorskip("onnx", reason="onnx: pip install 'earshot[train]'")

from earshot.cli.train import train as train_verb  # noqa: E402
from earshot.training.command_nets import Teachers, export_outcome, load_split, train_commands  # noqa: E402
from earshot.training.export import export  # noqa: E402
from earshot.training.loop import LoopOptions, marginal_loss, train  # noqa: E402
from earshot.training.measures import cost_of, share_interval  # noqa: E402
from earshot.training.nets import NETS, build_net  # noqa: E402
from tests.cli.command import earshot  # noqa: E402

TINY = LoopOptions(num_steps=20, batch_size=12, evaluate_every=10, average=0.5, learning_rate=5e-3)


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people "say" a low tone, a high one, and noise."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for label in ("low", "high", "hiss"):
        (folder / label).mkdir()
        for person in range(12):
            frequency = {"low": 300, "high": 1_500, "hiss": 0}[label] * rng.uniform(0.9, 1.1)
            sound = np.sin(2 * np.pi * frequency * np.arange(8_000) / 16_000)
            sound = rng.standard_normal(8_000) if label == "hiss" else sound
            soundfile.write(folder / label / f"person{person}_nohash_0.wav", 0.1 * sound, 16_000)
    return folder


@pytest.mark.parametrize("name", NETS)
def test_each_net_learns_and_gives_the_same_in_onnx_as_in_torch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sound = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    features = load_front_end(NETS[name].front_end)(sound)
    net = build_net(name, 3)
    before = copy.deepcopy(net.state_dict())
    draws = FixedBatches(
        np.stack([features] * 2), np.eye(3, dtype=np.float32)[:2], "ab", np.random.default_rng(0)
    )
    net = train(net, draws, lambda _: 0.0, LoopOptions(num_steps=1, batch_size=4, evaluate_every=1)).net
    assert not torch.equal(before["head.weight"], net.state_dict()["head.weight"])
    export([net], tmp_path, labels=["a", "b", "c"], front_end=NETS[name].front_end, example=features)
    with torch.inference_mode():
        expected = torch.softmax(net(torch.from_numpy(features[None])), 1).numpy()[0]
    heard = CommandNet.load(tmp_path).classify(sound)
    assert np.allclose(heard, expected, atol=2e-3)
    cost = cost_of(net, features)
    assert cost.num_parameters == sum(one.numel() for one in net.parameters())
    assert cost.num_multiply_adds >= 3 * net.head.in_features


def test_multiply_adds_are_counted_by_hand() -> None:
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Flatten(), torch.nn.Linear(400, 2)
    )
    assert cost_of(layers, np.zeros((1, 10, 10), np.float32)).num_multiply_adds == 4 * 100 * 9 + 400 * 2


def test_bc_resnet_1_has_the_published_size() -> None:
    # 9.2 thousand in the paper; ours adds a norm of the input's bands.
    assert abs(sum(one.numel() for one in build_net("bc-resnet-1", 12).parameters()) - 9_200) < 200


def test_a_net_learns_tones_is_distilled_and_runs_without_torch(tones: Path, tmp_path: Path) -> None:
    data = load_split(split_by_speaker(read_clips(tones)))
    outcome = train_commands(data, "cnn-1", TINY, seeds=(0, 1))
    assert len(outcome.accuracies) == 2
    assert outcome.accuracy >= 0.8
    assert outcome.confusion.sum() == outcome.num_judged
    assert all(clip.label != clip.guess for clip in outcome.worst)
    small = train_commands(data, "cnn-1", TINY, teachers=Teachers(outcome.nets, "mfcc"))
    assert small.accuracy >= 0.8
    export_outcome(small, "cnn-1", tmp_path, description="tones")
    net = CommandNet.load(tmp_path)
    clip = next(one for one in data.testing.sounds)
    probabilities = net.classify_all([clip], shifts=(-400, 0, 400))[0]
    assert probabilities.sum() == pytest.approx(1, abs=1e-3)
    assert net.labels == ("high", "hiss", "low")


def test_what_nets_on_moonshine_know_fits_into_one_on_mfcc(tones: Path, tmp_path: Path) -> None:
    place = ["--data", tones, "--output", tmp_path]
    arguments = ["train", "commands", *place, "--net", "moonshine", "--steps", "60", "--copies", "1"]
    taught = earshot(*arguments, "--distill", "cnn-1")
    assert taught.status == 0
    assert "the distilled net" in taught.output
    assert CommandNet.load(tmp_path).card["front_end"] == "mfcc"
    refused = earshot(*arguments, "--distill", "cnn-9")
    assert refused.status == 1
    assert "no net 'cnn-9'" in refused.errors


def test_the_same_seed_learns_the_same(tones: Path) -> None:
    data = load_split(split_by_speaker(read_clips(tones)))
    options = LoopOptions(num_steps=4, batch_size=8, evaluate_every=2)
    first, second = (train_commands(data, "cnn-1", options, seeds=(3,)).curves for _ in range(2))
    assert first == second


def test_the_command_line_writes_a_net_and_a_page(tones: Path, tmp_path: Path) -> None:
    arguments = ["commands", "--data", str(tones), "--net", "cnn-1", "--steps", "10", "--batch-size", "8"]
    page = tmp_path / "page.html"
    arguments += ["--output", str(tmp_path / "net"), "--report", str(page)]
    result = CliRunner().invoke(train_verb, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0
    assert "of people never heard" in result.output
    assert json.loads((tmp_path / "net" / "card.json").read_text())["labels"] == ["high", "hiss", "low"]
    assert "<svg" in page.read_text()
    listed = CliRunner().invoke(train_verb, ["commands", "--list"], standalone_mode=False)
    assert "bc-resnet-8" in listed.output


def test_what_cannot_be_learned_is_refused(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="did you mean 'inception'"):
        build_net("incepton", 3)
    shutil.copytree(tones / "low", tmp_path / "low")
    run = CliRunner().invoke(
        train_verb,
        ["commands", "--data", str(tmp_path), "--output", str(tmp_path / "o")],
        standalone_mode=False,
    )
    assert isinstance(run.exception, EarshotError)
    assert "one class" in str(run.exception)


class Broken:
    def draw(self, num_clips: int) -> Batch:
        inputs = np.full((num_clips, 1, 98, 20), np.nan, np.float32)
        return Batch(inputs, np.eye(3, dtype=np.float32)[[0] * num_clips])


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(TrainingError, match="step 1 is no number"):
        train(build_net("cnn-1", 3), Broken(), lambda _: 0.0, TINY)


def test_a_clip_that_may_be_either_of_two_classes_costs_nothing_for_both() -> None:
    logits = torch.tensor([[5.0, 5.0, -20.0]])
    either = marginal_loss(logits, torch.tensor([[1.0, 1.0, 0.0]]))
    one = marginal_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    none = marginal_loss(logits, torch.zeros(1, 3))
    assert either.item() == pytest.approx(0, abs=1e-4)
    assert one.item() == pytest.approx(np.log(2), abs=1e-3)
    assert none.item() == 0


def test_a_damaged_or_foreign_net_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        CommandNet.load(tmp_path)
    (tmp_path / "card.json").write_text('{"labels": ["a"]}')
    with pytest.raises(ModelError, match="no card"):
        CommandNet.load(tmp_path)
    (tmp_path / "card.json").write_text('{"labels": ["a"], "front_end": "log-mel", "sha256": "0"}')
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match="damaged"):
        CommandNet.load(tmp_path)


def test_intervals_of_shares() -> None:
    low, high = share_interval(0.97, 719)
    assert 0.95 < low < 0.97 < high < 0.985
