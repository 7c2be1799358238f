"""An entry of an actions file bound to its action: checked when it is read, filled when it is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from earshot.assistant.action_files import Document
from earshot.assistant.actions.base import Action, Order, Outcome, Risk, Surroundings
from earshot.assistant.actions.filling import Phrase, Slot, filled, parsed, slots_in
from earshot.assistant.actions.sequences import Steps
from earshot.assistant.actions.values import Parameter, ValueType
from earshot.assistant.slot_types import SlotType, Spoken, slot_type
from earshot.core.errors import ActionError, nearest

OWN_KEYS = ("do", "risk", "destructive", "undo", "ask", "answer", "slots", "enabled")
"""Keys of an entry that are not the action's own."""

_STEP_KEYS = ("do",)
"""Of a step within an entry: all else is told once, by the entry."""

_MAX_DEPTH = 5


@runtime_checkable
class FilledType(Protocol):
    """A type that says itself where slots may stand in it and how they are written."""

    def check(self, written: object, slots: Mapping[str, ValueType]) -> None:
        """Whether a parsed value of the file will do. slots: their types. Raises ActionError."""
        ...

    def fill(self, written: Any, slots: Mapping[str, Any], home: Path) -> Any:
        """The value. Raises ActionError."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """An action with all that it needs."""

    action: Action
    values: Mapping[str, Any]

    def plan(self, surroundings: Surroundings) -> tuple[str, ...]:
        """What would be done."""
        return self.action.plan(self.values, surroundings)

    def perform(self, surroundings: Surroundings) -> Outcome:
        """Do it."""
        return self.action.perform(self.values, surroundings)


@dataclass(frozen=True, slots=True)
class BoundAction:
    """What is done for an intent.

    written: the values of the file, parsed. slots: the types of slots that the file gives. asks: the question
    for a slot, by language. answers: what is said when it is done, by language; "" for all. undo: what takes it
    back, where the file says so.
    """

    intent: str
    action: Action
    written: Mapping[str, Any]
    risk: Risk
    is_destructive: bool = False
    slots: Mapping[str, SlotType] = field(default_factory=dict)
    asks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers: Mapping[str, Phrase | str] = field(default_factory=dict)
    undo: BoundAction | None = None

    def needed(self) -> tuple[str, ...]:
        """The slots without which it cannot be done, in their order."""
        names = list(slots_in([self.written[name] for name in self.action.parameters if name in self.written]))
        for steps in _steps_of(self.action, self.written):
            names += steps.needed()
        names += self.undo.needed() if self.undo else ()
        for name, parameter in self.action.parameters.items():
            if parameter.is_required and parameter.is_spoken and name not in self.written:
                names.append(name)
        return tuple(name for name in dict.fromkeys(names) if not self._has_default(name))

    def secrets(self) -> frozenset[str]:
        """The slots that are never written down."""
        return frozenset(name for name, kind in self.slots.items() if kind.is_secret)

    def step(self, order: Order, home: Path) -> Step:
        """The action with the order's slots filled in and everything checked. Raises ActionError."""
        return self._filled(self.read_slots(order, home), home)

    def read_slots(self, order: Order, home: Path) -> dict[str, Any]:
        """The slots that are used, by their types. Raises ActionError."""
        spoken = [name for name, parameter in self.action.parameters.items() if parameter.is_spoken]
        values: dict[str, Any] = {}
        for name in dict.fromkeys([*self.needed(), *spoken, *self.slots]):
            kind = self.slots.get(name, SlotType(Spoken()))
            raw = order.slots.get(name, kind.default)
            if raw is None or raw == "":
                if name in self.needed():
                    raise ActionError(f"{name} is missing", fix=self.ask_for(name))
                continue
            try:
                values[name] = kind.type.read(raw, home)
            except ActionError as error:
                raise ActionError(f"{name}: {error.message}", fix=error.fix) from None
        return values

    def ask_for(self, slot: str, language: str = "en") -> str:
        """The question for a slot."""
        wordings = self.asks.get(slot, {})
        return wordings.get(language) or wordings.get("en") or f"Which {slot.replace('_', ' ')}?"

    def answer(self, message: str, slots: Mapping[str, Any], language: str) -> str:
        """What is said when it is done. message: the action's own words."""
        phrase = self.answers.get(language, self.answers.get(""))
        if phrase is None:
            return message
        return str(filled(phrase, {"message": message, **slots}))

    def taken_back_by(self, slots: Mapping[str, Any], home: Path) -> Step | None:
        """What the file says takes it back."""
        return self.undo._filled(slots, home) if self.undo is not None else None

    def _filled(self, slots: Mapping[str, Any], home: Path) -> Step:
        values: dict[str, Any] = {}
        for name, parameter in self.action.parameters.items():
            if name in self.written:
                written = self.written[name]
            elif parameter.is_spoken and name in slots:
                written = Phrase((Slot(name),))
            else:
                continue
            try:
                values[name] = self._value(parameter, written, slots, home)
            except ActionError as error:
                raise ActionError(f"{name}: {error.message}", fix=error.fix) from None
        return Step(self.action, values)

    def _value(self, parameter: Parameter, written: Any, slots: Mapping[str, Any], home: Path) -> Any:
        if isinstance(parameter.type, Steps):
            return tuple(step._filled(slots, home) for step in written)
        if isinstance(parameter.type, FilledType):
            return parameter.type.fill(written, slots, home)
        return parameter.type.read(filled(written, slots), home)

    def _has_default(self, slot: str) -> bool:
        return slot in self.slots and self.slots[slot].default is not None


