"""What is told to a client that asked for something it cannot have.

EarshotError
└── RequestError               a status of HTTP, a code for programs, and the field that is wrong
    ├── TooManyError            429
    ├── UnknownServedModelError 404
    └── TooLongError            413
"""

from __future__ import annotations

import errno

from earshot.core.errors import AudioError, EarshotError, ServerError, UnsupportedError
from earshot.server.replies import Refusal


class RequestError(EarshotError, ValueError):
    """A request that is wrong, or cannot be met now. status: of HTTP; code: one word; param: a field's name."""

    status = 400
    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.status = status or self.status
        self.code = code or self.code
        self.param = param


class TooManyError(RequestError):
    """The server has no place for one more; later it may."""

    status = 429
    code = "rate_limit_exceeded"


class UnknownServedModelError(RequestError):
    """A client named a model that this server does not serve."""

    status = 404
    code = "model_not_found"


class TooLongError(RequestError):
    """A recording or a stream is longer than the server allows."""

    status = 413
    code = "audio_too_long"


def refusal_of(error: BaseException, *, hidden: str | None = None) -> Refusal:
    """How a client is told of an error. hidden: a path of ours that no client shall see.

    What nobody foresaw is told as an internal error and no more.
    """
    if isinstance(error, RequestError):
        return Refusal(error.status, str(error), error.code, error.param)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(507, "the server's disk is full", "disk_full")
    text = str(error)
    if hidden is not None:
        text = text.replace(hidden, "the recording")
    if isinstance(error, AudioError):
        return Refusal(400, text, "invalid_audio", "file")
    if isinstance(error, UnsupportedError):
        return Refusal(400, text, "unsupported")
    if isinstance(error, ServerError):
        return Refusal(503, text, "stopping")
    if isinstance(error, EarshotError):
        return Refusal(500, text, "server_error")
    return Refusal(500, "internal error", "server_error")
