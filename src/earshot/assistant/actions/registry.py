"""All actions there are, by name: the built-in ones, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint

from earshot.assistant.actions import (
    desktop,
    http,
    media,
    notes,
    opening,
    packages,
    programs,
    projects,
    sequences,
    talking,
    timing,
)
from earshot.assistant.actions.base import Action

_ROOMS = (media, opening, projects, notes, desktop, timing, talking, programs, sequences, http)


class Registry(Mapping[str, Action]):
    """Actions by name. What other packages bring is imported when it is asked for, not before."""

    def __init__(self) -> None:
        self._own: dict[str, Action] = {action.name: action for room in _ROOMS for action in room.ACTIONS}
        self._points: dict[str, EntryPoint] = {
            name: point for name, point in packages.found().items() if name not in self._own
        }

    def __getitem__(self, name: str) -> Action:
        """Raises KeyError for an unknown name, ActionError for a broken package."""
        if name in self._points:
            self._own[name] = packages.load(self._points.pop(name))
        return self._own[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._points

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *self._points])

    def __len__(self) -> int:
        return len(self._own) + len(self._points)