class Binder:
    """Binds the entries of one document."""

    def __init__(self, document: Document, actions: Mapping[str, Action]) -> None:
        self._document = document
        self._actions = actions

    def bind(self, intent: str, entry: object, path: Sequence[str]) -> BoundAction:
        """One entry. path: its keys in the document. Raises ActionError that names file and line."""
        slots = self._slots(entry, path) if isinstance(entry, Mapping) else {}
        return self._bound(intent, entry, path, slots, 0)

    def _bound(
        self, intent: str, entry: object, path: Sequence[str], slots: Mapping[str, SlotType], depth: int
    ) -> BoundAction:
        table = self._table(entry, path, f"the action {intent}")
        if depth > _MAX_DEPTH:
            raise self._document.error(path, f"the action {intent} is nested too deeply")
        action = self._action(table, path)
        known = [*(_STEP_KEYS if depth else OWN_KEYS), *action.parameters]
        for key in table:
            if key not in known:
                raise self._document.error(
                    [*path, key], f"{action.name} has no {key!r}", fix=nearest(key, known)
                )
        written = {
            name: self._written(intent, action, name, table[name], [*path, name], slots, depth)
            for name in action.parameters
            if name in table
        }
        self._require(action, written, path)
        undo = table.get("undo")
        bound = BoundAction(
            intent,
            action,
            written,
            risk=self._risk(table, path, action, written),
            is_destructive=self._flag(table, path, action, written),
            slots=slots,
            asks=self._asks(table, path),
            answers=self._answers(table, path),
            undo=self._bound(intent, undo, [*path, "undo"], slots, depth + 1) if undo is not None else None,
        )
        self._check_plain(bound, path)
        return bound

    def _action(self, table: Mapping[str, Any], path: Sequence[str]) -> Action:
        name = table.get("do")
        if not isinstance(name, str):
            raise self._document.error(path, "do is missing", fix='write what is done: do = "media.play"')
        if name not in self._actions:
            fix = nearest(name, self._actions)
            raise self._document.error([*path, "do"], f"there is no action {name!r}", fix=fix)
        try:
            return self._actions[name]
        except ActionError as error:
            raise self._document.error([*path, "do"], error.message, fix=error.fix) from error

    def _written(
        self,
        intent: str,
        action: Action,
        name: str,
        value: object,
        path: Sequence[str],
        slots: Mapping[str, SlotType],
        depth: int,
    ) -> Any:
        kind = action.parameters[name].type
        if isinstance(kind, Steps):
            if not isinstance(value, list) or not value:
                raise self._document.error(path, f"{kind.expected} is expected")
            return [self._bound(intent, step, path, slots, depth + 1) for step in value]
        try:
            written = parsed(value)
            if isinstance(kind, FilledType):
                kind.check(written, {slot: slot_type.type for slot, slot_type in slots.items()})
        except ActionError as error:
            raise self._document.error(path, f"{name}: {error.message}", fix=error.fix) from None
        return written

    def _require(self, action: Action, written: Mapping[str, Any], path: Sequence[str]) -> None:
        for name, parameter in action.parameters.items():
            if parameter.is_required and not parameter.is_spoken and name not in written:
                what = f"{action.name} needs {name}"
                raise self._document.error(path, what, fix=f"write {name} = …, {parameter.type.expected}")

    def _check_plain(self, bound: BoundAction, path: Sequence[str]) -> None:
        """Values without slots are read now, so that a mistake is told before anything is said."""
        for name, written in bound.written.items():
            kind = bound.action.parameters[name].type
            if isinstance(kind, Steps | FilledType) or any(slots_in(written)):
                continue
            try:
                kind.read(written, Path("/"))
            except ActionError as error:
                raise self._document.error([*path, name], f"{name}: {error.message}", fix=error.fix) from None

    def _risk(
        self, table: Mapping[str, Any], path: Sequence[str], action: Action, written: Mapping[str, Any]
    ) -> Risk:
        if "risk" in table:
            if table["risk"] not in list(Risk):
                fix = f"write one of {', '.join(Risk)}"
                raise self._document.error([*path, "risk"], f"there is no risk {table['risk']!r}", fix=fix)
            return Risk(table["risk"])
        risks = [action.risk, *(step.risk for step in _steps_of(action, written))]
        return max(risks, key=lambda risk: risk.rank)

    def _flag(
        self, table: Mapping[str, Any], path: Sequence[str], action: Action, written: Mapping[str, Any]
    ) -> bool:
        if "destructive" in table:
            if not isinstance(table["destructive"], bool):
                raise self._document.error([*path, "destructive"], "destructive is true or false")
            return table["destructive"]
        return action.is_destructive or any(step.is_destructive for step in _steps_of(action, written))

    def _slots(self, table: Mapping[str, Any], path: Sequence[str]) -> dict[str, SlotType]:
        entries = self._table(table.get("slots", {}), [*path, "slots"], "slots")
        found = {}
        for name, entry in entries.items():
            here = [*path, "slots", name]
            try:
                found[name] = slot_type(self._table(entry, here, f"the slot {name}"))
            except ActionError as error:
                raise self._document.error(here, f"the slot {name}: {error.message}", fix=error.fix) from None
        return found

    def _asks(self, table: Mapping[str, Any], path: Sequence[str]) -> dict[str, dict[str, str]]:
        asks = self._table(table.get("ask", {}), [*path, "ask"], "ask")
        return {slot: self._wordings(entry, [*path, "ask", slot]) for slot, entry in asks.items()}

    def _answers(self, table: Mapping[str, Any], path: Sequence[str]) -> dict[str, Phrase | str]:
        here = [*path, "answer"]
        wordings = self._wordings(table["answer"], here) if "answer" in table else {}
        try:
            answers: dict[str, Phrase | str] = {language: parsed(text) for language, text in wordings.items()}
        except ActionError as error:
            raise self._document.error(here, error.message, fix=error.fix) from None
        return answers

    def _wordings(self, entry: object, path: Sequence[str]) -> dict[str, str]:
        """A text for all languages, or one for each."""
        if isinstance(entry, str):
            return {"en": entry, "": entry}
        table = self._table(entry, path, path[-1])
        for language, text in table.items():
            if not isinstance(text, str):
                raise self._document.error([*path, language], f"a text is expected for {language}")
        return dict(table)

    def _table(self, entry: object, path: Sequence[str], what: str) -> Mapping[str, Any]:
        if not isinstance(entry, Mapping):
            raise self._document.error(
                path, f"{what} must be names with values", fix="write name = value below it"
            )
        return entry


def _steps_of(action: Action, written: Mapping[str, Any]) -> Iterator[BoundAction]:
    for name, parameter in action.parameters.items():
        if isinstance(parameter.type, Steps):
            yield from written.get(name, ())
