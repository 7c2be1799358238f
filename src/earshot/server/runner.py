"""The running server: its sockets, the protocols beside the web, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import AsyncExitStack

import uvicorn
from fastapi import FastAPI

from earshot.core.errors import ServerError
from earshot.engines import Recognizer
from earshot.server.app import create_app, create_vosk_app
from earshot.server.http_protocol import PatientProtocol
from earshot.server.settings import ServerOptions
from earshot.server.wyoming_service import WyomingService

_BACKLOG = 512
_TICK = 0.02


class Server:
    """All that listens. Binding happens here, so that a port in use is told before anything is loaded.

    recognizers: such as are loaded already and stay the caller's, by the name of their engine.
    Raises ServerError where an address cannot be had.
    """

    def __init__(self, options: ServerOptions, *, recognizers: Mapping[str, Recognizer] | None = None) -> None:
        self.options = options
        self.app = create_app(options, recognizers=recognizers)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stop_wanted = False
        with contextlib.ExitStack() as stack:
            self._sockets = [stack.enter_context(bind(options.host, options.port))]
            if options.vosk_port is not None:
                self._sockets.append(
                    stack.enter_context(bind(options.host, options.vosk_port, option="--vosk-port"))
                )
            self._wyoming = None
            if options.wyoming is not None:
                self._wyoming = WyomingService(options, self.app.state.pool, self.app.state.stopping)
            stack.pop_all()
        apps: list[FastAPI] = [self.app]
        if options.vosk_port is not None:
            apps.append(create_vosk_app(self.app))
        self._webs = [_Web(web_config(app, options)) for app in apps]

    @property
    def port(self) -> int:
        """Where the web listens."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def vosk_port(self) -> int | None:
        """Where Vosk's protocol has a port of its own."""
        return int(self._sockets[1].getsockname()[1]) if self.options.vosk_port is not None else None

    @property
    def wyoming_port(self) -> int | None:
        """Where Wyoming is spoken over TCP."""
        return self._wyoming.port if self._wyoming is not None else None

    @property
    def address(self) -> str:
        """As in ``http://127.0.0.1:8321``."""
        host = self.options.host.strip("[]")
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until ``stop``. on_ready: called when requests are answered.

        Raises EarshotError where an engine cannot be loaded.
        """
        asyncio.run(self.serve(on_ready))

    async def serve(self, on_ready: Callable[[], None] | None = None) -> None:
        """See ``run``."""
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.callback(self.close)
            await stack.enter_async_context(self.app.router.lifespan_context(self.app))
            webs = [
                asyncio.ensure_future(web.serve([listener]))
                for web, listener in zip(self._webs, self._sockets, strict=True)
            ]
            while not all(web.started for web in self._webs):
                await asyncio.sleep(_TICK)
            if self._wyoming is not None:
                await self._wyoming.start()
                await stack.enter_async_context(announced(self.options, self._wyoming.port))
            if on_ready is not None:
                on_ready()
            if self._is_stop_wanted:
                self._begin_stop()
            await asyncio.gather(*webs)

    def stop(self) -> None:
        """End in good order; a second time at once. May be called from any thread or signal handler."""
        is_second = self._is_stop_wanted
        self._is_stop_wanted = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is over already
                self._loop.call_soon_threadsafe(self._hurry if is_second else self._begin_stop)

    def close(self) -> None:
        """Give the addresses back where it never ran."""
        for listener in self._sockets:
            listener.close()
        if self._wyoming is not None:
            self._wyoming.close()

    def _begin_stop(self) -> None:
        if not all(web.started for web in self._webs) or self.app.state.stopping.is_set():
            return
        self.app.state.stopping.set()
        self._stopping_task = asyncio.ensure_future(self._stop())

    async def _stop(self) -> None:
        """No new connections; sockets and streams say their last; then HTTP, which uvicorn waits for."""
        for web in self._webs:
            for server in web.servers:
                server.close()
        if self._wyoming is not None:
            await self._wyoming.stop()
        patience = time.monotonic() + self.options.stop_timeout
        while self.app.state.open_sockets and time.monotonic() < patience:
            await asyncio.sleep(_TICK)
        for web in self._webs:
            web.should_exit = True

    def _hurry(self) -> None:
        for web in self._webs:
            web.force_exit = True
            web.should_exit = True


class _Web(uvicorn.Server):
    """Signals are the command line's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """None."""
        yield


def bind(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A listening socket of that address. Raises ServerError where it cannot be had; it names the option."""
    try:
        infos = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServerError(f"{host!r} is no address of this computer", fix="leave --host out") from error
    family, kind, protocol, _, address = infos[0]
    listener = socket.socket(family, kind, protocol)
    if sys.platform != "win32":  # there it would let two programs listen at once
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise ServerError(
            f"cannot listen on {host}:{port}: {reason}", fix=f"choose another {option}"
        ) from error
    return listener


def web_config(app: FastAPI, options: ServerOptions) -> uvicorn.Config:
    """Uvicorn's part, without a log of its own."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="websockets-sansio",
        ws_max_size=options.max_message_bytes,
        ws_per_message_deflate=False,  # sound does not shrink by it
        ws_ping_interval=20.0,
        ws_ping_timeout=None,  # while a long message is worked on nobody reads the answer
        lifespan="off",  # ``serve`` sees to it, so that its errors come through
        limit_concurrency=options.max_connections,
        timeout_graceful_shutdown=round(options.stop_timeout),
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=32_768,
        log_config=None,
        access_log=False,
        server_header=False,
    )


@contextlib.asynccontextmanager
async def announced(options: ServerOptions, port: int | None) -> AsyncIterator[None]:
    """Tell Home Assistant where Wyoming is spoken, where that was asked for."""
    if not options.has_zeroconf or port is None:
        yield
        return
    from earshot.server.announcement import announce

    async with announce(options, port):
        yield
