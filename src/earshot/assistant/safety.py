"""Whether an order is carried out, asked about or refused: its risk against how surely it was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earshot.assistant.actions.base import Risk


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Confidences in [0, 1], rising. Below ``ask`` nothing is done, from ``do`` on what is harmless is done
    without asking, and from ``very_sure`` on also what is worth a question.
    """

    ask: float = 0.3
    do: float = 0.5
    very_sure: float = 0.95


@dataclass(frozen=True, slots=True)
class Decision:
    """reason: one sentence, for the log and the user. question: what to ask, where ``kind`` is "ask"."""

    kind: Literal["do", "ask", "refuse"]
    reason: str
    question: str = ""


THRESHOLDS = Thresholds()


def decide(
    risk: Risk,
    confidence: float,
    *,
    thresholds: Thresholds = THRESHOLDS,
    is_typed: bool = False,
    is_destructive: bool = False,
    what: str = "",
) -> Decision:
    """What to do with an order of that risk, heard with that confidence in [0, 1].

    is_typed: it was written, not spoken: then it is sure, and the only way to what is never done by voice.
    is_destructive: something may be lost for good: asked about always. what: the order, for the question.
    """
    question = f"{what or 'That'}: shall I?"
    if risk is Risk.NEVER and not is_typed:
        return Decision("refuse", "this is never done by voice: type it")
    sure = 1.0 if is_typed else confidence
    if not sure >= thresholds.ask:  # also when it is no number
        return Decision("refuse", f"I am not sure that I heard that ({sure:.2f})")
    if is_destructive or risk is Risk.NEVER:
        return Decision(
            "ask", "it cannot be taken back" if is_destructive else "it is never done unasked", question
        )
    if sure < thresholds.do:
        return Decision("ask", f"I am not sure that I heard that ({sure:.2f})", question)
    if risk is Risk.CONFIRM and sure < thresholds.very_sure:
        return Decision("ask", f"it is worth a question unless I am very sure ({sure:.2f})", question)
    return Decision("do", "harmless" if risk is Risk.LOW else "sure enough")
