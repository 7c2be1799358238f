"""How something is taken back: by another action with values of its own, so that it can be kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earshot.assistant.actions.base import Action, Surroundings


@dataclass(frozen=True, slots=True)
class Reversal:
    """Called, it does the action; the answer is the sentence to show."""

    action: Action
    values: Mapping[str, Any]
    surroundings: Surroundings

    def __call__(self) -> str:
        """Raises ActionError where it is too late."""
        return self.action.perform(self.values, self.surroundings).message

    def record(self) -> dict[str, Any]:
        """What ``restored`` makes the same of; JSON can hold it once paths are texts."""
        return {"do": self.action.name, "values": dict(self.values)}


def restored(record: Mapping[str, Any], actions: Mapping[str, Action], surroundings: Surroundings) -> Reversal:
    """The reversal of a record, its values read by their types anew.

    Raises KeyError or TypeError for what is no record, ActionError for values that will not do.
    """
    action = actions[record["do"]]
    values = {
        name: parameter.type.read(record["values"][name], surroundings.home)
        for name, parameter in action.parameters.items()
        if name in record["values"]
    }
    return Reversal(action, values, surroundings)
