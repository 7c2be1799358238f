"""The web application: all routes behind one gate, and the pool that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from earshot import __version__
from earshot.engines import Recognizer
from earshot.server.access import Gate
from earshot.server.health import health_router
from earshot.server.page_routes import page_lifespan, page_routers
from earshot.server.pool import RecognizerPool
from earshot.server.settings import ServerOptions


def create_app(options: ServerOptions, *, recognizers: Mapping[str, Recognizer] | None = None) -> FastAPI:
    """The application; its lifespan loads and releases the engines.

    recognizers: such as are loaded already and stay the caller's, by the name of their engine.
    ``app.state`` holds ``options``, ``pool`` and ``stopping``, an event that is set when the server is told to
    stop and sockets shall come to their end.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool: RecognizerPool = app.state.pool
        await asyncio.to_thread(pool.open)
        try:
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
    app.state.pool = RecognizerPool(options, recognizers)
    app.state.stopping = asyncio.Event()
    app.add_middleware(Gate, options=options)
    app.include_router(health_router())
    for router in page_routers():
        app.include_router(router)
    return app
