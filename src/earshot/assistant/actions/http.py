"""Requests to a server of the user's, such as Home Assistant: the one action that uses the network itself."""

from __future__ import annotations

import json
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from earshot.assistant.actions.addresses import AddressPhrase
from earshot.assistant.actions.base import FunctionAction, Outcome, Risk, Surroundings
from earshot.assistant.actions.values import Choice, Data, FilePath, Number, Parameter, Text
from earshot.core.errors import ActionError

TIME_LIMIT = 10.0
"""Seconds."""

_MAX_TOKEN = 10_000
_MAX_ANSWER = 100_000


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where to go stands in the user's file, and nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """None: the redirect is an error like others."""


def _plan(values: Mapping[str, Any], surroundings: Surroundings) -> tuple[str, ...]:  # noqa: ARG001
    body = [json.dumps(values["body"], ensure_ascii=False)] if "body" in values else []
    return (values.get("method", "POST"), values["address"], *body)


def _request(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    request = urllib.request.Request(  # noqa: S310 - AddressPhrase lets http(s) pass alone
        values["address"], method=values.get("method", "POST")
    )
    if "body" in values:
        request.data = json.dumps(values["body"], ensure_ascii=False).encode()
        request.add_header("Content-Type", "application/json")
    if token := _token(values, surroundings):
        request.add_header("Authorization", f"Bearer {token}")
    # No proxies: what the user writes is meant for that host.
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))
    host = urlsplit(values["address"]).netloc
    try:
        with opener.open(request, timeout=values.get("time_limit", TIME_LIMIT)) as answer:
            answer.read(_MAX_ANSWER)
    except urllib.error.HTTPError as error:
        error.close()
        fix = "check the token" if error.code in (401, 403) else "check the address in the actions file"
        raise ActionError(f"{host} answered {error.code} {error.reason}", fix=fix) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ActionError(
            f"{host} cannot be reached: {reason}", fix="check that it runs, and the address"
        ) from None
    return Outcome("done", "", _plan(values, surroundings))


def _token(values: Mapping[str, Any], surroundings: Surroundings) -> str:
    """The secret for the server; it goes into the request and nowhere else."""
    if name := values.get("token_env"):
        token = surroundings.environment.get(name, "").strip()
        if not token:
            raise ActionError(f"the variable {name} holds no token", fix=f"set {name}, or use token_file")
    elif path := values.get("token_file"):
        token = _token_of(path)
    else:
        return ""
    if not token.isascii() or not token.isprintable() or " " in token or len(token) > _MAX_TOKEN:
        raise ActionError("the token is no token: it holds blanks or odd characters")
    return token


def _token_of(path: Path) -> str:
    try:
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ActionError(f"{path} can be read by others", fix=f"chmod 600 {path}")
        with path.open(encoding="utf-8") as stream:
            token = stream.read(_MAX_TOKEN + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ActionError(
            f"the token in {path} cannot be read: {getattr(error, 'strerror', 'no text')}"
        ) from None
    if not token:
        raise ActionError(f"{path} holds no token", fix="put the token into it")
    return token


ACTIONS = (
    FunctionAction(
        "http.request",
        "send a request to a server of yours",
        _request,
        {
            "address": Parameter(AddressPhrase(), "where to, with {slot} after the host", is_required=True),
            "method": Parameter(Choice(("GET", "POST", "PUT", "DELETE", "PATCH")), "POST when not given"),
            "body": Parameter(Data(), "sent as JSON; {slot} in it is a value"),
            "token_env": Parameter(Text(100), "the variable that holds the token"),
            "token_file": Parameter(FilePath(), "the file that holds the token"),
            "time_limit": Parameter(Number(0.1, 300, is_whole=False), "seconds; 10 when not given"),
        },
        risk=Risk.CONFIRM,
        planner=_plan,
    ),
)
