"""Several actions one after the other: it stops at the first that fails, and takes back in reverse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.assistant.actions.base import FunctionAction, Outcome, Surroundings
from earshot.assistant.actions.reversal import Reversal, restored
from earshot.assistant.actions.values import Parameter
from earshot.core.errors import ActionError


@dataclass(frozen=True, slots=True)
class Steps:
    """A list of entries, each with ``do``."""

    @property
    def expected(self) -> str:
        """For messages."""
        return "a list of actions, each with do = …"

    def read(self, value: object, home: Path) -> tuple[Any, ...]:  # noqa: ARG002 - the signature of all types
        """Steps that were bound already."""
        return tuple(value) if isinstance(value, Sequence) else ()


@dataclass(frozen=True, slots=True)
class Records:
    """Records of reversals."""

    @property
    def expected(self) -> str:
        """For messages."""
        return "records of what takes back"

    def read(self, value: object, home: Path) -> tuple[Any, ...]:  # noqa: ARG002 - the signature of all types
        """As they are; each is read when it is done."""
        if not isinstance(value, list | tuple):
            raise ActionError(f"{self.expected} are expected")
        return tuple(value)


def _plan(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:
    words: list[str] = []
    for step in values["steps"]:
        words += [*(["then"] if words else []), *step.plan(surroundings)]
    return tuple(words)


def _perform(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    done: list[Outcome] = []
    for number, step in enumerate(values["steps"], 1):
        try:
            outcome = step.perform(surroundings)
        except ActionError as error:
            raise _stopped(number, error.message, error.fix, done) from error
        if outcome.status == "failed":
            raise _stopped(number, outcome.message, None, done)
        done.append(outcome)
    message = " ".join(outcome.message for outcome in done if outcome.message)
    return Outcome("done", message, _plan(values, surroundings), _in_reverse(done, surroundings))


def _stopped(number: int, message: str, fix: str | None, done: Sequence[Outcome]) -> ActionError:
    """What was done before is taken back where it can be."""
    taken_back = sum(1 for outcome in reversed(done) if outcome.undo and _undone(outcome.undo))
    what = f"step {number} failed: {message}"
    if done:
        what += f"; {taken_back} of {len(done)} steps before it were taken back"
    return ActionError(what, fix=fix)


def _undone(undo: Callable[[], str]) -> bool:
    try:
        undo()
    except ActionError:
        return False
    return True


def _in_reverse(done: Sequence[Outcome], surroundings: Surroundings) -> Callable[[], str] | None:
    """None where one of the steps cannot be taken back."""
    undos = [outcome.undo for outcome in reversed(done) if outcome.undo is not None]
    if len(undos) < len(done) or not undos:
        return None
    records = [undo.record() for undo in undos if isinstance(undo, Reversal)]
    if len(records) == len(undos):
        return Reversal(_TAKE_BACK, {"records": tuple(records)}, surroundings)
    return lambda: " ".join(undo() for undo in undos)


def _take_back(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    from earshot.assistant.actions.registry import Registry  # it knows this file, too

    actions = Registry()
    try:
        undos = [restored(record, actions, surroundings) for record in values["records"]]
    except (KeyError, TypeError):
        raise ActionError("it is not known any more how to take that back") from None
    return Outcome("done", " ".join(undo() for undo in undos), ("sequence.take-back",))


_TAKE_BACK = FunctionAction(
    "sequence.take-back",
    "take back the steps of a sequence",
    _take_back,
    {"records": Parameter(Records(), "what takes back each", is_required=True)},
)


ACTIONS = (
    FunctionAction(
        "sequence",
        "do several things one after the other",
        _perform,
        {"steps": Parameter(Steps(), "the actions, in their order", is_required=True)},
        planner=_plan,
    ),
    _TAKE_BACK,
)
