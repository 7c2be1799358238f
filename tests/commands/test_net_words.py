"""The words of a net in a stream, with a net whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.commands import Spotter
from earshot.commands.classifier import Tail
from earshot.commands.loading import load_net_spotters
from earshot.commands.net_words import ClipWords, NetEars, NetTail, measure_tail
from earshot.core.errors import CommandError, ModelError
from earshot.core.types import Samples
from tests.cli.command import earshot, read_aloud
from tests.commands.conftest import SECOND, THIRD, piece, stream
from tests.commands.test_commands_cli import write


class LengthNet:
    """Takes what lasts as long as SECOND for its word."""

    labels = ("silence", "word", "other")
    digest = "length"

    def classify(self, samples: Samples) -> np.ndarray:
        share = 0.999 if abs(len(samples) / 16_000 - (SECOND[1] - SECOND[0])) < 0.12 else 0.01
        return np.array([0.0, share, 1 - share], np.float32)


@pytest.fixture(scope="module")
def tail() -> NetTail:
    return measure_tail(ClipWords(LengthNet()), [read_aloud()] * 14)


def test_a_word_by_itself_is_heard() -> None:
    tail = NetTail("length", (Tail(0.0, 10.0, 1.0),))
    sound = stream(SECOND, THIRD)
    spotter = Spotter(nets=[NetEars(ClipWords(LengthNet()), tail)])
    events = [*spotter.accept(sound), *spotter.finish()]
    assert [event.label for event in events] == ["word"]
    assert 1.4 < events[0].time < 2.0
    assert 0.5 <= events[0].confidence <= 1
    small = Spotter(nets=[NetEars(ClipWords(LengthNet()), tail)])
    again = [event for start in range(0, len(sound), 777) for event in small.accept(sound[start : start + 777])]
    assert [*again, *small.finish()] == events


def test_words_that_are_not_asked_for_are_not_heard() -> None:
    tail = NetTail("length", (Tail(0.0, 10.0, 1.0),))
    for labels, expected in (((), ["word"]), (("word",), ["word"]), (("other",), [])):
        spotter = Spotter(nets=[NetEars(ClipWords(LengthNet()), tail, labels=labels)])
        assert [event.label for event in spotter.accept(stream(SECOND))] == expected


def test_tails_are_of_one_net_and_of_enough_speech(tail: NetTail, tmp_path: Path) -> None:
    tail.save(tmp_path / "tail.json")
    assert NetTail.load(tmp_path / "tail.json") == tail
    with pytest.raises(ModelError, match="other weights"):
        NetEars(ClipWords(LengthNet()), NetTail("other", tail.tails))
    with pytest.raises(CommandError, match="ten minutes"):
        measure_tail(ClipWords(LengthNet()), [piece(0.0, 5.0)])
    with pytest.raises(CommandError, match="positive"):
        NetEars(ClipWords(LengthNet()), tail, false_alarms_per_hour=-1)
    with pytest.raises(CommandError, match=r"no 'ward'.*word"):
        NetEars(ClipWords(LengthNet()), tail, labels=["ward"])
    (tmp_path / "tail.json").write_text('{"digest": "a", "tails": [[1]]}')
    with pytest.raises(ModelError, match="cannot be read"):
        NetTail.load(tmp_path / "tail.json")


def test_silence_and_what_is_unknown_are_no_words() -> None:
    class Twelve(LengthNet):
        labels = ("_silence_", "_unknown_", "go")

    assert ClipWords(Twelve()).labels == ("go",)


def test_the_net_that_ships_knows_what_its_false_alarms_are(tmp_path: Path) -> None:
    spotter = load_net_spotters()()
    assert spotter.accept(np.zeros(32_000, np.float32)) == []
    sound = write(tmp_path / "a.wav", piece(0.0, 3.0))
    assert earshot("spot", sound, "--model", "commands12").status == 0
    assert earshot("spot", sound, "--model", "commands12", "--running").status == 2
    assert earshot("spot", sound, "--model", "commands12", "--only", "stop").status == 0
    refused = earshot("spot", sound, "--model", "commands12", "--only", "fire")
    assert refused.status == 1
    assert "knows no 'fire'" in refused.errors
    assert earshot("spot", sound, "--model", tmp_path / "absent").status == 1
    assert earshot("spot", sound, "--background", tmp_path).status == 2
