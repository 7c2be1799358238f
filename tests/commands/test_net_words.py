"""The words of a net in a stream, with a net whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.commands import Spotter
from earshot.commands.loading import load_net_spotters
from earshot.commands.net_words import NetEars, NetTails, SmoothedNet, measure_tails
from earshot.core.errors import CommandError, ModelError
from earshot.core.types import Samples
from tests.cli.command import earshot, read_aloud
from tests.commands.conftest import piece
from tests.commands.test_commands_cli import write

MARK = 0.75
"""A level that speech here never has, by which the net knows its word."""


class MarkNet:
    labels = ("silence", "word", "other")
    digest = "mark"

    def classify(self, samples: Samples) -> np.ndarray:
        share = min(0.9, 3 * float((np.abs(samples) == MARK).mean()))
        return np.array([0.05, share, 0.95 - share], np.float32)


def with_word(samples: Samples, at: int) -> Samples:
    marked = samples.copy()
    marked[at : at + 8_000] = MARK * np.sign(marked[at : at + 8_000] + 1e-9)
    return marked


@pytest.fixture(scope="module")
def tails() -> NetTails:
    return measure_tails(MarkNet(), [read_aloud()] * 3)


def test_a_word_is_heard_once_and_in_time(tails: NetTails) -> None:
    sound = with_word(piece(0.0, 6.0), 40_000)
    spotter = Spotter(net=NetEars(MarkNet(), tails), refractory=1.5)
    events = [*spotter.accept(sound), *spotter.finish()]
    assert [event.label for event in events] == ["word"]
    assert 2.5 < events[0].time < 3.5
    assert 0.5 <= events[0].confidence <= 1
    small = Spotter(net=NetEars(MarkNet(), tails), refractory=1.5)
    again = [event for start in range(0, len(sound), 777) for event in small.accept(sound[start : start + 777])]
    assert [*again, *small.finish()] == events


def test_tails_are_of_one_net_and_of_enough_speech(tails: NetTails, tmp_path: Path) -> None:
    tails.save(tmp_path / "tails.json")
    assert NetTails.load(tmp_path / "tails.json") == tails
    with pytest.raises(ModelError, match="other weights"):
        NetEars(MarkNet(), NetTails("other", tails.tails))
    with pytest.raises(CommandError, match="two minutes"):
        measure_tails(MarkNet(), [piece(0.0, 5.0)])
    with pytest.raises(CommandError, match="positive"):
        NetEars(MarkNet(), tails, false_alarms_per_hour=-1)
    (tmp_path / "tails.json").write_text('{"tails": {"word": [1]}}')
    with pytest.raises(ModelError, match="cannot be read"):
        NetTails.load(tmp_path / "tails.json")


def test_silence_and_what_is_unknown_are_no_words() -> None:
    class Twelve(MarkNet):
        labels = ("_silence_", "_unknown_", "go")

    assert SmoothedNet(Twelve()).words == ("go",)


def test_the_net_that_ships_knows_what_its_false_alarms_are(tmp_path: Path) -> None:
    spotter = load_net_spotters()()
    assert spotter.accept(np.zeros(32_000, np.float32)) == []
    sound = write(tmp_path / "a.wav", piece(0.0, 3.0))
    assert earshot("spot", sound, "--model", "commands12").status == 0
    assert earshot("spot", sound, "--model", "commands12", "--running").status == 2
    assert earshot("spot", sound, "--model", tmp_path / "absent").status == 1
    assert earshot("spot", sound, "--background", tmp_path).status == 2
