"""Words within running speech: learned by the command line, heard by spot and by the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.commands import CommandStore
from earshot.commands.augmentation import change_speed
from earshot.commands.gate import WakeGate
from earshot.commands.loading import load_net_spotters
from earshot.commands.net import CARD, SHIPPED, CommandNet
from earshot.commands.net_words import TAIL_FILE
from earshot.commands.running_net import RunningNet
from earshot.core.errors import CommandError, ModelError, TrainingError
from earshot.core.types import Samples
from tests.cli.command import Result, earshot, read_aloud
from tests.commands.conftest import SECOND, THIRD, piece

pytest.importorskip("torch", reason="torch: pip install 'earshot[train]'")
pytest.importorskip("onnx", reason="onnx: pip install 'earshot[train]'")

from earshot.training.running_words import Word, train_running

SPEEDS = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)


def speech() -> Iterator[Samples]:
    """Eleven minutes without SECOND: a reader at many speeds, and long pauses."""
    for number, speed in enumerate(np.linspace(0.8, 1.25, 21)):
        start = float(number % 3) * 10
        yield np.concatenate(
            [change_speed(piece(start, start + 12), float(speed)), np.zeros(320_000, np.float32)]
        )


def train(folder: Path, *options: str | Path) -> Result:
    return earshot(
        "train", "commands", "--running", "--data", folder / "words", "--output", folder / "net", *options
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """words: SECOND at eight speeds, as if by eight people, another phrase, and one file that is none."""
    folder = tmp_path_factory.mktemp("running")
    quiet = np.zeros(3_200, np.float32)
    for label, span in (("second", SECOND), ("_unknown_", THIRD)):
        (folder / "words" / label).mkdir(parents=True)
        for number, speed in enumerate(SPEEDS):
            sound = change_speed(piece(*span), speed) * (0.4 + 0.1 * number)
            path = folder / "words" / label / f"person{number}_nohash_0.wav"
            soundfile.write(path, np.concatenate([quiet, sound, quiet]), 16_000)
    (folder / "words" / "second" / "broken.wav").write_bytes(b"RIFF")
    (folder / "speech").mkdir()
    for number, sound in enumerate(speech()):
        soundfile.write(folder / "speech" / f"{number:02}.wav", sound, 16_000)
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Result:
    return train(folder, "--speech", folder / "speech")


def in_a_sentence() -> Samples:
    """SECOND at second 2 to 2.7, with other speech right before and after it."""
    return np.concatenate([piece(3.0, 5.0), piece(*SECOND), piece(8.0, 10.0)])


@pytest.mark.slow
class TestATrainedNet:
    def test_the_command_line_tells_what_it_reached_and_what_it_left_out(
        self, trained: Result, folder: Path
    ) -> None:
        assert trained.status == 0, trained.errors
        assert "left out" in trained.errors
        assert "broken.wav" in trained.errors
        assert "second:" in trained.output
        card = json.loads((folder / "net" / CARD).read_text())
        assert card["labels"] == ["second"]
        assert 0 <= card["recall_at_a_tenth_an_hour"]["second"] <= 1
        assert card["hours_of_speech"] > 0.17

    @pytest.mark.usefixtures("trained")
    def test_a_word_is_heard_within_a_sentence_and_its_end_is_told(self, folder: Path) -> None:
        spotter = load_net_spotters(folder / "net", false_alarms_per_hour=50)()
        sound = in_a_sentence()
        events = [
            event for start in range(0, len(sound), 1_000) for event in spotter.accept(sound[start:][:1_000])
        ]
        assert [event.label for event in events] == ["second"]
        assert events[0].time == pytest.approx(2.0 + SECOND[1] - SECOND[0], abs=0.35)
        assert load_net_spotters(folder / "net")().accept(piece(3.0, 20.0)) == []

    @pytest.mark.usefixtures("trained")
    def test_spot_takes_it_and_measures_its_false_alarms_anew(self, folder: Path, tmp_path: Path) -> None:
        path = tmp_path / "sentence.wav"
        soundfile.write(path, in_a_sentence(), 16_000)
        found = earshot("spot", path, "--model", folder / "net", "--false-alarms-per-hour", "50", "--json")
        assert [json.loads(line)["label"] for line in found.output.splitlines()] == ["second"]
        anew = earshot("spot", path, "--model", folder / "net", "--background", folder / "speech")
        assert anew.status == 0

    @pytest.mark.usefixtures("trained")
    def test_it_opens_the_gate(self, folder: Path, tmp_path: Path) -> None:
        store = CommandStore(tmp_path / "commands")
        gate = WakeGate(store, [str(folder / "net")], false_alarms_per_hour=50)
        assert gate.names == ("second",)
        assert [event.label for event in gate.accept(in_a_sentence())] == ["second"]
        with pytest.raises(CommandError, match="no command"):
            WakeGate(store, [str(tmp_path / "absent")])

    @pytest.mark.usefixtures("trained")
    def test_it_is_no_net_of_clips_and_its_tail_is_its_own(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="a net of running speech, not of clips"):
            CommandNet.load(folder / "net")
        with pytest.raises(ModelError, match="a net of clips, not of running speech"):
            RunningNet(SHIPPED)
        spoilt = tmp_path / "net"
        spoilt.mkdir()
        for path in (folder / "net").iterdir():
            (spoilt / path.name).write_bytes(path.read_bytes())
        (spoilt / TAIL_FILE).write_text('{"digest": "x", "tails": [[0, 1, 1]]}')
        with pytest.raises(ModelError, match="other weights"):
            load_net_spotters(spoilt)


class TestRefusals:
    def test_options_that_do_not_belong_together(self, folder: Path) -> None:
        assert train(folder).status == 2
        assert train(folder, "--speech", folder / "speech", "--distill", "cnn-1").status == 2

    def test_too_few_people_too_little_speech_and_too_long_a_word(self) -> None:
        few = [Word("second", "one", piece(*SECOND))] * 20
        with pytest.raises(TrainingError, match="said by 1 people"):
            train_running(few, [])
        many = [Word("second", str(number), piece(*SECOND)) for number in range(10)]
        with pytest.raises(TrainingError, match=r"0\.5 minutes of speech"):
            train_running(many, [read_aloud()[: 30 * 16_000]])
        with pytest.raises(TrainingError, match=r"0\.0 minutes of speech"):
            train_running(many, [piece(0.0, 1.0)] * 700)
        long = [Word("long", str(number), piece(0.0, 3.0)) for number in range(10)]
        with pytest.raises(TrainingError, match="lasts"):
            train_running(long, [])
        with pytest.raises(TrainingError, match="no word"):
            train_running([], [])
