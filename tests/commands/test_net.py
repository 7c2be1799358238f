from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.audio.decode import read_audio
from earshot.commands.dataset import COMMANDS, TWELVE, read_clips
from earshot.commands.net import MODEL, SHIPPED, CommandNet
from earshot.core.types import Samples


@pytest.fixture(scope="module")
def net() -> CommandNet:
    return CommandNet.load()


@pytest.fixture(scope="module")
def words(speech: Path) -> dict[str, list[Samples]]:
    clips = [clip for clip in read_clips(speech / "speech_commands") if clip.part == "testing"]
    return {
        word: [read_audio(clip.path).samples for clip in [one for one in clips if one.label == word][:8]]
        for word in COMMANDS
    }


def test_the_shipped_net_is_small_and_its_card_names_data_licence_and_figures(net: CommandNet) -> None:
    assert (SHIPPED / MODEL).stat().st_size < 2_000_000
    assert net.labels == TWELVE
    assert net.card["licence"]
    assert net.card["data"]
    assert net.card["num_judged"] > 500
    assert net.card["accuracy"] > 0.95


def test_silence_is_silence_and_probabilities_are_some(net: CommandNet) -> None:
    rng = np.random.default_rng(0)
    quiet = (1e-3 * rng.standard_normal(16_000)).astype(np.float32)
    for clip in (np.zeros(16_000, np.float32), quiet):
        probabilities = net.classify(clip)
        assert probabilities.sum() == pytest.approx(1, abs=1e-3)
        assert net.labels[int(probabilities.argmax())] == "_silence_"
    assert np.isfinite(net.classify(np.full(500, np.nan, np.float32))).all()
    assert net.classify_all([]).shape == (0, 12)


def test_words_are_told(net: CommandNet, words: dict[str, list[Samples]]) -> None:
    told = [net.labels[int(net.classify(clip).argmax())] == word for word in words for clip in words[word]]
    assert np.mean(told) > 0.9
