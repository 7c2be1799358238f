"""What a server may do, decided before it starts; nothing of it can be changed by a client."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from earshot.core.errors import ServerError
from earshot.core.paths import data_home
from earshot.engines import DEFAULT_ENGINE

DEFAULT_PORT = 8_321

MIN_TOKEN = 16
"""Characters; a shorter token can be guessed over a network."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to serve. Sizes in bytes, times in seconds.

    host, port: where to listen; port 0 takes a free one. token: what every request has to show; needed on any
    address but loopback. allowed_origins: pages of other addresses that may ask, as in ``https://notes.lan``.
    allowed_hosts: further names under which this computer is reached.
    engine, model, language, language_model: what recognizes where a client names nothing. more_engines: served
    beside it, each ``NAME`` or ``NAME/MODEL``; a client can choose among what is served and load nothing else.
    has_translations: load what translates a second time for it, where an engine can.
    vosk_port: None for none beside the path ``/vosk``. wyoming: ``tcp://HOST:PORT``, ``unix:///PATH`` or None;
    wyoming_clients: addresses or networks that may use it, as its protocol knows no tokens (this computer
    always may); has_zeroconf: tell the local network of it. grammar: by which they may ask what a text means;
    acts: whether that is done, where it is harmless, by the file ``actions`` (None for the user's own).
    has_assistant: whether the page may give orders to the assistant that runs on this computer.
    max_upload_bytes: of one recording; max_body_bytes: of any other request; max_message_bytes: of one
    WebSocket message. max_duration: seconds of one recording or one stream; max_sessions: streams that listen
    at once; max_uploads: recordings in work or waiting at once; max_connections: of any kind.
    idle_timeout: of a socket on which nothing comes; body_timeout: between two parts of a request's body.
    stop_timeout: how long work in flight may take once the server is told to stop.
    data_folder: where uploads wait and the library lives. log_content: whether the log may tell what was said.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    token: str | None = field(default=None, repr=False)
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    engine: str = DEFAULT_ENGINE
    model: str | None = None
    language: str | None = None
    language_model: str | None = None
    more_engines: tuple[str, ...] = ()
    has_translations: bool = False
    vosk_port: int | None = None
    wyoming: str | None = None
    wyoming_clients: tuple[str, ...] = ()
    grammar: Path | None = None
    acts: bool = False
    actions: Path | None = None
    has_assistant: bool = False
    has_zeroconf: bool = False
    max_upload_bytes: int = 2 * 1024**3
    max_body_bytes: int = 8 * 1024**2
    max_message_bytes: int = 24 * 1024**2
    max_duration: float = 6 * 3600.0
    max_sessions: int = 64
    max_uploads: int = 16
    max_connections: int = 1_000
    idle_timeout: float = 900.0
    body_timeout: float = 30.0
    stop_timeout: float = 30.0
    data_folder: Path = field(default_factory=data_home)
    log_content: bool = False

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and self.token is None:
            raise ServerError(
                f"{self.host} can be reached by others, so a token is required",
                fix="give --token-file FILE or --token TEXT, or listen on 127.0.0.1",
            )
        if self.token is not None and not is_good_token(self.token):
            raise ServerError(
                f"a token has at least {MIN_TOKEN} printable characters without spaces",
                fix="""make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'""",
            )

        for text in self.wyoming_clients:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                raise ServerError(f"{text!r} is no address or network", fix="as in 192.168.1.20") from error

    @property
    def upload_folder(self) -> Path:
        """Where uploads wait while they are transcribed; emptied at every start."""
        return self.data_folder / "server" / "uploads"


def is_loopback(host: str) -> bool:
    """Whether only programs of this computer reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_good_token(token: str) -> bool:
    """Long enough, and made of what fits a header, a cookie and an address."""
    return len(token) >= MIN_TOKEN and token.isascii() and token.isprintable() and " " not in token
