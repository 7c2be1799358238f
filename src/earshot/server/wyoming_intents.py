"""What a text means, for Wyoming clients: by a grammar of the assistant, and done where the server acts."""

from __future__ import annotations

import asyncio
from typing import Any

from wyoming.event import Event, Eventable
from wyoming.handle import Handled, NotHandled
from wyoming.info import Attribution, HandleModel, HandleProgram, Info, IntentModel, IntentProgram
from wyoming.intent import Entity, Intent, NotRecognized

from earshot import __version__
from earshot.assistant.actions.base import Order
from earshot.assistant.grammar import Grammar, Match
from earshot.assistant.here import performer_here
from earshot.core.errors import EarshotError
from earshot.server.settings import ServerOptions
from earshot.server.wyoming_events import text_of

MAX_TEXT = 500
"""Characters; nobody says more to a machine in one breath."""

_CONFIDENCE = 0.9
"""Of a text that another program recognized: enough for what is harmless, not for what is worth a question."""


class IntentService:
    """Answers ``recognize`` and ``transcript`` by ``intent`` or ``not-recognized``; where the server acts, by
    ``handled`` or ``not-handled``.

    options: with ``grammar``, and ``acts`` and ``actions``. What would be asked about is not done, as nobody is
    asked here. Raises GrammarError and ActionError for mistakes in the files.
    """

    def __init__(self, options: ServerOptions) -> None:
        assert options.grammar is not None
        self._grammar = Grammar.load(options.grammar)
        self._performer = None
        if options.acts:
            self._performer = performer_here(self._grammar, options.actions, say=_nobody_listens)
        self._turn = asyncio.Lock()  # one order after the other

    def add_to(self, info: Info) -> None:
        """Tell what is served."""
        about: dict[str, Any] = {
            "name": "earshot",
            "attribution": Attribution(name="Earshot", url=""),
            "installed": True,
            "version": __version__,
        }
        model = {**about, "description": "A grammar", "languages": [self._grammar.language or "en"]}
        if self._performer is None:
            program = IntentProgram(
                **about, description="Sentences of a grammar", models=[IntentModel(**model)]
            )
            info.intent.append(program)
        else:
            info.handle.append(
                HandleProgram(**about, description="Orders carried out", models=[HandleModel(**model)])
            )

    async def answer(self, event: Event) -> Eventable:
        """To the event's text."""
        text = " ".join((text_of(event, "text") or "").split())
        context = event.data.get("context")
        async with self._turn:
            answer = await asyncio.to_thread(self._answer, text)
        answer.context = context if isinstance(context, dict) else None
        return answer

    def _answer(self, text: str) -> Intent | NotRecognized | Handled | NotHandled:
        match = self._understood(text)
        if self._performer is None:
            if match is None:
                return NotRecognized(text=f"Not understood: {text[:MAX_TEXT]}")
            entities = [Entity(name, _plain(value)) for name, value in match.slots.items()]
            return Intent(name=match.intent, entities=entities)
        if match is None:
            return NotHandled(text=f"Not understood: {text[:MAX_TEXT]}")
        order = Order(match.intent, match.slots, match.text, max(0.0, _CONFIDENCE - match.distance))
        try:
            outcome = self._performer.perform(order)
        except EarshotError as error:
            return NotHandled(text=str(error))
        answer = Handled if outcome.status == "done" else NotHandled
        return answer(text=outcome.message or ("Done." if outcome.status == "done" else "That did not work."))

    def _understood(self, text: str) -> Match | None:
        if not text or len(text) > MAX_TEXT:
            return None
        return self._grammar.match(text) or self._grammar.nearest(text)


def _plain(value: object) -> object:
    """What JSON can hold."""
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _nobody_listens(text: str) -> None:
    """What an action says besides its answer."""
