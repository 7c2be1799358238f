"""All that the assistant does, by what is meant: the shipped set, and the user's file over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot.assistant.action_files import Document, read_document
from earshot.assistant.actions.registry import Registry
from earshot.assistant.binding import Binder, BoundAction
from earshot.assistant.homes import STARTER_ACTIONS, user_actions_file
from earshot.core.errors import nearest


class ActionBook:
    """What is done for each intent. Unchanging, so safe to use from several threads.

    examples: a sentence for an intent, shown by help.
    """

    def __init__(
        self, actions: Mapping[str, BoundAction], *, examples: Mapping[str, str] | None = None
    ) -> None:
        self._actions = dict(actions)
        self.examples: Mapping[str, str] = examples or {}

    @classmethod
    def load(cls, path: Path | None = None, *, examples: Mapping[str, str] | None = None) -> ActionBook:
        """The shipped set, and a .toml or .yaml file over it; without one the user's own, where there is one.

        An entry of the file adds to the shipped one of that name; where it says another ``do``, it takes its
        place, and ``enabled = false`` removes it. Raises ActionError that names file and line.
        """
        shipped = read_document(STARTER_ACTIONS)
        own = path or user_actions_file()
        document = _over(shipped, read_document(own)) if own is not None else shipped
        binder = Binder(document, Registry())
        actions = {
            intent: binder.bind(intent, entry, ["actions", intent])
            for intent, entry in document.root["actions"].items()
            if _is_enabled(document, intent, entry)
        }
        return cls(actions, examples=examples)

    def names(self) -> tuple[str, ...]:
        """The intents, in the order of the files."""
        return tuple(self._actions)

    def for_intent(self, intent: str) -> BoundAction | None:
        """What is done for it; None where nothing is."""
        return self._actions.get(intent)

    def help_lines(self) -> list[str]:
        """A line for everything that can be said: an example, and what it does."""
        return [
            f"{self.examples[intent]}: {action.action.help}"
            for intent, action in self._actions.items()
            if intent in self.examples
        ]


def _over(shipped: Document, own: Document) -> Document:
    """One document of two."""
    for key in own.root:
        if key != "actions":
            raise own.error([key], f"the file has no part {key!r}", fix=nearest(key, ["actions"]))
    entries = own.root.get("actions", {})
    if not isinstance(entries, Mapping):
        raise own.error(["actions"], "actions must be names with what is done", fix='write do = "…" below')
    merged: dict[str, Any] = dict(shipped.root["actions"])
    places = dict(shipped.places)
    for intent, entry in entries.items():
        if not isinstance(entry, Mapping):
            raise own.error(
                ["actions", intent], f"{intent} must say what is done", fix=f"write [actions.{intent}]"
            )
        before = merged.get(intent, {})
        if before and entry.get("do", before["do"]) == before["do"]:
            merged[intent] = {**before, **entry}
        else:
            merged[intent] = dict(entry)
    places |= own.places
    return Document(own.file, {"actions": merged}, places)


def _is_enabled(document: Document, intent: str, entry: Mapping[str, Any]) -> bool:
    enabled = entry.get("enabled", True)
    if not isinstance(enabled, bool):
        raise document.error(["actions", intent, "enabled"], "enabled is true or false")
    return enabled
