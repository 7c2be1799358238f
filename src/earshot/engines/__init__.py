"""Recognizers: one file an engine, one registry, the streaming adapter, word alignment.

Importing this package loads no engine. ``load_engine("moonshine")`` does.
"""

from earshot.engines.base import Engine, EngineOptions, RecognitionStream, Recognizer, Task
from earshot.engines.registry import DEFAULT_ENGINE, engine_names, find_engine, load_engine

__all__ = [
    "DEFAULT_ENGINE",
    "Engine",
    "EngineOptions",
    "RecognitionStream",
    "Recognizer",
    "Task",
    "engine_names",
    "find_engine",
    "load_engine",
]
