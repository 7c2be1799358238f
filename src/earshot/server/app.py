"""The web application: all routes behind one gate, and the pool that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from earshot import __version__
from earshot.core.errors import EarshotError
from earshot.engines import Recognizer
from earshot.server.access import Gate
from earshot.server.errors import refusal_of
from earshot.server.health import health_router
from earshot.server.metrics import Meter, Metrics
from earshot.server.openai_rest import openai_router
from earshot.server.page_routes import page_lifespan, page_routers
from earshot.server.pool import RecognizerPool
from earshot.server.realtime import realtime_router
from earshot.server.replies import Refusal
from earshot.server.settings import ServerOptions
from earshot.server.spot_socket import spot_router
from earshot.server.upload_folder import UploadFolder
from earshot.server.vosk_socket import vosk_router


def create_app(options: ServerOptions, *, recognizers: Mapping[str, Recognizer] | None = None) -> FastAPI:
    """The application; its lifespan loads and releases the engines.

    recognizers: such as are loaded already and stay the caller's, by the name of their engine.
    ``app.state`` holds ``options``, ``pool``, ``metrics``, ``upload_folder``, the ``open_sockets``, and
    ``stopping``, an event that is set when the server is told to stop and sockets shall come to their end.
    """
    pool = RecognizerPool(options, recognizers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with UploadFolder(options.upload_folder) as folder:
            app.state.upload_folder = folder
            try:
                await asyncio.to_thread(pool.open)
                async with page_lifespan(app):
                    yield
            finally:
                await asyncio.to_thread(pool.close)

    app = FastAPI(
        title="Earshot",
        version=__version__,
        summary="Speech recognition that never leaves earshot",
        lifespan=lifespan,
        docs_url=None,  # they would fetch scripts from elsewhere
        redoc_url=None,
    )
    app.state.options = options
    app.state.pool = pool
    app.state.metrics = Metrics(pool)
    app.state.open_sockets = set()
    app.state.stopping = asyncio.Event()
    own = (health_router(), openai_router(), realtime_router(), vosk_router(), spot_router())
    for router in (*own, *page_routers()):
        app.include_router(router)
    _guard(app, options)
    return app


def create_vosk_app(app: FastAPI) -> FastAPI:
    """Vosk's protocol alone, at every path, for a port of its own; shares all with ``app``."""
    own = FastAPI(title="Earshot for Vosk's clients", openapi_url=None, docs_url=None, redoc_url=None)
    own.state = app.state
    own.include_router(vosk_router("/{path:path}"))
    _guard(own, app.state.options)
    return own


def _guard(app: FastAPI, options: ServerOptions) -> None:
    """The gate, the meter before it, and errors in one shape."""
    app.add_middleware(Gate, options=options)
    app.add_middleware(Meter, metrics=app.state.metrics, open_sockets=app.state.open_sockets)
    app.add_exception_handler(EarshotError, _told)
    app.add_exception_handler(OSError, _told)
    app.add_exception_handler(Exception, _told)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


async def _told(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - Starlette's signature
    return _answer(refusal_of(error))


async def _http_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    answer = _answer(Refusal(error.status_code, str(error.detail), code))
    answer.headers.update(error.headers or {})
    return answer


async def _validation_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    """What is wrong with which field; never its value."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first.get("loc", ())[1:])
    return _answer(Refusal(422, str(first.get("msg", "invalid")), "invalid_request", param or None))


def _answer(refusal: Refusal) -> JSONResponse:
    headers = {"Retry-After": "5"} if refusal.status in (429, 503) else None
    return JSONResponse(refusal.document(), refusal.status, headers)
