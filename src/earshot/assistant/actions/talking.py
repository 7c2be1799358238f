"""What the assistant says of itself and of the time, and taking back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from earshot.assistant.actions.base import FunctionAction, Outcome, Surroundings
from earshot.assistant.actions.values import Parameter, Text
from earshot.assistant.actions.wording import said


def _say(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    return Outcome("done", values["text"], ("say.text", values["text"]))


def _heard(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    heard = [text for text in surroundings.heard() if text.strip()]
    message = said("heard", surroundings, text=heard[-1]) if heard else said("heard nothing", surroundings)
    return Outcome("done", message, ("say.heard",))


def _time(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    return Outcome("done", said("time", surroundings, time=f"{datetime.now():%H:%M}"), ("say.time",))


def _date(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    now = datetime.now()
    weekday = said("weekdays", surroundings).split()[now.weekday()]
    message = said("date", surroundings, weekday=weekday, date=f"{now:%Y-%m-%d}")
    return Outcome("done", message, ("say.date",))


def _undo(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    return surroundings.undo()


def _help(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
    return Outcome("done", "\n".join(surroundings.help()) or said("no help", surroundings), ("say.help",))


ACTIONS = (
    FunctionAction(
        "say.text",
        "say a sentence",
        _say,
        {"text": Parameter(Text(), "the sentence", is_required=True, is_spoken=True)},
    ),
    FunctionAction("say.heard", "tell what was said last", _heard),
    FunctionAction("say.time", "tell the time", _time),
    FunctionAction("say.date", "tell the date", _date),
    FunctionAction("say.help", "tell what can be said", _help),
    FunctionAction("undo", "take back the last thing that was done", _undo),
)
