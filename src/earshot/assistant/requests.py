"""Requests of the control socket, and replies as JSON has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from earshot.assistant.listening import Listener
from earshot.assistant.replies import Phase, Reply
from earshot.core.errors import ActionError, nearest
from earshot.text.clean import clean_text

MAX_TEXT = 2_000
"""Characters of a typed order."""

_PATIENCE = 10.0
"""Seconds that a request waits while an action runs."""


def answer(listener: Listener, request: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a request on the listener's own thread. Raises ActionError for one that is none."""
    name = request["do"]
    if name not in _VERBS:
        raise ActionError(f"there is no request {str(name)[:40]!r}", fix=nearest(str(name)[:40], _VERBS))
    asked = listener.ask(lambda on: _VERBS[name](on, request))
    try:
        answered = asked.result(_PATIENCE)
    except CancelledError as error:
        raise ActionError("the assistant is ending") from error
    except FutureTimeout as error:
        asked.cancel()
        raise ActionError("the assistant is busy", fix="wait for what it does, and try again") from error
    assert isinstance(answered, dict)
    return answered


def as_row(reply: Reply) -> dict[str, Any]:
    """A reply as a line of JSON: type and text, and of an order what was understood and done."""
    row: dict[str, Any] = {"type": reply.kind, "text": reply.text}
    if reply.order is not None:
        row["intent"] = reply.order.intent
        row["slots"] = dict(reply.order.slots)
        row["confidence"] = round(reply.order.confidence, 3)
        row["order"] = reply.order.text
    if reply.outcome is not None:
        row["status"] = reply.outcome.status
        row["argv"] = list(reply.outcome.argv)
    return row


def _status(listener: Listener) -> dict[str, Any]:
    dialogue = listener.dialogue
    row: dict[str, Any] = {"phase": str(dialogue.phase), "dictating": dialogue.is_dictating}
    if dialogue.phase in (Phase.CONFIRMING, Phase.ASKING):
        row["question"] = dialogue.question
    return row


def _plain(do: Callable[[Listener], object]) -> Callable[[Listener, Mapping[str, Any]], dict[str, Any]]:
    """Of requests that bring nothing but their name."""

    def verb(listener: Listener, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as all verbs
        do(listener)
        return _status(listener)

    return verb


def _confirm(listener: Listener, request: Mapping[str, Any]) -> dict[str, Any]:
    is_yes = request.get("yes", True)
    if not isinstance(is_yes, bool):
        raise ActionError("yes must be true or false")
    was_asked = listener.confirm(is_yes)
    return {**_status(listener), "asked": was_asked}


def _say(listener: Listener, request: Mapping[str, Any]) -> dict[str, Any]:
    text = request.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        raise ActionError("an order of some words is expected", fix='{"do": "say", "text": "start music"}')
    replies = listener.typed(clean_text(text))
    return {**_status(listener), "replies": [as_row(reply) for reply in replies]}


_VERBS = {
    "toggle": _plain(Listener.toggle),
    "push": _plain(Listener.push),
    "release": _plain(Listener.release),
    "cancel": _plain(Listener.cancel),
    "confirm": _confirm,
    "say": _say,
    "status": _plain(lambda _: None),
}
