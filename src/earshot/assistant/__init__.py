"""The assistant: what is said to it is understood by a grammar.

from earshot.assistant import CommandRecognizer, Grammar

recognizer = CommandRecognizer(Grammar.load("my-commands"))
recognition = recognizer.recognize(audio)
print(recognition.intent, recognition.slots, recognition.accepted)
"""

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
