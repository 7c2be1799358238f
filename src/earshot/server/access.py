"""The gate before all routes: who may ask, from where, how much and how slowly. Pure ASGI, sockets included."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import socket
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earshot.server.replies import Refusal, send_refusal
from earshot.server.settings import LOOPBACK_NAMES, ServerOptions, is_loopback

UPLOAD_PATHS = ("/v1/audio/", "/api/uploads")
"""Whose bodies may be as large as a recording."""

OPEN_PATHS = ("/healthz",)
"""What tells nothing, so that a watchdog needs no token."""

_SUBPROTOCOL_KEY = "openai-insecure-api-key."
"""How OpenAI's browser clients send their key, as a browser cannot set headers on a WebSocket."""

_LEAST_RATE = 1_024
"""Bytes a second of a request's body, on average, beyond its first ``body_timeout``."""

_DRAIN_SECONDS, _DRAIN_BYTES = 1.0, 16 * 1024**2
"""How much more is read, and thrown away, of a body that was refused."""

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""For every response that does not set its own."""


class Gate:
    """Checks Host, Origin and token, then watches size and pace of what comes in.

    A refusal names the reason and nothing else. The token comes as ``Authorization: Bearer``, as cookie, as the
    subprotocol that OpenAI's browser clients use, or as ``?token=`` of a WebSocket or of the page's first load,
    which is answered by a cookie and a redirection to the address without it.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app = app
        self._options = options
        self._hosts = frozenset(
            name.strip("[]").lower() for name in (*options.allowed_hosts, *own_names(options))
        )
        self._is_wildcard = options.host in ("0.0.0.0", "::", "")  # noqa: S104 - only looked at
        self._origins = frozenset(origin.rstrip("/").lower() for origin in options.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._host_refusal(headers) or self._origin_refusal(scope, headers)
        if refusal is not None:
            await send_refusal(refusal, scope, receive, send)
            return
        origin = self._foreign_origin(headers)
        if origin and scope["type"] == "http":
            send = _with_cors(send, origin)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _send_preflight(headers, send)
                return
        if not self._is_authorized(scope, headers):
            if await self._welcome(scope, send):
                return
            refusal = Refusal(401, "a valid token is needed", "invalid_api_key")
            await send_refusal(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, _secured(send), self._limit(scope), self._options.body_timeout)
        await body.run(self._app)

    # --- Host and Origin -----------------------------------------------------------------------------------

    def _host_refusal(self, headers: Headers) -> Refusal | None:
        hosts = headers.getlist("host")
        if len(hosts) == 1 and self._is_own_host(_host_name(hosts[0])):
            return None
        return Refusal(421, "this server does not go by that name: see --allow-host", "host_not_allowed")

    def _is_own_host(self, name: str | None) -> bool:
        if name is None:
            return False
        if name in self._hosts:
            return True
        # A name can be made to point here by whoever owns it, an address cannot.
        return self._is_wildcard and _is_address(name)

    def _origin_refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        refusal = Refusal(403, "pages of that origin may not ask: see --allow-origin", "origin_not_allowed")
        origins = headers.getlist("origin")
        if len(origins) > 1:
            return refusal
        if origins:
            return None if self._is_allowed_origin(origins[0], headers) else refusal
        # Browsers tell by these of requests of other pages that carry no Origin, such as those of images.
        is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        is_visit = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") in ("GET", "HEAD")
        return refusal if is_foreign and not is_visit else None

    def _is_allowed_origin(self, origin: str, headers: Headers) -> bool:
        if origin.lower() in self._origins:
            return True
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc == headers["host"].lower()

    def _foreign_origin(self, headers: Headers) -> str | None:
        origin = headers.get("origin")
        return origin if origin is not None and origin.lower() in self._origins else None

    # --- token ---------------------------------------------------------------------------------------------

    def _is_authorized(self, scope: Scope, headers: Headers) -> bool:
        token = self._options.token
        if token is None or (scope["type"] == "http" and scope["path"] in OPEN_PATHS):
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(bearer.strip(), token):
            return True
        if _same(_cookies(headers).get(cookie_name(scope), ""), cookie_value(token)):
            return True
        if scope["type"] != "websocket":
            return False
        keys = [
            name.removeprefix(_SUBPROTOCOL_KEY)
            for name in scope.get("subprotocols", ())
            if name.startswith(_SUBPROTOCOL_KEY)
        ]
        keys += [value for name, value in _query(scope) if name == "token"]
        return any(_same(key, token) for key in keys)

    async def _welcome(self, scope: Scope, send: Send) -> bool:
        """The page's first load: ``/?token=…`` becomes a cookie. Returns whether it was answered."""
        token = self._options.token
        if token is None or scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return False
        query = _query(scope)
        if scope["path"] != "/" or not any(name == "token" and _same(value, token) for name, value in query):
            return False
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        cookie = (
            f"{cookie_name(scope)}={cookie_value(token)}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
        )
        headers = [
            (b"location", f"/?{rest}".encode("latin-1") if rest else b"/"),
            (b"set-cookie", cookie.encode("latin-1")),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return True

    def _limit(self, scope: Scope) -> int:
        options = self._options
        # What surrounds the file in a form is small.
        is_upload = scope["path"].startswith(UPLOAD_PATHS)
        return options.max_upload_bytes + 65_536 if is_upload else options.max_body_bytes


class _BodyError(Exception):
    """The request's body was refused on its way; the answer is given already, or will be."""


class _Body:
    """One request whose body is counted and timed while it comes.

    Refused with 413 when it is too large, whatever its Content-Length says, and with 408 when it comes too
    slowly: a pause of more than ``timeout`` seconds, or less than 1 kB a second on average after that.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int, timeout: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._timeout = timeout
        self._started = time.monotonic()
        self._num_bytes = 0
        headers = Headers(scope=scope)
        self._is_complete = "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"
        self._has_answered = False
        self._refusal: Refusal | None = None

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer, unless the body forbids."""
        length = Headers(scope=self._scope).get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > self._limit):
            self._refusal = self._too_large()
        else:
            with contextlib.suppress(_BodyError):
                await app(self._scope, self.receive, self.send)
        if self._refusal is not None and not self._has_answered:
            await send_refusal(self._refusal, self._scope, self._receive, self._answer)

    async def receive(self) -> Message:
        """The next part of the body."""
        if self._refusal is not None:
            raise _BodyError
        if self._is_complete:
            return await self._receive()  # waits for the client to go away
        elapsed = time.monotonic() - self._started
        patience = min(self._timeout, self._timeout + self._num_bytes / _LEAST_RATE - elapsed)
        try:
            message = await asyncio.wait_for(self._receive(), max(0.001, patience))
        except TimeoutError:
            raise self._refused(Refusal(408, "the request's body comes too slowly", "body_timeout")) from None
        self._num_bytes += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._num_bytes > self._limit:
            raise self._refused(self._too_large())
        return message

    async def send(self, message: Message) -> None:
        """The application's answer, replaced where the body was refused meanwhile."""
        if self._refusal is not None and not self._has_answered:
            return
        await self._answer(message)

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._has_answered = True
            if not self._is_complete:
                MutableHeaders(scope=message)["connection"] = "close"
        elif not (self._is_complete or message.get("more_body", False)):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drain(self) -> None:
        """Read on for a moment: closing on unread bytes takes the answer from a client that still sends."""
        num_bytes = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while num_bytes < _DRAIN_BYTES:
                    message = await self._receive()
                    num_bytes += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _refused(self, refusal: Refusal) -> _BodyError:
        self._refusal = refusal
        return _BodyError(refusal.message)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the request is larger than {self._limit} bytes", "body_too_large")


def own_names(options: ServerOptions) -> list[str]:
    """The names under which this computer is reached at the address it listens on, without being told."""
    if is_loopback(options.host):
        return list(LOOPBACK_NAMES)
    name = socket.gethostname().lower()
    return [*LOOPBACK_NAMES, options.host, name, f"{name}.local"]


def cookie_name(scope: Scope) -> str:
    """Cookies know no ports, and several servers may run on one computer."""
    server = scope.get("server") or ("", 0)
    return f"earshot-{server[1] or 0}"


def cookie_value(token: str) -> str:
    """What a browser keeps instead of the token itself."""
    return hmac.new(token.encode(), b"earshot page cookie", hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8"))


def _cookies(headers: Headers) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load("; ".join(headers.getlist("cookie")))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=64)
    except ValueError:
        return []


def _host_name(host: str) -> str | None:
    """``[::1]:80`` → ``::1``; None for what is no host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _secured(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return secured


def _with_cors(send: Send, origin: str) -> Send:
    async def with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers.add_vary_header("Origin")
        await send(message)

    return with_cors


async def _send_preflight(headers: Headers, send: Send) -> None:
    answer = [
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", headers.get("access-control-request-headers", "").encode("latin-1")),
        (b"access-control-max-age", b"600"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})
