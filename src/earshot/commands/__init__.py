"""Spoken commands: words taught by a few recordings, and a spotter that hears them in a stream.

``Teacher`` takes recordings of a word in any language, ``CommandStore`` keeps them, ``Spotter`` tells when one
of them is said. All on the embedded encoder alone.
"""

from earshot.commands.classifier import CommandClassifier, Decision
from earshot.commands.embedding import Embedder
from earshot.commands.spotter import Spotted, Spotter
from earshot.commands.store import CommandStore, Example
from earshot.commands.teaching import Teacher, TeachingReport

__all__ = [
    "CommandClassifier",
    "CommandStore",
    "Decision",
    "Embedder",
    "Example",
    "Spotted",
    "Spotter",
    "Teacher",
    "TeachingReport",
]
