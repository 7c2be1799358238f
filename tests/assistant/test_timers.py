from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from earshot.assistant.timers import MAX_TIMERS, Timers
from earshot.core.errors import ActionError, FormatError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_a_timer_rings_once_when_it_is_due(tmp_path: Path) -> None:
    clock = Clock()
    timers = Timers(tmp_path / "timers.json", clock=clock)
    timers.add(60, "tea")
    assert timers.due() == ()
    clock.now += timedelta(seconds=61)
    assert [timer.label for timer in timers.due()] == ["tea"]
    assert timers.due() == ()


def test_they_survive_a_restart_and_late_ones_are_told(tmp_path: Path) -> None:
    clock = Clock()
    Timers(tmp_path / "timers.json", clock=clock).add(600, "tea")
    clock.now += timedelta(hours=3)
    ringing = Timers(tmp_path / "timers.json", clock=clock).due()
    assert [timer.label for timer in ringing] == ["tea"]
    assert ringing[0].late(clock.now) == pytest.approx(3 * 3600 - 600)


def test_two_programs_share_a_file_and_one_of_them_rings(tmp_path: Path) -> None:
    clock = Clock()
    first, second = (Timers(tmp_path / "timers.json", clock=clock) for _ in range(2))
    assert second.list() == ()
    first.add(10, "egg")
    first.add(20, "tea")
    assert [timer.label for timer in second.list()] == ["egg", "tea"]
    clock.now += timedelta(seconds=15)
    assert [timer.label for timer in second.due()] == ["egg"]
    assert first.due() == ()


def test_the_next_one_is_cancelled_or_the_named_one(tmp_path: Path) -> None:
    timers = Timers(None, clock=Clock())
    timers.add(30, "tea")
    timers.add(10, "Egg")
    timers.add(20)
    assert timers.cancel("TEA").label == "tea"
    assert timers.cancel().label == "Egg"
    with pytest.raises(ActionError, match="no timer 'tea'"):
        timers.cancel("tea")


def test_a_moment_may_be_named(tmp_path: Path) -> None:
    timers = Timers(None, clock=Clock())
    assert timers.add(at=NOON + timedelta(hours=1)).due == NOON + timedelta(hours=1)


@pytest.mark.parametrize("seconds", [0, -5, float("nan"), float("inf"), 1e9])
def test_impossible_moments_are_refused(seconds: float) -> None:
    with pytest.raises(ActionError, match="cannot ring"):
        Timers(None, clock=Clock()).add(seconds)


def test_there_is_an_end_to_timers() -> None:
    timers = Timers(None, clock=Clock())
    for number in range(MAX_TIMERS):
        timers.add(10 + number)
    with pytest.raises(ActionError, match="cancel some"):
        timers.add(5)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"timers": [{}]}', '{"timers": [{"due": "2026-03-01T12:00:00", "label": ""}]}']
)
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "timers.json").write_text(content)
    with pytest.raises(FormatError, match="holds no timers"):
        Timers(tmp_path / "timers.json").list()


def test_labels_cannot_carry_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "timers.json"
    Timers(path, clock=Clock()).add(5, "tea\x1b[31m\n" + "x" * 500)
    label = json.loads(path.read_text())["timers"][0]["label"]
    assert label.isprintable()
    assert len(label) == 200
