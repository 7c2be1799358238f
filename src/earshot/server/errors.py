"""What is told to a client that asked for something it cannot have."""

from __future__ import annotations

from earshot.core.errors import EarshotError


class TooManyError(EarshotError, RuntimeError):
    """The server has no place for one more; later it may."""


class UnknownServedModelError(EarshotError, LookupError):
    """A client named a model that this server does not serve."""


class TooLongError(EarshotError, ValueError):
    """A recording or a stream is longer than the server allows."""
