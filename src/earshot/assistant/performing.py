"""From an order to what is done: the decision, the action, the log, and taking back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from earshot.assistant.action_book import ActionBook
from earshot.assistant.actions.base import Order, Outcome, Surroundings
from earshot.assistant.actions.registry import Registry
from earshot.assistant.actions.reversal import Reversal
from earshot.assistant.audit import AuditLog, Entry
from earshot.assistant.binding import BoundAction, Step
from earshot.assistant.history import History
from earshot.assistant.safety import THRESHOLDS, Decision, Thresholds, decide
from earshot.core.errors import ActionError, EarshotError

__all__ = ["ActionBook", "Performer"]


class Performer:
    """Carries out orders. Not to be used from several threads at once.

    is_dry_run: everything is checked and told, nothing is done. audit: where it is written down.
    allowed_speakers: only these voices are obeyed; None for all. history: the file of what can be taken back;
    None for memory.
    """

    def __init__(
        self,
        actions: ActionBook,
        surroundings: Surroundings,
        *,
        is_dry_run: bool = False,
        audit: AuditLog | None = None,
        allowed_speakers: Collection[str] | None = None,
        thresholds: Thresholds = THRESHOLDS,
        history: Path | None = None,
    ) -> None:
        self._book = actions
        self._surroundings = replace(surroundings, undo=self.undo, help=actions.help_lines)
        self._is_dry_run = is_dry_run
        self._audit = audit
        self._allowed_speakers = allowed_speakers
        self._thresholds = thresholds
        self._history = History(history, Registry(), self._surroundings)

    def missing(self, order: Order) -> tuple[str, ...]:
        """The slots that the action needs and the order lacks; ``ask_for`` has the questions."""
        bound = self._book.for_intent(order.intent)
        if bound is None:
            return ()
        return tuple(name for name in bound.needed() if order.slots.get(name) in (None, ""))

    def ask_for(self, slot: str, order: Order | None = None) -> str:
        """The question for a slot."""
        bound = self._book.for_intent(order.intent) if order is not None else None
        language = self._surroundings.language
        return bound.ask_for(slot, language) if bound else f"Which {slot.replace('_', ' ')}?"

    def decide(self, order: Order) -> Decision:
        """Whether to do it, to ask first, or to refuse; what is wrong with the slots is told now."""
        decision, _, _ = self._judged(order)
        return decision

    def perform(self, order: Order, *, is_confirmed: bool = False) -> Outcome:
        """Do it, where ``decide`` says so, or says "ask" and the user confirmed. Written down in any case.

        Never raises for what an action does wrong: that is an outcome. Raises ActionError where the log cannot
        be written; then nothing is done.
        """
        if self._audit is not None:
            self._audit.prepare()
        decision, bound, step = self._judged(order)
        if step is None or bound is None or decision.kind == "refuse":
            outcome = Outcome("failed", _sentence(decision.reason))
        elif decision.kind == "ask" and not is_confirmed:
            outcome = Outcome("failed", _sentence(f"not confirmed: {decision.reason}"))
        else:
            outcome = self._done(order, bound, step)
        self._write(order, bound, decision, outcome, is_confirmed=is_confirmed)
        return outcome

    def undo(self, *, is_dry_run: bool = False) -> Outcome:
        """Take back the last thing that can be taken back. is_dry_run: only tell what that is."""
        last = self._history.last()
        if last is None:
            return Outcome("failed", "There is nothing to take back.")
        if is_dry_run or self._is_dry_run:
            return Outcome("dry-run", f"Would take back: {last.words}", ("undo", last.words))
        self._history.drop_last()  # also when it fails: else it would bar the way to those before it
        return replace(_tried(last.undo), argv=("undo", last.words))

    def _judged(self, order: Order) -> tuple[Decision, BoundAction | None, Step | None]:
        bound = self._book.for_intent(order.intent)
        if bound is None:
            return Decision("refuse", f"nothing is to be done for {order.intent}"), None, None
        if not self._obeys(order):
            return Decision("refuse", "that is not a voice that I obey"), bound, None
        try:
            step = bound.step(order, self._surroundings.home)
        except ActionError as error:
            return Decision("refuse", str(error)), bound, None
        decision = decide(
            bound.risk,
            order.confidence,
            thresholds=self._thresholds,
            is_typed=order.is_typed,
            is_destructive=bound.is_destructive,
            what=order.text or order.intent,
            language=self._surroundings.language,
        )
        return decision, bound, step

    def _obeys(self, order: Order) -> bool:
        """Whoever types sits at the computer; a voice must be one of those allowed, where some are."""
        return order.is_typed or self._allowed_speakers is None or order.speaker in self._allowed_speakers

    def _done(self, order: Order, bound: BoundAction, step: Step) -> Outcome:
        try:
            if self._is_dry_run:
                plan = step.plan(self._surroundings)
                return Outcome("dry-run", f"Would do: {' '.join(plan)}", plan)
            outcome = step.perform(self._surroundings)
            if outcome.status != "done":
                return outcome
            outcome = self._answered(order, bound, outcome)
        except (EarshotError, OSError) as error:
            return Outcome("failed", _told(error))
        if outcome.undo is not None:
            is_secret = bool(bound.secrets())
            words = order.intent if is_secret else order.text or order.intent
            self._history.add(words, outcome.undo, is_kept=not is_secret)
        return outcome

    def _answered(self, order: Order, bound: BoundAction, outcome: Outcome) -> Outcome:
        """With the file's own words and way back, where it has them."""
        home = self._surroundings.home
        slots = bound.read_slots(order, home)
        message = bound.answer(outcome.message, slots, self._surroundings.language)
        undo = outcome.undo
        if (back := bound.taken_back_by(slots, home)) is not None:
            undo = Reversal(back.action, back.values, self._surroundings)
        return replace(outcome, message=message, undo=undo)

    def _write(
        self,
        order: Order,
        bound: BoundAction | None,
        decision: Decision,
        outcome: Outcome,
        *,
        is_confirmed: bool,
    ) -> None:
        if self._audit is None:
            return
        names = bound.secrets() if bound is not None else ()
        is_done = decision.kind == "do" or (decision.kind == "ask" and is_confirmed)
        self._audit.write(
            Entry(
                time=datetime.now(UTC).isoformat(timespec="milliseconds"),
                words=order.text,
                intent=order.intent,
                slots=_plain(order.slots),
                confidence=round(order.confidence, 4),
                decision=decision.kind,
                reason=decision.reason,
                status=outcome.status if is_done else {"ask": "asked", "refuse": "refused"}[decision.kind],
                message=outcome.message,
                argv=outcome.argv,
                audio=order.audio,
                speaker=order.speaker,
                is_typed=order.is_typed,
                is_confirmed=is_confirmed,
                secrets=frozenset(str(order.slots[name]) for name in names if order.slots.get(name)),
            )
        )


def _plain(slots: Mapping[str, object]) -> dict[str, object]:
    return {name: value if isinstance(value, int | float) else str(value) for name, value in slots.items()}


def _tried(undo: Callable[[], str]) -> Outcome:
    try:
        return Outcome("done", undo())
    except (EarshotError, OSError) as error:
        return Outcome("failed", _told(error))


def _told(error: EarshotError | OSError) -> str:
    """In a sentence; also what the system says of a disk that is full or a folder that is gone."""
    if isinstance(error, EarshotError):
        return _sentence(str(error))
    return _sentence(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
