"""The page's part of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI


def page_routers() -> list[APIRouter]:
    """What the page asks for, and the page itself."""
    return []


@asynccontextmanager
async def page_lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - filled later
    """Opens what the page needs while the server runs; ``app.state`` holds options and pool."""
    yield
