"""Actions that other packages bring, by the entry points of the group ``earshot.actions``.

An entry point is a function, or an object with all that ``Action`` asks for. A function gets the slots by the
names of its parameters; annotations str, int, float and bool say what they must be; what it returns is the
answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_type_hints

from earshot.assistant.actions.base import Action, FunctionAction, Outcome, Risk, Surroundings
from earshot.assistant.actions.values import Flag, Number, Parameter, Text, ValueType
from earshot.core.errors import ActionError

GROUP = "earshot.actions"

_TYPES: dict[object, ValueType] = {
    str: Text(),
    int: Number(),
    float: Number(is_whole=False),
    bool: Flag(),
    inspect.Parameter.empty: Text(),
}


def found() -> dict[str, EntryPoint]:
    """The entry points by their names; nothing of theirs is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load(point: EntryPoint) -> Action:
    """The action. Raises ActionError where the package is broken or offers something else."""
    try:
        target = point.load()
    except Exception as error:
        raise ActionError(
            f"the action {point.name} of {point.value} cannot be loaded: {type(error).__name__}: {error}",
            fix="update the package, or remove the action from the file",
        ) from error
    if all(hasattr(target, part) for part in ("name", "help", "risk", "parameters", "plan", "perform")):
        action: Action = target
        return action
    if inspect.isfunction(target):
        return from_function(point.name, target)
    raise ActionError(f"the action {point.name} of {point.value} is neither a function nor an action")


def from_function(name: str, function: Callable[..., object]) -> Action:
    """A function as an action. Raises ActionError for parameters that cannot be said."""
    hints = get_type_hints(function)
    parameters: dict[str, Parameter] = {}
    for parameter in inspect.signature(function).parameters.values():
        kind = _TYPES.get(hints.get(parameter.name, inspect.Parameter.empty))
        if kind is None or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ActionError(
                f"the parameter {parameter.name} of {name} cannot be said",
                fix="annotate it with str, int, float or bool",
            )
        is_required = parameter.default is parameter.empty
        parameters[parameter.name] = Parameter(kind, is_required=is_required, is_spoken=True)

    def perform(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
        try:
            said = function(**values)
        except ActionError:
            raise
        except Exception as error:  # of a stranger: it must not end the assistant
            raise ActionError(f"{name} failed: {type(error).__name__}: {error}") from error
        words = (name, *(f"{key}={value}" for key, value in values.items()))
        return Outcome("done", "" if said is None else str(said), words)

    help_line = (inspect.getdoc(function) or name).splitlines()[0]
    return FunctionAction(name, help_line, perform, parameters, risk=Risk.CONFIRM)
