"""The values that actions take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earshot.assistant.values import ValueType


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of an action.

    type: what it must be. is_required: it must be in the file or be said. is_spoken: where the file is silent, the
    slot of the same name gives it.
    """

    type: ValueType
    help: str = ""
    is_required: bool = False
    is_spoken: bool = False
