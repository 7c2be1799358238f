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

_WORDS = {
    "en": {
        "question": "{what}: shall I?",
        "typed only": "this is never done by voice: type it",
        "unsure": "I am not sure that I heard that ({sure:.2f})",
        "for good": "it cannot be taken back",
        "unasked": "it is never done unasked",
        "risky": "it is worth a question unless I am very sure ({sure:.2f})",
    },
    "ru": {
        "question": "{what}: сделать?",
        "typed only": "голосом этого делать нельзя: наберите на клавиатуре",
        "unsure": "не уверен, что расслышал ({sure:.2f})",
        "for good": "это нельзя отменить",
        "unasked": "без вопроса это не делается",
        "risky": "лучше спросить, если нет полной уверенности ({sure:.2f})",
    },
}
"""What is told to the user, by language."""


def decide(
    risk: Risk,
    confidence: float,
    *,
    thresholds: Thresholds = THRESHOLDS,
    is_typed: bool = False,
    is_destructive: bool = False,
    what: str = "",
    language: str = "en",
) -> Decision:
    """What to do with an order of that risk, heard with that confidence in [0, 1].

    is_typed: it was written, not spoken: then it is sure, and the only way to what is never done by voice.
    is_destructive: something may be lost for good: asked about always. what: the order, for the question.
    language: ISO 639-1, of reason and question; English where it is none of ours.
    """
    words = _WORDS.get(language, _WORDS["en"])
    sure = 1.0 if is_typed else confidence
    question = words["question"].format(what=what.rstrip(" .!?") or "…")
    unsure = words["unsure"].format(sure=sure)
    if risk is Risk.NEVER and not is_typed:
        return Decision("refuse", words["typed only"])
    if not sure >= thresholds.ask:  # also when it is no number
        return Decision("refuse", unsure)
    if is_destructive or risk is Risk.NEVER:
        return Decision("ask", words["for good" if is_destructive else "unasked"], question)
    if sure < thresholds.do:
        return Decision("ask", unsure, question)
    if risk is Risk.CONFIRM and sure < thresholds.very_sure:
        return Decision("ask", words["risky"].format(sure=sure), question)
    return Decision("do", "harmless" if risk is Risk.LOW else "sure enough")
