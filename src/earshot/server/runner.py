"""The running server: sockets, protocols beside the web, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Mapping

import uvicorn

from earshot.core.errors import ServerError
from earshot.engines import Recognizer
from earshot.server.app import create_app
from earshot.server.settings import ServerOptions

_BACKLOG = 512


class Server:
    """All that listens. Binding happens here, so that a port in use is told before anything is loaded.

    Raises ServerError where an address cannot be had.
    """

    def __init__(self, options: ServerOptions, *, recognizers: Mapping[str, Recognizer] | None = None) -> None:
        self.options = options
        self._socket = bind(options.host, options.port)
        self.app = create_app(options, recognizers=recognizers)
        self._web = _Web(web_config(self.app, options))
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> int:
        """Where the web listens."""
        return int(self._socket.getsockname()[1])

    @property
    def address(self) -> str:
        """As in ``http://127.0.0.1:8321``."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.port}"

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until ``stop``. on_ready: called when requests are answered."""
        asyncio.run(self.serve(on_ready))

    async def serve(self, on_ready: Callable[[], None] | None = None) -> None:
        """See ``run``."""
        self._loop = asyncio.get_running_loop()
        web = asyncio.create_task(self._web.serve([self._socket]))
        while not (self._web.started or web.done()):
            await asyncio.sleep(0.01)
        if on_ready is not None and not web.done():
            on_ready()
        await web

    def stop(self) -> None:
        """End in good order; a second time at once. May be called from any thread or signal handler."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self.app.state.stopping.is_set():
            self._web.force_exit = True
        self.app.state.stopping.set()
        self._web.should_exit = True

    def close(self) -> None:
        """Give the addresses back where it never ran."""
        self._socket.close()


class _Web(uvicorn.Server):
    """Signals are the command line's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """None."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket of that address. Raises ServerError where it cannot be had."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"{host!r} is no address of this computer", fix="leave --host out") from error
    family, kind, protocol, _, address = infos[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise ServerError(f"cannot listen on {host}:{port}: {reason}", fix="choose another --port") from error
    return listener


def web_config(app: object, options: ServerOptions) -> uvicorn.Config:
    """Uvicorn's part, without a log of its own."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="h11",
        ws="websockets-sansio",
        ws_max_size=options.max_message_bytes,
        ws_per_message_deflate=False,  # sound does not shrink by it
        ws_ping_interval=20.0,
        ws_ping_timeout=None,  # while a long message is worked on nobody reads the answer
        limit_concurrency=options.max_connections,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=32_768,
    )
