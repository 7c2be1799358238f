from __future__ import annotations

import json

import numpy as np
import pytest

from earshot.commands import CommandStore, Example
from earshot.commands.store import MAX_ACCEPTED
from earshot.core.errors import CommandError, FormatError
from earshot.core.types import Samples


def example(kind: str = "taught", value: float = 1.0) -> tuple[Example, Samples]:
    sound = (0.1 * np.random.default_rng(0).standard_normal(8_000)).astype(np.float32)
    return Example("", kind, 0.5, True, np.full((2, 4), value, np.float32)), sound  # type: ignore[arg-type]


def test_nothing_is_made_before_something_is_taught(store: CommandStore) -> None:
    assert store.commands() == []
    assert store.space() is None
    assert not store.root.exists()


def test_what_was_added_is_there_for_the_next_program(store: CommandStore) -> None:
    store.add("мастер, свет", [example(), example(value=0.25)], space="a")
    again = CommandStore(store.root)
    (command,) = again.commands()
    assert command.label == "мастер, свет"
    assert [float(one.embeddings[0, 0]) for one in command.positives] == [1.0, 0.25]
    assert again.space() == "a"
    clips = again.clips(command)
    assert [len(clip) for clip in clips] == [8_000, 8_000]
    assert np.abs(clips[0] - example()[1]).max() < 1e-4


def test_forgetting_deletes_the_recordings(store: CommandStore) -> None:
    command = store.add("on", [example()], space="a")
    store.add("off", [example()], space="a")
    store.forget("ON")
    assert [one.label for one in store.commands()] == ["off"]
    assert not (store.root / command.key).exists()


def test_renaming_keeps_the_recordings_and_takes_no_label_twice(store: CommandStore) -> None:
    store.add("on", [example()], space="a")
    store.add("off", [example()], space="a")
    with pytest.raises(CommandError, match="already"):
        store.rename("on", "Off")
    assert store.rename("on", "lamp on").label == "lamp on"
    assert len(store.clips(store.find("lamp on"))) == 1
    assert store.rename("off", "OFF").label == "OFF"


def test_a_mistyped_label_gets_a_hint(store: CommandStore) -> None:
    with pytest.raises(CommandError, match="no command") as caught:
        store.find("light")
    assert caught.value.fix == "nothing is taught yet"
    store.add("light on", [example()], space="a")
    with pytest.raises(CommandError) as caught:
        store.forget("light onn")
    assert "light on" in str(caught.value.fix)


@pytest.mark.parametrize("label", ["", "  \n", "x" * 200])
def test_a_label_that_is_none_is_refused(store: CommandStore, label: str) -> None:
    with pytest.raises(CommandError):
        store.add(label, [example()], space="a")
    assert store.commands() == []


def test_of_what_was_accepted_only_the_last_is_kept(store: CommandStore) -> None:
    store.add("on", [example()], space="a")
    for number in range(MAX_ACCEPTED + 3):
        command = store.add("on", [example("accepted", 1.0 + number)], space="a")
    values = [float(one.embeddings[0, 0]) for one in command.examples if one.kind == "accepted"]
    assert values == [1.0 + number for number in range(3, MAX_ACCEPTED + 3)]
    assert len(list((store.root / command.key).iterdir())) == MAX_ACCEPTED + 1
    assert command.examples[0].kind == "taught"


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: row["commands"][0].update(key="../../etc"),
        lambda row: row["commands"][0]["examples"][0].update(file="../x.flac"),
        lambda row: row["commands"][0]["examples"][0].update(embeddings="!!"),
        lambda row: row["commands"][0]["examples"][0].update(shape=[3, 3]),
        lambda row: row["commands"][0].update(examples=[]),
        lambda row: row.update(commands=7),
        lambda row: row.update(version=99),
    ],
)
def test_a_damaged_index_is_told_and_left_alone(store: CommandStore, damage: object) -> None:
    store.add("on", [example()], space="a")
    path = store.root / "commands.json"
    row = json.loads(path.read_text())
    damage(row)  # type: ignore[operator]
    path.write_text(json.dumps(row))
    for action in (store.commands, lambda: store.forget("on"), lambda: store.add("b", [example()], space="a")):
        with pytest.raises(FormatError, match=r"commands\.json"):
            action()
    assert json.loads(path.read_text()) == row
