"""Who says what next: from an order to its being done, by way of questions. No clock, no threads, no sound.

    asleep ──woken, toggled, pressed──► listening ──order──► done ──► listening (a while), asleep
                                          ├──► confirming ──yes──► done
                                          │        └──no, silence, anything else──► not done
                                          └──► asking ──value──► done

Time is a number of seconds that whoever runs the dialogue counts; only differences matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from earshot.assistant.actions.base import Order, Outcome
from earshot.assistant.controls import PREFIX, control_grammar, is_plausible
from earshot.assistant.grammar import Grammar
from earshot.assistant.recognition import Recognition
from earshot.assistant.replies import (
    DialogueOptions,
    Dictates,
    Expectation,
    Performs,
    Phase,
    Reply,
    ReplyKind,
)
from earshot.assistant.safety import THRESHOLDS, Decision
from earshot.assistant.wording import Wording, wording_of
from earshot.core.errors import ActionError
from earshot.text.clean import clean_text

_HINT_DISTANCE = 0.6
"""Weighted edits a letter up to which a sentence is worth being named as what one could have said."""

_JUST_BELOW = 0.01


@dataclass(slots=True)
class _Open:
    """The order that is being talked about."""

    order: Order
    question: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
    """An utterance: spoken or written."""

    recognition: Recognition
    is_typed: bool = False
    audio: str | None = None
    speaker: str | None = None
    control: str | None = None


class Dialogue:
    """The state of one conversation. All methods return what is to be shown, in order.

    grammar: for what the recognizer rejected. dictation: makes one when dictation is begun; it raises
    ActionError where there is no window to type into. language: of the wording.
    """

    def __init__(
        self,
        performer: Performs,
        grammar: Grammar,
        *,
        language: str | None = None,
        options: DialogueOptions | None = None,
        dictation: Callable[[], Dictates] | None = None,
    ) -> None:
        self.options = options or DialogueOptions()
        self.wording: Wording = wording_of(language or grammar.language)
        self._performer = performer
        self._grammar = grammar
        self._new_dictation = dictation
        self._dictation: Dictates | None = None
        self._controls = control_grammar(self.wording)
        self._open: _Open | None = None
        self._is_awake = False
        self._is_held = False
        self._deadline: float | None = None
        self._window = self.options.listening

    # --- what it is waiting for ---

    @property
    def phase(self) -> Phase:
        """What the next words will be taken for."""
        if self._open is not None:
            return Phase.ASKING if self._open.slot else Phase.CONFIRMING
        return Phase.LISTENING if self.is_hearing else Phase.ASLEEP

    @property
    def is_hearing(self) -> bool:
        """Whether words matter at all; asleep, only the wake phrase does."""
        return (
            self._is_awake
            or self._is_held
            or self.options.is_open
            or self._open is not None
            or self._dictation is not None
        )

    @property
    def is_held(self) -> bool:
        """Whether a key is down: then it is the user who speaks, whatever else may sound."""
        return self._is_held

    @property
    def is_addressed(self) -> bool:
        """Whether the user has just turned to it, by wake phrase, key or a question that is open."""
        return self._is_awake or self._is_held or self._open is not None

    @property
    def is_dictating(self) -> bool:
        """Whether what is no order is typed."""
        return self._dictation is not None

    @property
    def question(self) -> str:
        """What it has asked; empty where nothing is open."""
        return self._open.question if self._open is not None else ""

    @property
    def expected(self) -> Expectation:
        """What the next utterance should be recognized as."""
        if self._open is None:
            return Expectation()
        if self._open.slot:
            return Expectation("value", self._open.order.intent, self._open.slot)
        return Expectation("answer")

    # --- what happens to it ---

    def woken(self, now: float) -> list[Reply]:
        """The wake phrase was said."""
        self._is_awake = True
        self._wait(now, self.options.listening)
        return [Reply("listening")]

    def toggled(self, now: float) -> list[Reply]:
        """A key: begin to listen, or stop it."""
        if self._is_awake or self._open is not None or self._dictation is not None:
            return self._to_sleep()
        return self.woken(now)

    def pressed(self, now: float) -> list[Reply]:
        """A key is held down: listen until it is let go."""
        self._is_held = True
        self._wait(now, self.options.listening)
        return [Reply("listening")]

    def released(self, now: float) -> list[Reply]:
        """The key is let go; what was said until now still counts."""
        self._is_held = False
        self._is_awake = True
        self._wait(now, self.options.follow_up)
        return []

    def cancelled(self, now: float) -> list[Reply]:
        """By a key or a word: whatever was asked is forgotten."""
        if self._dictation is not None and self._open is None:
            return self._end_dictation(now)
        self._open = None
        self._follow_up(now)
        return [Reply("cancelled", self.wording.cancelled)]

    def confirmed(self, is_yes: bool, now: float, *, speaker: str | None = None) -> list[Reply]:
        """Yes or no, tapped or said. Nothing happens where nothing was asked."""
        if self.phase is not Phase.CONFIRMING or self._open is None:
            return [Reply("ignored")]
        order = self._open.order
        if order.speaker is not None and speaker is not None and speaker != order.speaker:
            return [Reply("ignored", self.wording.not_your_voice)]
        self._open = None
        if not is_yes:
            self._follow_up(now)
            return [Reply("cancelled", self.wording.cancelled, order=order)]
        return self._perform(order, now, is_confirmed=True)

    def resumed(self, now: float) -> list[Reply]:
        """The assistant has finished speaking: the waiting begins now."""
        if self._deadline is not None:
            self._wait(now, self._window)
        return []

    def timed_out(self, now: float) -> list[Reply]:
        """To be called now and then while nobody speaks: a confirmation that never comes is a no."""
        if self._deadline is None or now < self._deadline or self._is_held:
            return []
        self._deadline = None
        asked, phase = self._open, self.phase
        self._open = None
        if asked is None:
            return [] if self._dictation is not None else self._to_sleep()
        text = self.wording.not_confirmed if phase is Phase.CONFIRMING else self.wording.no_answer
        self._follow_up(now)
        return [Reply("cancelled", text, is_spoken=True, order=asked.order)]

    def heard(
        self,
        recognition: Recognition,
        now: float,
        *,
        audio: str | None = None,
        speaker: str | None = None,
        is_typed: bool = False,
    ) -> list[Reply]:
        """An utterance, recognized as what was ``expected``. Typed ones are taken asleep, too.

        audio: where its sound is kept. speaker: whose voice it was, None when nobody asked.
        """
        if not (self.is_hearing or is_typed):
            return [Reply("ignored")]
        match = self._controls.match(recognition.said) if recognition.said else None
        control = match.intent.removeprefix(PREFIX) if match is not None else None
        heard = _Heard(recognition, is_typed, audio, speaker, control)
        if control == "cancel":
            return [_heard_reply(heard), *self.cancelled(now)]
        if control == "stop-dictation" and self._dictation is not None:
            return [_heard_reply(heard), *self._end_dictation(now)]
        match self.phase:
            case Phase.CONFIRMING:
                return self._answer(heard, now)
            case Phase.ASKING:
                return self._value(heard, now)
            case _:
                return self._order(heard, now)

    # --- an answer ---

    def _answer(self, heard: _Heard, now: float) -> list[Reply]:
        if heard.control in ("yes", "no"):
            is_yes = heard.control == "yes"
            return [_heard_reply(heard), *self.confirmed(is_yes, now, speaker=heard.speaker)]
        if heard.is_typed and heard.recognition.accepted:  # another order takes the place of the question
            self._open = None
            return self._order(heard, now)
        return [Reply("ignored", _said(heard))]

    def _value(self, heard: _Heard, now: float) -> list[Reply]:
        assert self._open is not None
        recognition, slot = heard.recognition, self._open.slot
        value: Any = recognition.slots.get(slot) if recognition.accepted else None
        if value is None:
            value = _without_marks(recognition.open_text)
        if heard.control is not None or not value:
            return [Reply("ignored", _said(heard))]
        order = self._open.order
        if order.speaker is not None and heard.speaker is not None and heard.speaker != order.speaker:
            return [Reply("ignored", self.wording.not_your_voice)]
        self._open = None
        filled = replace(order, slots={**order.slots, slot: value}, text=f"{order.text} {value}".strip())
        return [_heard_reply(heard), *self._consider(filled, now)]

    # --- an order ---

    def _order(self, heard: _Heard, now: float) -> list[Reply]:
        recognition = heard.recognition
        if heard.control == "sleep":
            return [_heard_reply(heard), *self._to_sleep()]
        if heard.control == "start-dictation" and self._new_dictation is not None:
            return [_heard_reply(heard), *self._begin_dictation(now)]
        if heard.control is not None and (recognition.intent or "").startswith(PREFIX):
            return [Reply("ignored", _said(heard))]  # a yes that nobody asked for
        if recognition.accepted and recognition.intent is not None:
            order = replace(
                Order.from_recognition(recognition, audio=heard.audio, speaker=heard.speaker),
                is_typed=heard.is_typed,
            )
            return [_heard_reply(heard, order), *self._consider(order, now)]
        if self._dictation is not None:
            return self._dictate(self._dictation, recognition.open_text, now)
        return self._misheard(heard, now)

    def _misheard(self, heard: _Heard, now: float) -> list[Reply]:
        """Words that are no sentence of the grammar: the nearest one is asked about, never simply done."""
        text = heard.recognition.open_text
        near = self._grammar.nearest(text) if text else None
        if near is not None and not near.intent.startswith(PREFIX) and is_plausible(self._grammar, near, text):
            confidence = min(THRESHOLDS.do - _JUST_BELOW, max(0.0, 1.0 - 2.5 * near.distance))
            order = Order(
                near.intent,
                near.slots,
                near.text,
                confidence,
                is_typed=False,
                audio=heard.audio,
                speaker=heard.speaker,
            )
            return [_heard_reply(heard, order), *self._consider(order, now)]
        if not (self.is_addressed or heard.is_typed):
            return [Reply("ignored", text)]
        hint = self._grammar.nearest(text, max_distance=_HINT_DISTANCE) if text else None
        shown = self.wording.not_understood
        if hint is not None and not hint.intent.startswith(PREFIX):
            shown = f"{shown} {self.wording.could_say.format(hint.text)}"
        self._follow_up(now)
        return [_heard_reply(heard), Reply("not-understood", shown, is_spoken=True)]

    def _consider(self, order: Order, now: float) -> list[Reply]:
        """Ask for what is missing, ask whether, refuse, or do it."""
        try:
            missing = self._performer.missing(order)
            if missing:
                question = self._performer.ask_for(missing[0], order)
                self._open = _Open(order, question, missing[0])
                self._wait(now, self.options.answer)
                return [Reply("question", question, is_spoken=True, order=order)]
            decision = self._performer.decide(order)
        except ActionError as error:
            self._follow_up(now)
            return [Reply("failed", str(error), is_spoken=True, order=order)]
        if decision.kind == "ask":
            self._open = _Open(order, decision.question)
            self._wait(now, self.options.confirmation)
            return [Reply("question", decision.question, is_spoken=True, order=order)]
        return self._perform(order, now, is_confirmed=False, decision=decision)

    def _perform(
        self, order: Order, now: float, *, is_confirmed: bool, decision: Decision | None = None
    ) -> list[Reply]:
        """The performer refuses by itself what it must, so that the refusal is in its log."""
        self._follow_up(now)
        try:
            outcome = self._performer.perform(order, is_confirmed=is_confirmed)
        except ActionError as error:
            outcome = Outcome("failed", str(error))
        if decision is not None and decision.kind == "refuse":
            return [Reply("refused", outcome.message, is_spoken=True, order=order, outcome=outcome)]
        kind: ReplyKind = "failed" if outcome.status == "failed" else "done"
        return [Reply(kind, outcome.message, is_spoken=True, order=order, outcome=outcome)]

    # --- dictation ---

    def _begin_dictation(self, now: float) -> list[Reply]:
        assert self._new_dictation is not None
        try:
            self._dictation = self._new_dictation()
        except ActionError as error:
            self._follow_up(now)
            return [Reply("failed", str(error), is_spoken=True)]
        self._deadline = None
        return [Reply("dictation")]

    def _end_dictation(self, now: float) -> list[Reply]:
        self._dictation = None
        self._follow_up(now)
        return [Reply("dictation-over")]

    def _dictate(self, dictation: Dictates, text: str, now: float) -> list[Reply]:
        if not text:
            return []
        try:
            dictation.accept(text)
        except ActionError as error:
            return [*self._end_dictation(now), Reply("failed", str(error), is_spoken=True)]
        if dictation.is_over:
            return self._end_dictation(now)
        return [Reply("dictated", clean_text(text))]

    # --- waiting ---

    def _wait(self, now: float, seconds: float) -> None:
        self._window = seconds
        self._deadline = now + seconds

    def _follow_up(self, now: float) -> None:
        """The next order needs no waking."""
        self._is_awake = self._is_awake or self._is_held or not self.options.is_open
        self._wait(now, self.options.follow_up)

    def _to_sleep(self) -> list[Reply]:
        self._open = self._dictation = self._deadline = None
        self._is_awake = self._is_held = False
        return [] if self.options.is_open else [Reply("asleep")]


def _said(heard: _Heard) -> str:
    return clean_text(heard.recognition.said)


def _heard_reply(heard: _Heard, order: Order | None = None) -> Reply:
    return Reply("heard", _said(heard), order=order)


def _without_marks(text: str) -> str:
    return clean_text(text).strip('.,!?;:…"“”«» ')
