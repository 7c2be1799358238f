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
