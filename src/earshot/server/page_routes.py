"""The page's part of the server: its routes, and what it keeps open while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from earshot.live.stored import StoredSession
from earshot.server.library import Library
from earshot.server.page_api import api_router
from earshot.server.page_assistant import Remote
from earshot.server.page_assistant_socket import assistant_router
from earshot.server.page_live import LiveRooms
from earshot.server.page_recovery import adopt_journals, finish_journals
from earshot.server.page_socket import socket_router
from earshot.server.page_state import PageState
from earshot.server.page_static import static_router
from earshot.server.page_uploads import Uploads


def page_routers() -> list[APIRouter]:
    """What the page asks for, and the page itself."""
    return [api_router(), socket_router(), assistant_router(), static_router()]


@asynccontextmanager
async def page_lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens what the page needs while the server runs; ``app.state`` holds options and pool.

    At the end live sessions are stopped and stored; a recording in work begins again at the next start.
    Raises SessionError for a library of a newer version, OutputError, ServerError.
    """
    options = app.state.options
    remote = app.state.remote = Remote() if options.has_assistant else None
    library = await asyncio.to_thread(Library, options.data_folder)
    try:
        state = app.state.page = PageState(options, app.state.pool, library)
        rooms = app.state.rooms = LiveRooms(state)
        uploads = app.state.uploads = Uploads(state)
        unfinished = await asyncio.to_thread(adopt_journals, state)
        uploads.recover()
        async with _background(uploads, state, unfinished):
            try:
                yield
            finally:
                await rooms.close(options.stop_timeout)
                if remote is not None:
                    await remote.close()
    finally:
        await asyncio.to_thread(library.close)


@asynccontextmanager
async def _background(
    uploads: Uploads, state: PageState, unfinished: list[StoredSession]
) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(uploads.run()), asyncio.create_task(finish_journals(state, unfinished))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
