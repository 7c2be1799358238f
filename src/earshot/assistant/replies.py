"""What passes between a dialogue and whoever runs it: replies, what is expected, and whom it needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from earshot.assistant.actions.base import Order, Outcome
from earshot.assistant.safety import Decision


class Phase(StrEnum):
    """What the next words will be taken for."""

    ASLEEP = "asleep"
    LISTENING = "listening"
    CONFIRMING = "confirming"
    ASKING = "asking"


ReplyKind: TypeAlias = Literal[
    "listening",
    "asleep",
    "heard",
    "question",
    "done",
    "failed",
    "refused",
    "cancelled",
    "not-understood",
    "ignored",
    "dictation",
    "dictated",
    "dictation-over",
    "timer",
    "said",
]
Tone: TypeAlias = Literal["listening", "done", "refused"]

_TONES: dict[ReplyKind, Tone] = {
    "listening": "listening",
    "question": "listening",
    "done": "done",
    "dictation": "done",
    "dictation-over": "done",
    "failed": "refused",
    "refused": "refused",
    "cancelled": "refused",
    "not-understood": "refused",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing to show. text: one line, may be empty. is_spoken: it is worth saying aloud. order: which."""

    kind: ReplyKind
    text: str = ""
    is_spoken: bool = False
    order: Order | None = None
    outcome: Outcome | None = None

    @property
    def tone(self) -> Tone | None:
        """The sound that goes with it."""
        return _TONES.get(self.kind)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is listened for: an order, yes or no, or the value of a slot."""

    kind: Literal["order", "answer", "value"] = "order"
    intent: str = ""
    slot: str = ""


class Performs(Protocol):
    """The part of ``Performer`` that a dialogue needs."""

    def missing(self, order: Order) -> tuple[str, ...]:
        """Slots that the action needs and the order lacks."""
        ...

    def ask_for(self, slot: str, order: Order | None = None) -> str:
        """The question for one."""
        ...

    def decide(self, order: Order) -> Decision:
        """Do, ask or refuse."""
        ...

    def perform(self, order: Order, *, is_confirmed: bool = False) -> Outcome:
        """Do it."""
        ...


class Dictates(Protocol):
    """The part of ``Dictation`` that a dialogue needs."""

    is_over: bool

    def accept(self, text: str) -> object:
        """Type what was said. Raises ActionError."""
        ...


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """Seconds of waiting. is_open: it never sleeps, and what it does not understand was not meant for it.

    listening: for an order after waking. follow_up: for another one, without waking again.
    confirmation: for yes or no, and then it is no. answer: for the value of a slot.
    """

    is_open: bool = False
    listening: float = 8.0
    follow_up: float = 6.0
    confirmation: float = 12.0
    answer: float = 15.0
