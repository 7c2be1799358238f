"""Every error that Earshot raises on purpose.

    EarshotError
    ├── AudioError         (ValueError)    a recording cannot be read, or holds nothing usable
    │   └── DeviceError    (OSError)       a microphone or loudspeaker is absent, busy or refused
    ├── EngineError        (RuntimeError)  a recognizer cannot be loaded or used as asked
    │   ├── UnknownEngineError (LookupError)
    │   └── UnsupportedError   (NotImplementedError)  the engine lacks this capability
    ├── MissingExtraError  (ImportError)   an optional part is not installed
    ├── ModelError         (ValueError)    a model is absent, damaged or of another kind
    │   ├── UnknownModelError  (LookupError)
    │   └── DownloadError      (OSError)
    ├── FormatError        (ValueError)    a transcript or subtitle file cannot be read or written
    ├── SessionError       (ValueError)    a recorded session is absent, in use, damaged or of another version
    ├── ServerError        (ValueError)    a server cannot be set up as asked
    ├── CommandError       (ValueError)    a spoken command cannot be taught, found or kept
    ├── TrainingError      (ValueError)    a net cannot be trained as asked
    ├── GrammarError       (ValueError)    a grammar of the assistant is wrong
    ├── ActionError        (RuntimeError)  an action of the assistant is wrong, or cannot be carried out
    ├── SpeakerError       (ValueError)    a voice cannot be enrolled, told apart, found or kept
    ├── CorpusError        (ValueError)    recordings with their texts cannot be got, made or used
    │   └── ManifestError      a manifest is wrong: file and line
    └── OutputError        (OSError)       a result cannot be written

Each says what happened, to which file, and in ``fix`` what to do next. Each is also the fitting built-in,
so code that knows nothing of Earshot can still catch it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EarshotError(Exception):
    """Base of all errors raised on purpose.

    message: what happened, to which file or line; one line, no full stop.
    fix: what the user can do next; one line, or None where nothing helps.
    """

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.fix = " ".join(fix.split()) if fix else None

    def __str__(self) -> str:
        return f"{self.message}: {self.fix}" if self.fix else self.message


class AudioError(EarshotError, ValueError):
    """A recording cannot be read, or holds nothing usable."""


class DeviceError(AudioError, OSError):
    """A microphone or loudspeaker is absent, busy or refused."""


class EngineError(EarshotError, RuntimeError):
    """A recognizer cannot be loaded, or not be used as asked."""


class UnknownEngineError(EngineError, LookupError):
    """No engine of that name is registered."""


class UnsupportedError(EngineError, NotImplementedError):
    """The engine lacks the capability that was asked of it."""


class MissingExtraError(EarshotError, ImportError):
    """An optional part is not installed; ``fix`` holds the command that installs it."""


class ModelError(EarshotError, ValueError):
    """A model is absent, damaged, or meant for another engine."""


class UnknownModelError(ModelError, LookupError):
    """No model of that name is in the catalogue or the store."""


class DownloadError(ModelError, OSError):
    """A model could not be fetched or did not match its checksum."""


class FormatError(EarshotError, ValueError):
    """A transcript or subtitle file cannot be read, or a transcript cannot be written in that format."""


class SessionError(EarshotError, ValueError):
    """A recorded session is absent, in use, damaged or of another version."""


class ServerError(EarshotError, ValueError):
    """A server cannot be set up as asked, or its address cannot be had."""


class CommandError(EarshotError, ValueError):
    """A spoken command cannot be taught, found or kept."""


class SpeakerError(EarshotError, ValueError):
    """A voice cannot be enrolled, told apart, found or kept."""


class TrainingError(EarshotError, ValueError):
    """A net cannot be trained as asked, or not from this data."""


class GrammarError(EarshotError, ValueError):
    """A grammar of the assistant is wrong; the message begins with file and line."""


class ActionError(EarshotError, RuntimeError):
    """An action of the assistant is wrong (the message begins with file and line), or cannot be carried out."""


class CorpusError(EarshotError, ValueError):
    """Recordings with their texts cannot be got, made, or used as asked."""


class ManifestError(CorpusError):
    """A manifest, or a line of it, is wrong; the message begins with file and line."""


class OutputError(EarshotError, OSError):
    """A result cannot be written."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """A hint for a mistyped name: ``did you mean 'moonshine'?``, else the list of what there is."""
    known = sorted(candidates)
    if close := difflib.get_close_matches(name.lower(), known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(known)}" if known else "none is installed"
