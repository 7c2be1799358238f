"""Timers and reminders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from earshot.assistant.actions.base import FunctionAction, Outcome, Surroundings
from earshot.assistant.actions.values import Number, Parameter, Text
from earshot.assistant.actions.wording import counted, said
from earshot.core.errors import ActionError

if TYPE_CHECKING:
    from earshot.assistant.timers import Timers

_LONGEST = 366 * 24 * 3600
_UNITS = {"hours": 3600, "minutes": 60, "seconds": 1}


def timers_of(surroundings: Surroundings) -> Timers:
    """The timers. Raises ActionError where nobody keeps any."""
    if surroundings.timers is None:
        raise ActionError("timers need the assistant to run", fix="start 'earshot assistant run'")
    return surroundings.timers


def _seconds(values: Mapping[str, Any]) -> float:
    total = sum(factor * values.get(unit, 0) for unit, factor in _UNITS.items())
    if not 0 < total <= _LONGEST:
        raise ActionError("a timer takes a second to a year", fix="say for how many minutes")
    return float(total)


def told(seconds: float, surroundings: Surroundings) -> str:
    """A time in words: 90.0 is "1 minute 30 seconds"."""
    left, words = round(seconds), []
    for unit, factor in _UNITS.items():
        count, left = divmod(left, factor)
        if count:
            words.append(counted(count, unit, surroundings))
    return " ".join(words) or counted(0, "seconds", surroundings)


def _plan(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:  # noqa: ARG001
    return ("timer.start", f"{_seconds(values):g}", values.get("label", ""))


def _start(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    seconds, label = _seconds(values), values.get("label", "")
    timers = timers_of(surroundings)
    timers.add(seconds, label)

    def undo() -> str:
        timers.cancel(label or None)
        return "The timer is off."

    what = said("reminder" if label else "timer", surroundings, time=told(seconds, surroundings))
    return Outcome("done", what, _plan(values, surroundings), undo)


def _cancel(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    timers_of(surroundings).cancel(values.get("label"))
    return Outcome("done", "The timer is off.", ("timer.cancel", values.get("label", "")))


def _list(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    found = timers_of(surroundings).list()
    now = datetime.now(UTC)
    lines = [
        f"{timer.label or said('a timer', surroundings)}: {told(max(0.0, -timer.late(now)), surroundings)}"
        for timer in found
    ]
    return Outcome("done", "\n".join(lines) or said("no timers", surroundings), ("timer.list",))


_LABEL = Parameter(Text(200), "what it is for", is_spoken=True)
_TIME = {
    unit: Parameter(Number(0, _LONGEST, is_whole=False), f"how many {unit}", is_spoken=True) for unit in _UNITS
}
ACTIONS = (
    FunctionAction(
        "timer.start",
        "start a timer, or remind of something",
        _start,
        {**_TIME, "label": _LABEL},
        planner=_plan,
    ),
    FunctionAction("timer.cancel", "stop a timer", _cancel, {"label": _LABEL}),
    FunctionAction("timer.list", "tell which timers run", _list),
)
