"""What was said, recognized as what is expected: an order, yes or no, or the value of one slot."""

from __future__ import annotations

from earshot.assistant.controls import control_text
from earshot.assistant.grammar import Grammar
from earshot.assistant.recognition import CommandRecognizer, Recognition
from earshot.assistant.replies import Expectation
from earshot.assistant.slot_grammar import extended, slot_grammar
from earshot.assistant.wording import CONTROLS, Wording, wording_of
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.decoding.automaton import DEAD
from earshot.decoding.network import spoken
from earshot.engines import Recognizer


class Understanding:
    """Grammars for what may be expected, all on one engine.

    engine: None where no engine knows the language: then only text is understood.
    """

    def __init__(self, grammar: Grammar, engine: Recognizer | None, *, threshold: float = 0.5) -> None:
        wording = wording_of(grammar.language)
        self.engine = engine
        self._threshold = threshold
        self.grammar = extended(grammar, control_text(wording, CONTROLS))
        self._answers = Grammar.from_text(control_text(wording, ("yes", "no", "cancel")))
        self._grammars: dict[Expectation, Grammar] = {}
        self._recognizers: dict[int, CommandRecognizer] = {}
        self._wording: Wording = wording
        if engine is not None:
            self._recognizer(self.grammar)  # what cannot be heard is told now

    def hear(self, samples: Samples, expected: Expectation) -> Recognition:
        """One utterance, float32 (n,) at 16 kHz."""
        return self._recognizer(self._grammar(expected)).recognize(Audio(samples, SAMPLE_RATE))

    def read(self, text: str, expected: Expectation) -> Recognition:
        """The same for words that were typed; they are sure."""
        match = self._grammar(expected).match(text)
        if match is None and expected.kind == "answer":  # another order may take the place of the question
            match = self.grammar.match(text)
        if match is None:
            return Recognition(None, {}, "", 0.0, False, text)
        return Recognition(match.intent, match.slots, match.text, 1.0, True, text, match.spoken)

    def may_go_on(self, recognition: Recognition, expected: Expectation) -> bool:
        """Whether a longer sentence begins with what was understood."""
        automaton = self._grammar(expected).automaton
        state = automaton.walk(automaton.start, spoken(recognition.text))
        return state == DEAD or bool(automaton.is_open(state) or automaton.letters(state))

    def _grammar(self, expected: Expectation) -> Grammar:
        if expected.kind == "order":
            return self.grammar
        if expected.kind == "answer":
            return self._answers
        if expected not in self._grammars:
            values = slot_grammar(self.grammar, expected.intent, expected.slot)
            cancel = control_text(self._wording, ("cancel",))
            self._grammars[expected] = Grammar.from_text(cancel) if values is None else extended(values, cancel)
        return self._grammars[expected]

    def _recognizer(self, grammar: Grammar) -> CommandRecognizer:
        key = id(grammar)
        if key not in self._recognizers:
            assert self.engine is not None, "nobody listens without an engine"
            self._recognizers[key] = CommandRecognizer(grammar, self.engine, threshold=self._threshold)
        return self._recognizers[key]
