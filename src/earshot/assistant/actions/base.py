"""What every action has: a name, a risk, values that it takes, and a way to be done.

An action never asks and never decides; that is the matter of ``safety`` and of the dialogue. It gets values
that were checked by their types, and tells in one sentence what it did, or raises ActionError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from earshot.assistant.actions.values import Parameter
    from earshot.assistant.desktop.base import Desktop
    from earshot.assistant.recognition import Recognition
    from earshot.assistant.timers import Timers


class Risk(StrEnum):
    """How much may go wrong: done at once, asked about unless very sure, or not to be spoken at all."""

    LOW = "low"
    CONFIRM = "confirm"
    NEVER = "never-by-voice"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Risk).index(self)


@dataclass(frozen=True, slots=True)
class Order:
    """What was understood.

    slots: as the grammar gives them, unchecked. text: the words. confidence: in [0, 1]. audio: where the sound
    is kept, if it is. speaker: whose voice it was; None when unknown or not asked for.
    """

    intent: str
    slots: Mapping[str, Any]
    text: str
    confidence: float
    is_typed: bool = False
    audio: str | None = None
    speaker: str | None = None

    @classmethod
    def from_recognition(
        cls, recognition: Recognition, *, audio: str | None = None, speaker: str | None = None
    ) -> Order:
        """Of what was heard. Raises ValueError where no sentence of the grammar fits."""
        if recognition.intent is None:
            raise ValueError("nothing was understood: there is no order")
        return cls(
            recognition.intent,
            recognition.slots,
            recognition.text,
            recognition.confidence,
            audio=audio,
            speaker=speaker,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order.

    message: one sentence to show or speak; may be empty. argv: the program that ran, or what was done, in
    words. undo: takes it back and tells so in a sentence; None where that is impossible.
    """

    status: Literal["done", "failed", "dry-run"]
    message: str = ""
    argv: tuple[str, ...] = ()
    undo: Callable[[], str] | None = None


def _no_help() -> Sequence[str]:
    return ()


def _nothing_to_undo() -> Outcome:
    return Outcome("failed", "There is nothing to undo.")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What actions reach the world by.

    say: shows or speaks a sentence. heard: the last texts, newest last. home: the user's folder, for ``~``.
    environment: the variables programs get. language: ISO 639-1, of the answers. no_desktop: why there is none.
    undo and help are the performer's, set by it.
    """

    desktop: Desktop | None
    timers: Timers | None
    say: Callable[[str], None]
    heard: Callable[[], Sequence[str]]
    home: Path
    environment: Mapping[str, str]
    language: str = "en"
    no_desktop: str = ""
    undo: Callable[[], Outcome] = field(default=_nothing_to_undo)
    help: Callable[[], Sequence[str]] = field(default=_no_help)


class Action(Protocol):
    """One thing that can be done, such as "media.play"."""

    @property
    def name(self) -> str:
        """As written after ``do``."""
        ...

    @property
    def help(self) -> str:
        """One line."""
        ...

    @property
    def risk(self) -> Risk:
        """Unless the file says another."""
        ...

    @property
    def is_destructive(self) -> bool:
        """Whether something may be lost for good; then it is always asked about."""
        ...

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The values that it takes, by name."""
        ...

    def plan(self, values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:
        """What would be done, as an argv or in words; touches nothing."""
        ...

    def perform(self, values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
        """Do it. values: checked, by the names of the parameters. Raises ActionError in one line."""
        ...


Perform = Callable[[Mapping[str, Any], Surroundings], Outcome]
Plan = Callable[[Mapping[str, Any], Surroundings], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FunctionAction:
    """An action made of functions: the built-in ones are."""

    name: str
    help: str
    function: Perform
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    risk: Risk = Risk.LOW
    is_destructive: bool = False
    planner: Plan | None = None

    def plan(self, values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:
        """The planner's answer, else the name with the values."""
        if self.planner is not None:
            return self.planner(values, surroundings)
        return (self.name, *(f"{name}={value}" for name, value in values.items()))

    def perform(self, values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
        """Call the function."""
        return self.function(values, surroundings)
