"""Is it there, and how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request

from earshot import __version__


def health_router() -> APIRouter:
    """``/healthz``."""
    router = APIRouter()

    @router.get("/healthz", summary="Whether the server is ready")
    async def healthz(request: Request) -> dict[str, str]:  # noqa: ARG001
        return {"status": "ok", "version": __version__}

    return router
