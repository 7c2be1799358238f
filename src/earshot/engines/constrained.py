"""Engines that can be held to a grammar token by token; what they are asked and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from earshot.core.types import Audio
from earshot.decoding.beam import Found
from earshot.decoding.constraint import TokenConstraint, Vocabulary


@dataclass(frozen=True, slots=True)
class Searched:
    """What one recording was heard as: under the constraint, and freely.

    found: sentences of the grammar, the likeliest first; empty when none fits. written: the first of them with
    the engine's own capitals and marks. open_text: what the engine would have written, empty when it doubts
    that anybody spoke. open_log_prob: of what was heard freely, comparable with those of ``found``. is_heard:
    whether anything was that may be speech, doubted or not.
    """

    found: tuple[Found, ...]
    written: str
    open_text: str
    open_log_prob: float
    is_heard: bool


@runtime_checkable
class ConstrainedRecognizer(Protocol):
    """A recognizer with a decoder that takes a constraint."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokens; made once."""
        ...

    def search(self, audios: Sequence[Audio], constraint: TokenConstraint, *, width: int = 4) -> list[Searched]:
        """The likeliest sentences of a grammar in each recording, beside free recognition.

        audios: 16 kHz, none longer than the engine's ``max_duration``. width: hypotheses side by side.
        """
        ...
