"""Is it there, and how is it doing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from earshot import __version__
from earshot.server.openai_documents import responses


class Health(BaseModel):
    """status: ``ok``, or ``stopping`` while work in flight is finished."""

    status: str
    version: str


def health_router() -> APIRouter:
    """``/healthz`` and ``/metrics``."""
    router = APIRouter(tags=["Health"])
    figures = {"description": "Figures", "content": {"text/plain": {"schema": {"type": "string"}}}}
    own: dict[int | str, dict[str, Any]] = {status: responses({})[status] for status in ("403", "421")}

    @router.get("/healthz", responses=own)
    async def healthz(request: Request) -> Health:
        """Whether the server is ready; needs no token."""
        is_stopping = request.app.state.stopping.is_set()
        return Health(status="stopping" if is_stopping else "ok", version=__version__)

    @router.get("/metrics", response_class=Response, openapi_extra={"responses": responses(figures)})
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
