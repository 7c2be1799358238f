"""Speech recognition that never leaves earshot: private, offline, fast on an ordinary CPU.

>>> import earshot
>>> earshot.transcribe("talk.m4a").text          # doctest: +SKIP
'...'

Importing this package loads hardly anything: numpy when a type is first used, engines when they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.core.errors import EarshotError

if TYPE_CHECKING:
    from earshot.audio.decode import read_audio
    from earshot.core.types import (
        Audio,
        Capabilities,
        Event,
        Final,
        Grammar,
        Partial,
        Segment,
        Transcript,
        Word,
    )
    from earshot.engines import load_engine
    from earshot.transcription import Transcriber, transcribe

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "Capabilities",
    "EarshotError",
    "Event",
    "Final",
    "Grammar",
    "Partial",
    "Segment",
    "Transcriber",
    "Transcript",
    "Word",
    "load_engine",
    "read_audio",
    "transcribe",
]

_TYPES = ("Audio", "Capabilities", "Event", "Final", "Grammar", "Partial", "Segment", "Transcript", "Word")

_LAZY = {
    **dict.fromkeys(_TYPES, "earshot.core.types"),
    "Transcriber": "earshot.transcription",
    "load_engine": "earshot.engines",
    "read_audio": "earshot.audio.decode",
    "transcribe": "earshot.transcription",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'earshot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
