"""The assistant: what is said to it is understood by a grammar.

from earshot.assistant import CommandRecognizer, Grammar

recognizer = CommandRecognizer(Grammar.load("my-commands"))
recognition = recognizer.recognize(audio)
print(recognition.intent, recognition.slots, recognition.accepted)

Importing this package loads nothing: a key that toggles the assistant is answered at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earshot.assistant.checking import assert_examples, check
    from earshot.assistant.grammar import Grammar, Match
    from earshot.assistant.recognition import CommandRecognizer, Recognition
    from earshot.assistant.sampling import Sample, prompts, sample

__all__ = [
    "CommandRecognizer",
    "Grammar",
    "Match",
    "Recognition",
    "Sample",
    "assert_examples",
    "check",
    "prompts",
    "sample",
]

_HOMES = {
    "CommandRecognizer": "recognition",
    "Grammar": "grammar",
    "Match": "grammar",
    "Recognition": "recognition",
    "Sample": "sampling",
    "assert_examples": "checking",
    "check": "checking",
    "prompts": "sampling",
    "sample": "sampling",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        import importlib

        value = getattr(importlib.import_module(f"earshot.assistant.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'earshot.assistant' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
