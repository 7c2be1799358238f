"""From sound to what was meant: recognition held to a grammar, and the decision whether to believe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from earshot.assistant.grammar import Grammar, Match
from earshot.assistant.rejection import Evidence, probability
from earshot.assistant.word_forms import jsgf, words
from earshot.audio.resample import resample
from earshot.core.errors import UnsupportedError
from earshot.core.types import SAMPLE_RATE, Audio
from earshot.core.types import Grammar as EngineGrammar
from earshot.decoding.beam import Found
from earshot.decoding.constraint import TokenConstraint
from earshot.engines import EngineOptions, Recognizer, load_engine
from earshot.engines.constrained import ConstrainedRecognizer, Searched

MAX_ALTERNATIVES = 4

_CLOSE = 1.5
"""Nats that a sentence may cost more than the likeliest and still be taken for its named words. Made voices
that say "in pycharm" lose 0.2 to 0.9 of them to "in fitcharm" and the like.
"""

_NAMED = 3
"""Letters that wildcards must give up for it: of a word, not of one way to spell what was heard."""

_AS_LONG = 0.8
"""The part of the likeliest sentence's length below which another one leaves words out."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was said to the assistant.

    intent: None when no sentence of the grammar fits at all. slots: what each becomes; spoken: its words.
    text: the sentence of the grammar. confidence: probability in [0, 1] that it was said. accepted: whether to
    act on it; where not, ``open_text``, what was heard without the grammar, goes on to whoever wants it.
    template: file and line of the sentence. alternatives: other sentences that fit, the likelier first.
    """

    intent: str | None
    slots: Mapping[str, Any]
    text: str
    confidence: float
    accepted: bool
    open_text: str = ""
    spoken: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    response: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The sentence where it is accepted, else what was heard without the grammar."""
        return self.text if self.accepted else self.open_text


class CommandRecognizer:
    """Hears commands of a grammar. As safe to use from several threads as its engine.

    engine: a recognizer, or the name of an engine. Moonshine and CTC engines are held to the grammar token by
    token; PocketSphinx and Vosk get it in their own form; what others hear is matched forgivingly.
    threshold: the probability from which on a command is accepted. width: hypotheses side by side.
    """

    def __init__(
        self,
        grammar: Grammar,
        engine: Recognizer | str = "moonshine",
        *,
        threshold: float = 0.5,
        width: int = 4,
    ) -> None:
        self.grammar = grammar
        self.threshold = threshold
        self._width = width
        self._recognizer = (
            load_engine(engine, EngineOptions(language=grammar.language)) if isinstance(engine, str) else engine
        )
        self._constraint: TokenConstraint | None = None
        self._engine_grammar: EngineGrammar | None = None
        if isinstance(self._recognizer, ConstrainedRecognizer):
            self._constraint = TokenConstraint(grammar.automaton, self._recognizer.vocabulary)
        elif self._recognizer.capabilities.grammar:
            self._engine_grammar = _engine_grammar(grammar, self._recognizer)

    def recognize(self, audio: Audio, *, context: Mapping[str, Any] | None = None) -> Recognition:
        """One command: a recording that holds it and little else."""
        return self.recognize_batch([audio], context=context)[0]

    def recognize_batch(
        self, audios: Sequence[Audio], *, context: Mapping[str, Any] | None = None
    ) -> list[Recognition]:
        """Several, decoded together where the engine gains from it."""
        heard = [resample(audio, SAMPLE_RATE) for audio in audios]
        if self._constraint is not None:
            return self._constrained(heard, context)
        return [self._open(audio, context) for audio in heard]

    def _constrained(self, audios: Sequence[Audio], context: Mapping[str, Any] | None) -> list[Recognition]:
        assert isinstance(self._recognizer, ConstrainedRecognizer)
        assert self._constraint is not None
        limit = self._recognizer.capabilities.max_duration or float("inf")
        short = [index for index, audio in enumerate(audios) if 0 < audio.duration <= limit]
        searched = self._recognizer.search(
            [audios[index] for index in short], self._constraint, width=self._width
        )
        results: dict[int, Recognition] = {
            index: self._judged(one, context) for index, one in zip(short, searched, strict=True)
        }
        return [results.get(index) or self._too_long(audio) for index, audio in enumerate(audios)]

    def _too_long(self, audio: Audio) -> Recognition:
        """More than an engine hears at once is no command, but may be dictation."""
        return _unmatched(self._recognizer.transcribe(audio).text if audio.duration else "")

    def _judged(self, searched: Searched, context: Mapping[str, Any] | None) -> Recognition:
        chosen = self._chosen(searched.found, context)
        if chosen is None:
            return _unmatched(searched.open_text)
        found, match = chosen
        if found is searched.found[0]:
            match = self.grammar.match(searched.written, context=context) or match
        loss = searched.open_log_prob - found.log_prob
        evidence = Evidence(loss, len(found.text.replace(" ", "")), searched.is_heard)
        others = tuple(one.text.strip() for one in searched.found if one is not found)[:MAX_ALTERNATIVES]
        return self._recognition(match, probability(evidence), searched.open_text, others)

    def _chosen(self, found: Sequence[Found], context: Mapping[str, Any] | None) -> tuple[Found, Match] | None:
        """The likeliest whose context fits; of those about as likely and as long, the one least made up by
        wildcards: words that the grammar names are far likelier to be said than any others that sound alike.
        """
        best: tuple[Found, Match] | None = None
        for one in found:
            if best is not None and not (best[1].num_free and _is_close(one, found[0])):
                continue
            match = self.grammar.match(one.text, context=context)
            if match is not None and (best is None or match.num_free <= best[1].num_free - _NAMED):
                best = one, match
        return best

    def _open(self, audio: Audio, context: Mapping[str, Any] | None) -> Recognition:
        """Recognition by the engine's own means, matched forgivingly."""
        text = self._recognizer.transcribe(audio, grammar=self._engine_grammar).text
        match = self.grammar.match(text, context=context) or self.grammar.nearest(text, context=context)
        if match is None:
            return _unmatched(text)
        return self._recognition(match, max(0.0, 1.0 - 2.5 * match.distance), text, ())

    def _recognition(
        self, match: Match, confidence: float, open_text: str, others: tuple[str, ...]
    ) -> Recognition:
        return Recognition(
            match.intent,
            match.slots,
            match.text,
            confidence,
            confidence >= self.threshold,
            open_text,
            match.spoken,
            str(match.template.place),
            match.template.block.response,
            match.metadata,
            others,
        )


def _is_close(one: Found, first: Found) -> bool:
    is_likely = one.log_prob >= first.log_prob - _CLOSE
    return is_likely and len(one.text) >= _AS_LONG * len(first.text)


def _engine_grammar(grammar: Grammar, recognizer: Recognizer) -> EngineGrammar | None:
    """The grammar as PocketSphinx or Vosk takes it; None where it has wildcards, which they cannot be held to.

    Raises UnsupportedError for words that the engine does not know.
    """
    try:
        is_vosk = recognizer.name.startswith("vosk/")
        phrases, rules = (words(grammar), None) if is_vosk else ((), jsgf(grammar))
    except UnsupportedError:
        return None
    own = EngineGrammar(phrases=phrases, jsgf=rules, allows_unknown=True)
    with recognizer.stream(grammar=own):  # what is wrong with it is told now
        return own


def _unmatched(text: str) -> Recognition:
    return Recognition(None, {}, "", 0.0, False, text)
